"""Messages go to one peer each, in turn: what Push, Dealer and Req have in common."""

from __future__ import annotations

from trio_mq._message import Frames
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.item import Item
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
            self.balance.reclaim(pipe.outbound.reclaim())

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
        pipe.outbound.put(item)
        self.ledger.drains.dispatched(pipe)
