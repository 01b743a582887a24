"""What one socket has now, and what is counted, told and logged of it.

Patterns and the membership both write here; neither needs to know the other for that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trio_mq._events import Dropped, EventHub
from trio_mq._patterns.drop_log import DropLog
from trio_mq._pipes.drains import Drains
from trio_mq._tally import DropReason, Tally
from trio_mq._waiting import WaitList

if TYPE_CHECKING:
    from trio_mq._contract import AnyLink
    from trio_mq._peer import Peer
    from trio_mq._pipes.pipe import Pipe

log = logging.getLogger("trio_mq")


class Ledger:
    """The books of one socket.

    Args:
        name: The socket's class, for logs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.hub: EventHub = EventHub()
        self.drains: Drains = Drains()
        #: Tasks that wait for peers or subscribers, each for a condition of its own.
        self.watchers: WaitList[None] = WaitList()
        self.links: dict[Peer, AnyLink] = {}
        self.pipes: dict[Pipe, None] = {}
        #: Figures of pipes that are gone, and of messages that never had one.
        self.departed: Tally = Tally()
        self.drop_log: DropLog = DropLog(name)

    def link_of(self, pipe: Pipe) -> AnyLink | None:
        """Return the connection that has borrowed a pipe, from its handshake to its end."""
        return self.links.get(pipe.peer) if pipe.peer is not None else None

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further."""
        self.drop_log.add(reason, count, pipe.peer or pipe.endpoint if pipe is not None else None)
        if self.hub:
            peer = pipe.peer if pipe is not None else None
            self.hub.emit(Dropped(peer=peer, reason=reason, count=count))

    def drop_unqueued(self, reason: DropReason, count: int = 1, whose: object = None) -> None:
        """Count messages that were accepted and never had a pipe to wait in.

        Args:
            reason: Why they go no further.
            count: How many.
            whose: Whom they named, for the log.
        """
        self.departed.accepted += count
        self.departed.drop_out(reason, count)
        self.drop_log.add(reason, count, whose)
        if self.hub:
            self.hub.emit(Dropped(peer=None, reason=reason, count=count))

    def forget(self, pipe: Pipe) -> None:
        """A pipe is gone: whoever still knows it, and counts something there, counts it here."""
        del self.pipes[pipe]
        pipe.move_books(self.departed)

    def readopt(self, pipe: Pipe) -> None:
        """A message goes back into a pipe that was perhaps forgotten because it was the last."""
        if pipe not in self.pipes:
            pipe.count_anew()
            self.pipes[pipe] = None
