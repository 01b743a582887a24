"""Sending to one connection, which is known by its `Peer`, and to no later one."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from trio_mq._errors import Unroutable
from trio_mq._message import Frames
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe
from trio_mq._waiting import WaitList

if TYPE_CHECKING:
    from trio_mq._peer import Peer


class AddressingPattern(Pattern):
    """What Router and XPub have in common: they can send to one of their peers."""

    def knows_peer(self, peer: Peer) -> bool:
        """Tell whether that connection is one of ours."""
        return peer in self.ledger.links

    def line_to(self, peer: Peer) -> WaitList[None]:  # noqa: ARG002  # a Router has one for each
        """Return the line in which messages for that connection wait for room."""
        return self.senders

    def send_to(self, peer: Peer, frames: Frames) -> None:
        """Queue it for that connection, for a task whose turn it is.

        Raises:
            Unroutable: The connection has ended.
            trio.WouldBlock: It has to wait for room; nothing has changed.
        """
        link = self.ledger.links.get(peer)
        pipe = link.pipe if link is not None else None
        if link is None or pipe is None or not pipe.attached or pipe.hold is not Hold.LENT:
            raise Unroutable(peer.routing_id, f"{peer!r} is gone")
        # An endpoint that we connected has other connections later, and the same pipe for all.
        self.put_for(pipe, frames, tied=link.own_pipe is not None)

    @abstractmethod
    def put_for(self, pipe: Pipe, frames: Frames, *, tied: bool) -> None:
        """Queue it, or do what ``on_full`` says.

        Args:
            pipe: Where.
            frames: What.
            tied: The pipe has other connections later, and it is not for those.
        """
