"""What one socket has now, and what is counted, told and logged of it.

Patterns and the membership both write here, so neither has to know the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio_mq._events import Dropped, EventHub, Undelivered
from trio_mq._log import ABANDONED, UNDELIVERED
from trio_mq._patterns.drop_log import DropLog
from trio_mq._pipes.alarm import Alarm
from trio_mq._pipes.budget import ReceiveBudget
from trio_mq._pipes.drains import Drains
from trio_mq._pipes.printer import Printer
from trio_mq._scope import Scope
from trio_mq._tally import DropReason, Tally
from trio_mq._telling import Teller
from trio_mq._waiting import Conditions, current_slice

if TYPE_CHECKING:
    from trio_mq._contract import AnyLink
    from trio_mq._peer import Peer
    from trio_mq._pipes.pipe import Pipe


class Ledger:
    """The books of one socket.

    Args:
        name: The socket's class, for logs.
        receive_budget: What may wait to be received, in bytes; `None` is unlimited.
    """

    def __init__(self, name: str, receive_budget: int | None) -> None:
        self.name = name
        #: Writes the log of what happens.
        self.teller: Teller = Teller(name)
        self.budget = ReceiveBudget(receive_budget, self.teller)
        self.hub: EventHub = EventHub(self.teller)
        self.drains: Drains = Drains()
        #: Tasks that wait for peers or subscribers, each for a condition of its own.
        self.conditions: Conditions = Conditions()
        self.links: dict[Peer, AnyLink] = {}
        self.pipes: dict[Pipe, None] = {}
        #: Figures of pipes that are gone, and of messages that never had one.
        self.departed: Tally = Tally()
        #: Everything that was ever counted here: for pipes that are there, for those that are gone,
        #: and for messages that never had one.
        self.total: Tally = Tally()
        #: Pipes in which something waits to be written, and perhaps some in which nothing does.
        self.busy: dict[Pipe, None] = {}
        #: Pipes through which something has passed that they have not counted yet, and perhaps some
        #: that have.
        self.late: dict[Pipe, None] = {}
        #: Messages that no peer wanted and that are not counted yet.
        self._unwanted = 0
        self.drop_log: DropLog = DropLog(name)
        self.alarm: Alarm = Alarm(name)
        #: Writes what goes to many.
        self.printer: Printer[Pipe] = Printer(name)

    def begin(self, scope: Scope) -> None:
        """The socket is open, and can run tasks for what is due later."""
        self.drop_log.begin(scope)
        self.alarm.begin(scope)
        self.printer.begin(scope, current_slice())

    def link_of(self, pipe: Pipe) -> AnyLink | None:
        """Return the connection that has borrowed a pipe, from its handshake to its end."""
        return self.links.get(pipe.peer) if pipe.peer is not None else None

    # -- what pipes tell (`PipeLedger`) --

    @property
    def draining(self) -> bool:
        """A task waits until messages have left."""
        return bool(self.drains.going_on)

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """A message was taken back before it was written."""
        self.drains.taken_back(pipe, place)

    def outgoing_gone(self, pipe: Pipe) -> None:
        """Messages have left a pipe."""
        if self.drains.going_on:
            self.drains.look(pipe)

    def dropped(self, pipe: Pipe, reason: DropReason, count: int) -> None:
        """Messages went no further."""
        self.drop_log.add(reason, count, pipe.peer or pipe.endpoint)
        if self.hub:
            self.hub.emit(Dropped(peer=pipe.peer, reason=reason, count=count))

    # -- what the others tell --

    def drop_unqueued(
        self,
        reason: DropReason,
        count: int = 1,
        *,
        whose: object = None,
        peer: Peer | None = None,
    ) -> None:
        """Count messages that were accepted and never had a pipe to wait in.

        Args:
            reason: Why they go no further.
            count: How many.
            whose: Whom they named, for the log.
            peer: Who they were for, if that is known; it has left.
        """
        self._count_unqueued(reason, count)
        self.drop_log.add(reason, count, whose or peer)
        if self.hub:
            self.hub.emit(Dropped(peer=peer, reason=reason, count=count))

    def drop_unwanted(self) -> None:
        """Count a message that none of the peers wants: late, unless somebody follows events.

        To count it costs as much as all else about it, and a publisher may have many such.
        """
        if self.hub:
            self.drop_unqueued(DropReason.FILTERED)
        else:
            self._unwanted += 1

    def _count_unqueued(self, reason: DropReason, count: int) -> None:
        for tally in (self.departed, self.total):
            tally.accept_and_drop(reason, count)

    def undelivered(self, pipe: Pipe, *, warn: bool) -> None:
        """Tell of messages that were still waiting when their way out had to close."""
        left = len(pipe.outbound.queue)
        if left:
            noun = "message" if left == 1 else "messages"
            (UNDELIVERED if warn else ABANDONED).tell(self.name, left, noun, pipe.endpoint)
            self.hub.emit(Undelivered(endpoint=pipe.endpoint, count=left))

    def sending(self) -> tuple[Pipe, ...]:
        """Return the pipes in which something waits to be written."""
        for pipe in tuple(self.busy):
            pipe.catch_up()
            if pipe.outbound.rests:
                self.busy.pop(pipe, None)
        return tuple(pipe for pipe in self.busy if pipe.outbound.queue)

    def count_late(self) -> None:
        """Let pipes count what has passed through them, and count what nobody wanted."""
        unwanted, self._unwanted = self._unwanted, 0
        if unwanted:
            # Whoever follows events by now has begun after these were dropped.
            self._count_unqueued(DropReason.FILTERED, unwanted)
        late, self.late = self.late, {}
        for pipe in late:
            pipe.count()

    def forget(self, pipe: Pipe) -> None:
        """A pipe is gone: what is still counted in it from now on is counted here."""
        del self.pipes[pipe]
        self.busy.pop(pipe, None)
        self.late.pop(pipe, None)
        pipe.inbound.forgotten()
        pipe.move_books(self.departed)

    def readopt(self, pipe: Pipe) -> None:
        """A message goes back into a pipe that was perhaps forgotten because it was the last."""
        if pipe not in self.pipes:
            pipe.count_anew()
            self.pipes[pipe] = None
