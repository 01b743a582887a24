"""Pipes without sockets: an owner that keeps books, for the machines that drive strategies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, cast

from trio_mq import DropReason, Options, Peer
from trio_mq._pipes.alarm import Alarm
from trio_mq._pipes.budget import ReceiveBudget
from trio_mq._pipes.item import Item, frames_of
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.printer import Printer
from trio_mq._tally import Tally


class Books:
    """Owns pipes and remembers what they tell (a `PipeOwner`, and a `PipeLedger` as well)."""

    def __init__(self, *, sends_to_many: bool = False) -> None:
        self.sends_to_many = sends_to_many
        self.budget = ReceiveBudget()
        self.total = Tally()
        self.busy: dict[Pipe, None] = {}
        self.late: dict[Pipe, None] = {}
        self.alarm = Alarm("Books")
        self.opened: list[Pipe] = []
        self.places: list[int] = []
        self.arrived: list[Pipe] = []
        self.dropped_counts: Counter[DropReason] = Counter()
        self.draining = False
        self.printer: Printer[Pipe] = Printer("Books")

    @property
    def ledger(self) -> Books:
        """Both are one here."""
        return self

    def room_opened(self, pipe: Pipe) -> None:
        """Note it."""
        self.opened.append(pipe)

    def expired(self, pipe: Pipe, items: Sequence[Item]) -> None:
        """Nobody waits for what became of them."""

    def messages_arrived(self, pipe: Pipe) -> None:
        """Note it."""
        self.arrived.append(pipe)

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """Note it."""
        self.places.append(place)

    def outgoing_gone(self, pipe: Pipe) -> None:
        """Nobody drains."""

    def emptied(self, pipe: Pipe) -> None:
        """Nobody is retired."""

    def dropped(self, pipe: Pipe, reason: DropReason, count: int) -> None:
        """Count it."""
        self.dropped_counts[reason] += count


def new_pipe(owner: Books, **options: int | bool) -> Pipe:
    """Return a pipe of a peer that does not matter."""
    return Pipe(owner, "inproc://any", Options(**options))  # type: ignore[arg-type]


class _NoPeer:
    routing_id = b""

    def _attach(self, pipe: Pipe) -> None:
        """Look at nothing."""


def no_peer() -> Peer:
    """Return what stands for a peer where nobody looks at it."""
    return cast("Peer", _NoPeer())


class NoLink:
    """A connection that writes only when a test does (a `Borrower`)."""

    writes_later: ClassVar[bool] = True

    def write_at_once(self, item: Item, size: int) -> bool:
        """Write nothing."""
        return False

    def queued(self) -> None:
        """Leave it there."""

    def gather(self) -> None:
        """There is nothing to write together."""

    def turn_ended(self) -> bool:
        """Nothing was put off."""
        return False

    def press(self) -> None:
        """Write nothing."""

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Write none of it."""
        return False

    def wake(self) -> None:
        """There is no task."""

    def make_room(self) -> None:
        """There is none to make."""

    def catch_up(self) -> None:
        """Nothing was put off."""


def lend(pipe: Pipe) -> None:
    """Let the connection of a peer that does not matter have the pipe."""
    pipe.lend(no_peer(), NoLink())


def write(pipe: Pipe, count: int) -> list[bytes]:
    """Let a link write up to so many messages, and return their first frames."""
    batch = pipe.outbound.next_batch(count, 1 << 30)
    frames = [frames_of(item) for item in batch]
    if frames:
        pipe.outbound.written(
            len(frames), sum(len(frame) for message in frames for frame in message)
        )
    return [message[0] for message in frames]


def waiting_in(pipe: Pipe) -> list[bytes]:
    """Return the first frames of what waits to be written."""
    return [frames_of(item)[0] for item in pipe.outbound.queue]


def assert_adds_up(pipe: Pipe) -> None:
    """Every message that was accepted or decoded is somewhere, and counted once."""
    tally, waiting = pipe.figures(), pipe.waiting()
    dropped_out = sum((tally.dropped_out or {}).values())
    dropped_in = sum((tally.dropped_in or {}).values())
    assert tally.accepted == tally.written + waiting.out + dropped_out
    assert tally.decoded == tally.delivered + waiting.into + dropped_in
    assert waiting.out_bytes == sum(len(f) for item in pipe.outbound.queue for f in frames_of(item))
