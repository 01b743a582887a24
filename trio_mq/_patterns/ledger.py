"""What one socket has now, and what is counted, told and logged of it.

Patterns and the membership both write here; neither needs to know the other for that.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from trio_mq._events import Dropped, EventHub
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
        self._quiet_until = -math.inf

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further."""
        if self.hub:
            peer = pipe.peer if pipe is not None else None
            self.hub.emit(Dropped(peer=peer, reason=reason, count=count))

    def drop_unqueued(self, reason: DropReason, count: int = 1) -> None:
        """Count messages that were accepted and never had a pipe to wait in."""
        self.departed.accepted += count
        self.departed.drop_out(reason, count)
        self.dropped(None, reason, count)

    def log_drop(self, why: str, *args: object) -> None:
        """Log that messages are being dropped; at most a line a second, the statistics have all."""
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + 1.0
            log.warning("%s dropped a message: " + why, self.name, *args)  # noqa: G003  # not data

    def forget(self, pipe: Pipe) -> None:
        """A pipe is gone: whoever still knows it, and counts something there, counts it here."""
        del self.pipes[pipe]
        pipe.move_books(self.departed)

    def readopt(self, pipe: Pipe) -> None:
        """A message goes back into a pipe that was perhaps forgotten because it was the last."""
        if pipe not in self.pipes:
            pipe.count_anew()
            self.pipes[pipe] = None
