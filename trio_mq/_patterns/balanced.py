"""Messages go to one peer each, in turn: what Push, Dealer and Req have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial

import trio

from trio_mq._message import Frames
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.item import Item, Timed, timed
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.least_queued import LeastQueued
from trio_mq._strategies.load_balance import LoadBalance
from trio_mq._tally import DropReason, Waiting


class BalancedPattern(Pattern):
    """Sends each message to one peer in turn; what a lost peer did not get goes to another."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        kind = LeastQueued if options.balance == "least_queued" else LoadBalance
        self.balance = self.sole_pipes = kind(self._give_returned)

    def attach(self, pipe: Pipe) -> None:
        """Make the pipe a target."""
        self.balance.add(pipe)
        self.senders.serve()

    def detach(self, pipe: Pipe) -> None:
        """It is a target no longer."""
        self.balance.remove(pipe)

    def room_opened(self, pipe: Pipe) -> None:
        """It can take messages again."""
        self.balance.room_opened(pipe)
        if self.senders.waiters:
            self.senders.serve()

    def send(self, frames: Frames) -> None:
        """Queue it for the next peer with room."""
        self.balance.send(frames)

    def look_for_room(self) -> None:
        """Raise `trio.WouldBlock` if no peer has room now."""
        self.balance.look()

    def give_up(self, pipe: Pipe, reason: DropReason) -> None:
        """Give what waits to others, or drop it."""
        if self.options.requeue:
            self.reroute(pipe)
        else:
            pipe.outbound.drop_all(reason)

    def reroute(self, pipe: Pipe) -> None:
        """Give what waits to others, now or when there are any."""
        if self.options.requeue and pipe.outbound.queue:
            # Tell drains first: otherwise they would take what leaves the pipe for written.
            self.ledger.drains.handed_back(len(pipe.outbound.queue))
            self._take_returned(pipe.outbound.reclaim())

    def _take_returned(self, items: Iterable[Item]) -> None:
        """Give what waits for no peer to others, or let it wait for as long as the socket lets it.

        The caller has told the drains.
        """
        if self.options.message_lifetime is not None:
            now = trio.current_time()
            items = [timed(item, now) for item in items]
        self.balance.reclaim(items)
        self._set_alarm()

    def _set_alarm(self) -> None:
        first = min(map(self._end_of, self.balance.returned), default=math.inf)
        self.ledger.alarm.set(self, first)

    def expire(self) -> None:
        """Drop what has waited too long for a peer (`Perishable`)."""
        late = self.balance.sort_out(partial(self._is_late, now=trio.current_time()))
        if late:
            self.ledger.drop_unqueued(DropReason.EXPIRED, len(late))
            self.ledger.drains.forgotten(len(late))
            self.expired(None, late)
            self.senders.serve()
        self._set_alarm()

    def waiting(self) -> Waiting:
        """Return what is in the return queue."""
        return Waiting(out=len(self.balance.returned), out_bytes=self.balance.returned_bytes)

    @property
    def returned(self) -> int:
        """Messages in the return queue."""
        return len(self.balance.returned)

    def forget_returned(self) -> int:
        """Drop the return queue."""
        return self.balance.forget_returned()

    def _give_returned(self, pipe: Pipe, item: Item) -> None:
        """Queue a message of the return queue for the peer that was chosen for it."""
        pipe.outbound.put_returned(item)
        self.ledger.drains.dispatched(pipe)

    def _is_late(self, item: Item, *, now: float) -> bool:
        return self._end_of(item) <= now

    def _end_of(self, item: Item) -> float:
        """Return when a message of the return queue will have waited too long."""
        lifetime = self.options.message_lifetime
        return item.since + lifetime if lifetime and isinstance(item, Timed) else math.inf

    def faults(self) -> Iterator[str]:
        """Say what would wait for a peer for too long."""
        yield from super().faults()
        if min(map(self._end_of, self.balance.returned), default=math.inf) < (
            self.ledger.alarm.due(self)
        ):
            yield "a message waits for a peer, and no alarm is set for the end of its time"
