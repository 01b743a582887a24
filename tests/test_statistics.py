"""Tallies: sums and differences of counts, and what users see of them."""

from __future__ import annotations

from hypothesis import given, strategies as st

from trio_mq import DropReason
from trio_mq._tally import Tally, Waiting, traffic

NUMBERS = ["accepted", "accepted_bytes", "written", "written_bytes", "decoded", "decoded_bytes"]


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Any figures."""
    tally = Tally()
    for name in [*NUMBERS, "delivered"]:
        setattr(tally, name, draw(st.integers(0, 99)))
    for reason in draw(st.lists(st.sampled_from(DropReason), max_size=4)):
        tally.drop_out(reason, draw(st.integers(1, 9)))
        tally.drop_in(reason, draw(st.integers(1, 9)))
    return tally


@given(one=tallies(), two=tallies())
def test_adding_and_taking_off_again_changes_nothing(one: Tally, two: Tally) -> None:
    """That is how the figures of a peer are made from those of its pipe."""
    before = traffic(one, Waiting())
    sum_ = one.copy()
    sum_.add(two)
    assert sum_.accepted == one.accepted + two.accepted
    sum_.add(two, sign=-1)
    assert traffic(sum_, Waiting()) == before
    assert traffic(one, Waiting()) == before


def test_reasons_that_cancel_out_are_not_shown() -> None:
    """A reason with no messages is none."""
    tally, other = Tally(), Tally()
    tally.drop_out(DropReason.CLOSED, 2)
    other.drop_out(DropReason.CLOSED, 2)
    tally.add(other, sign=-1)
    assert traffic(tally, Waiting())["dropped_outgoing"] == {}


def test_what_waits_adds_up_field_by_field() -> None:
    """Messages and bytes, out and in."""
    assert Waiting(1, 2, 3, 4) + Waiting(10, 20, 30, 40) == Waiting(11, 22, 33, 44)
