"""The debug mode: after each step of every task, look whether the invariants still hold.

What the library does between two schedule points, it does in one go. So its invariants hold
whenever a task has paused, and that is where the debug mode looks, as an instrument of the trio
run. It costs nothing when it is off: no line of a hot path asks for it, only the opening of a
socket does. When it is on, a look costs about the same for ten peers and for ten thousand,
because sockets with many peers are looked at less often.

The invariants:

*One owner.* A connection that is there has a pipe, no other connection has the same one, and the
pipe's peer is that of the connection; no other pipe is lent. What the writer has in hand belongs to
a connection. A pipe that may be chosen is one that the socket knows, so nothing is sent where
nobody is.

*One place.* What was accepted waits, was written, or was dropped; what was decoded waits, was
delivered, or was dropped. That is true of each pipe, and so of each peer, whose pipe counts also
what a pattern keeps outside of its queue (`Pattern.keeping`). No figure is below zero, and the
bytes are those of the messages.

*One request.* A reply belongs to one request: what a pattern knows of requests that are out agrees
with itself (`Pattern.faults`).

*One holder.* A routing id names one pipe, which knows it (`Pattern.faults`). That a place has one
contest at a time needs no look: contests are kept by holder (`trio_mq._sockets.contests`).

*No needless waiting.* Nobody waits for a message that is there, or for room that is there. Where a
message may not wait without end, the alarm is set for the end of its time. Who has put something
off to the end of a turn is told there (`trio_mq._connections.turn_end`).

*One order.* A box has a count of its own, and goes out in the order of the counts: whatever has got
one since a box began to be sealed in another thread waits behind that (`Outbox.faults`).

*Nothing outlives its owner.* A closed socket holds no message, pipe or connection.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

import trio

from trio_mq._connections.turn_end import current_turn_end
from trio_mq._errors import InternalError
from trio_mq._patterns.balanced import BalancedPattern
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.item import payload_of
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._tally import DropReason, Tally

_PIPES_A_LOOK: Final = 8
"""At most this many peers are looked at in one step, so its cost does not grow with them."""

_MESSAGES_A_LOOK: Final = 8
"""A look adds up the bytes of a peer's messages while there are no more of them than this."""

#: The plain numbers of a tally.
_FIGURES: Final = [name for name in Tally.__slots__ if not name.startswith(("dropped", "peak"))]


class _Switch:
    on: bool = os.environ.get("TRIO_MQ_DEBUG", "") not in ("", "0")


def set_debug(on: bool) -> None:  # noqa: FBT001  # the switch itself
    """Let sockets that are opened from now on be watched for broken promises, or not.

    For tests, and to hunt a bug of trio_mq: after each step of every task it is checked that no
    message is lost or in two places, no queue has two owners, no reply two requests, and that
    nobody waits for what is there. If that does not hold the run ends with an `InternalError`
    that says what was found, in a `trio.TrioInternalError`; please report it. It makes programs
    slower; while it is off, which is the default, it costs nothing.

    The environment variable ``TRIO_MQ_DEBUG=1`` does the same.

    Args:
        on: Whether to watch.
    """
    _Switch.on = bool(on)


def is_debugging() -> bool:
    """Tell whether sockets that are opened now are watched."""
    return _Switch.on


def observe(pattern: Pattern) -> None:
    """A socket opens: look at it after each step, in debug mode."""
    if _Switch.on:
        _observer_of_run().add(pattern)


def dismiss(pattern: Pattern) -> None:
    """A socket has closed: look a last time whether anything is left."""
    try:
        observer = _observer.get()
    except (LookupError, RuntimeError):
        return  # nothing was ever watched in this run, or there is no run
    observer.remove(pattern)


class _Observer(trio.abc.Instrument):
    """Looks at the open sockets of one run."""

    def __init__(self) -> None:
        self._patterns: dict[Pattern, int] = {}
        """Each socket, with the number of steps until the next look at it."""

        self._crashed = False

    def add(self, pattern: Pattern) -> None:
        """Look at one more."""
        if not self._patterns:
            # Instruments are called in the order in which they came: this one looks after that.
            current_turn_end()
            trio.lowlevel.add_instrument(self)
        self._patterns[pattern] = 0

    def remove(self, pattern: Pattern) -> None:
        """Look at it a last time."""
        if self._patterns.pop(pattern, None) is None:
            return
        self._report(pattern, (*faults(pattern), *leftovers(pattern)), "at its end")
        if not self._patterns:
            trio.lowlevel.remove_instrument(self)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Look at those whose turn it is."""
        self._look(f"after a step of {task.name}")

    def before_io_wait(self, timeout: float) -> None:
        """Look again before a sleep: whoever was forgotten at the end of the turn stays asleep."""
        if timeout > 0:
            self._look("at the end of a turn")
            if self._crashed:
                # trio has decided by now how long it will sleep.
                trio.lowlevel.current_trio_token().run_sync_soon(lambda: None)

    def _look(self, when: str) -> None:
        for pattern, steps in self._patterns.items():
            if steps:
                self._patterns[pattern] = steps - 1
            else:
                self._patterns[pattern] = len(pattern.ledger.pipes) // _PIPES_A_LOOK
                self._report(pattern, faults(pattern), when)

    def _report(self, pattern: Pattern, found: Iterable[str], when: str) -> None:
        """End the run if anything was found: an instrument that raises is only switched off."""
        text = "; ".join(found)
        if text and not self._crashed:
            self._crashed = True
            trio.lowlevel.spawn_system_task(_crash, f"{pattern.ledger.name}, {when}: {text}")


async def _crash(found: str) -> NoReturn:  # a task of trio's
    raise InternalError(f"this is a bug of trio_mq, please report it. {found}")


_observer: trio.lowlevel.RunVar[_Observer] = trio.lowlevel.RunVar("trio_mq debug mode")


def _observer_of_run() -> _Observer:
    try:
        return _observer.get()
    except LookupError:
        observer = _Observer()
        _observer.set(observer)
        return observer


# -- the invariants --


def faults(pattern: Pattern) -> Iterator[str]:
    """Say which invariants a socket breaks now. It changes nothing."""
    yield from _owner_faults(pattern)
    yield from _balance_faults(pattern)
    yield from _waiting_in_vain(pattern)
    yield from pattern.ledger.printer.faults()
    yield from pattern.faults()


def leftovers(pattern: Pattern) -> Iterator[str]:
    """Say what a closed socket still holds."""
    for kept in (*pattern.ledger.pipes, *pattern.ledger.links.values()):
        yield f"{kept!r} of a closed socket"
    if pattern.waiting().out or pattern.waiting().into:
        yield f"{pattern.waiting()} of a closed socket"


def _owner_faults(pattern: Pattern) -> Iterator[str]:
    ledger = pattern.ledger
    borrowed: set[Pipe] = set()
    for peer, link in ledger.links.items():
        pipe = link.pipe
        if pipe is None or link.peer is not peer or pipe.peer is not peer:
            yield f"{link!r}, its pipe {pipe!r} and its peer {peer!r} don't belong together"
        elif pipe in borrowed:
            yield f"{pipe!r} has two connections"
        elif pipe not in ledger.pipes or pipe.hold is not Hold.LENT:
            yield f"{link!r} has a pipe that was given up, {pipe!r}"
        else:
            borrowed.add(pipe)
            yield from link.faults()
    for pipe in ledger.pipes:
        yield from _hold_faults(pipe, borrowed=pipe in borrowed)
    if isinstance(pattern, BalancedPattern):
        for pipe in pattern.balance.targets():
            if pipe not in ledger.pipes or not pipe.attached or pipe.leaving:
                yield f"{pipe!r} may be chosen and is not there"


def _hold_faults(pipe: Pipe, *, borrowed: bool) -> Iterator[str]:
    if pipe.outbound.in_hand and not borrowed:
        yield f"{pipe!r} is being written by nobody"
    if (pipe.hold is Hold.LENT) is not borrowed:
        yield f"{pipe!r} is {pipe.hold.value}, and {'one' if borrowed else 'no'} connection uses it"
    if pipe.hold is Hold.RETIRED and (pipe.outbound.as_it_is()[0] or pipe.attached):
        yield f"{pipe!r} is retired, and is still used"
    if pipe.hold is Hold.RETIRED and pipe.inbound.used_up and not pipe.inbound.readable:
        yield f"{pipe!r} is retired and read to its end, and is still kept"


def _balance_faults(pattern: Pattern) -> Iterator[str]:
    for pipe in pattern.ledger.pipes:
        yield from _books_of(pipe)
    departed = pattern.ledger.departed
    yield from _total_faults(pattern)
    yield from _unread_faults("what is gone", departed, 0)
    if departed.accepted != departed.written + _dropped_out(departed):
        yield "what was accepted for pipes that are gone was neither written nor dropped"
    keeping, kept = pattern.keeping(), [pipe for pipe in pattern.ledger.pipes if pipe.inbound.kept]
    if set(keeping) != set(kept):
        yield f"messages are kept of {keeping}, and {kept} count some"


def _total_faults(pattern: Pattern) -> Iterator[str]:
    """Compare the figures of the socket with those of its pipes, which are counted side by side."""
    ledger = pattern.ledger
    for pipe in ledger.pipes:
        if pipe.outbound.as_it_is()[0] and pipe not in ledger.busy:
            yield f"{pipe!r} has messages to write, and its socket does not know"
        if pipe.inbound.count and not pipe.inbound.readable:
            yield f"{pipe!r} has messages to read, and its socket does not know"
    tallies = [ledger.departed, *(pipe.tally for pipe in ledger.pipes)]
    yield from _peak_faults(ledger.total, tallies)
    for name in _FIGURES:
        counted, added = getattr(ledger.total, name), sum(getattr(tally, name) for tally in tallies)
        if counted != added:
            yield f"the socket has {name}={counted}, and its pipes together {added}"
    for name in ("dropped_out", "dropped_in"):
        drops = Counter[DropReason]()
        for tally in tallies:
            drops.update(getattr(tally, name) or {})
        dropped = getattr(ledger.total, name) or Counter()
        if drops != dropped:
            yield f"the socket has {name}={dropped}, and its pipes together {drops}"


def _peak_faults(total: Tally, tallies: list[Tally]) -> Iterator[str]:
    for name in ("peak_out", "peak_in"):
        highest = max(getattr(tally, name) for tally in tallies)
        if getattr(total, name) != highest:
            yield f"the socket has {name}={getattr(total, name)}, and its pipes {highest}"


def _books_of(pipe: Pipe) -> Iterator[str]:
    outbound = pipe.outbound
    tally = pipe.tally
    waiting, size = outbound.as_it_is()
    count = len(waiting)
    yield from _unread_faults(repr(pipe), tally, pipe.inbound.counted + pipe.inbound.kept)
    if tally.accepted != tally.written + _dropped_out(tally) + outbound.counted:
        yield f"{pipe!r}: what was accepted neither waits, was written nor dropped"
    if count <= _MESSAGES_A_LOOK:
        yield from outbound.faults()
    if not 0 <= outbound.in_hand <= count or size < 0:
        yield f"{pipe!r}: {outbound.in_hand} messages of {count} are in hand"
    if count <= _MESSAGES_A_LOOK and size != sum(map(payload_of, waiting)):
        yield f"{pipe!r}: the messages have {sum(map(payload_of, waiting))} bytes"


def _unread_faults(of: str, tally: Tally, unread: int) -> Iterator[str]:
    by_the_books = tally.decoded - tally.delivered - sum((tally.dropped_in or {}).values())
    if by_the_books != unread:
        yield (
            f"{of}: {by_the_books} messages were decoded and neither delivered nor dropped, "
            f"and {unread} wait"
        )


def _dropped_out(tally: Tally) -> int:
    return sum((tally.dropped_out or {}).values())


def _waiting_in_vain(pattern: Pattern) -> Iterator[str]:
    if len(pattern.receivers) and pattern.queue.holds_some():
        yield f"{len(pattern.receivers)} tasks wait for a message, and there is one"
    if isinstance(pattern, BalancedPattern):
        wanted = len(pattern.senders) or pattern.returned
        free = [pipe for pipe in pattern.balance.targets() if _has_plain_room(pipe)]
        if wanted and free:
            yield f"{wanted} messages wait for room, and there is some in {free[0]!r}"


def _has_plain_room(pipe: Pipe) -> bool:
    """Tell whether a message is admitted, without moving any to find out."""
    outbound = pipe.outbound
    return len(outbound.queue) < outbound.hwm and outbound.size < outbound.hwm_bytes
