"""The clock of the time slice in the hands of a test: what one does must not hang on the other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import perf_counter

from trio_mq._waiting import TimeSlice, current_slice


def set_clock(clock: Callable[[], float]) -> None:
    """Put another clock in place of the slice's; a constant one leaves the count alone."""
    time_slice = current_slice()
    time_slice.clock = clock
    time_slice.restart()


def count_messages_only() -> None:
    """Let slices of this run end by their count of messages alone, however busy the machine is."""
    set_clock(lambda: 0.0)


def have_patience() -> None:
    """Let ``send_many`` wait for peers that make room slowly for as long as they need.

    It gives them a share of the processor's time. Under the debug mode, or with spent slices, that
    may be too little for a peer that keeps up.
    """
    current_slice().processor = lambda: 0.0


#: What the clock of every slice may do in a run of the tests, by the name of the option.
CLOCKS: dict[str, Callable[[], float]] = {
    "as the clock says": perf_counter,
    # As on a machine that gives its processor to others all the time: every call yields.
    "spent": count(0.0, 1.0).__next__,
    "endless": lambda: 0.0,
}


def start_slices_with(clock: Callable[[], float]) -> None:
    """Give this clock to the slices of all runs to come."""
    TimeSlice.__init__.__defaults__ = (clock,)
