"""``send_to``: a message for one connection, where others are sent by name or to many."""

from __future__ import annotations

from typing import TypeVar

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._message import Frames, Sendable
from trio_mq._patterns.addressing import AddressingPattern
from trio_mq._peer import Peer
from trio_mq._sockets.sender import Sender

A_co = TypeVar("A_co", bound=AddressingPattern, covariant=True)


class Addressing(Sender[A_co]):
    """A socket that can send to one of its peers: Router and XPub."""

    @enable_ki_protection
    async def send_to(self, peer: Peer, message: Sendable) -> None:
        """Send to one peer: a Router without its routing id, an XPub whatever it subscribed to.

        It goes over the connection that the `Peer` stands for, or not at all: whoever has its
        routing id or its endpoint later gets nothing that was for this one.

        Args:
            peer: One of `peers`, or the second of what ``receive_from`` returns.
            message: As for `send`; for a Router, without a routing id.

        Raises:
            Unroutable: The peer has left; or its queue is full, and the Router is mandatory.
            ValueError: It is a peer of another socket.
            TypeError: It is not a `Peer`.

        Otherwise as `send`, also when its queue is full.
        """
        await checkpoint_if_cancelled()
        frames = self._checked(message)
        self._guard()
        if not isinstance(peer, Peer):
            raise TypeError(f"send_to() takes a Peer, as receive_from() returns it, not {peer!r}")
        pattern = self._pattern
        if not (peer.closed or pattern.knows_peer(peer)):
            raise ValueError(f"{peer!r} is a peer of another socket: see peers for those of this")
        line = pattern.line_to(peer)
        if line.waiters or not self._try_to_send_to(peer, frames):
            await line.wait(lambda: pattern.send_to(peer, frames))
            self._slice.restart()
        elif self._slice.spent():
            await self._slice.end()

    def _try_to_send_to(self, peer: Peer, frames: Frames) -> bool:
        try:
            self._pattern.send_to(peer, frames)
        except trio.WouldBlock:
            return False
        return True
