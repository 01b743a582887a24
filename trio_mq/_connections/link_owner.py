"""What links and sockets know of each other."""

from __future__ import annotations

from typing import Protocol

from trio_mq._connections.link_end import LinkEnd
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipe import Pipe
from trio_mq.zmtp import PeerProperties


class AnyLink(Protocol):
    """A connection with one peer as its socket sees it: a link, or one side of an inproc join."""

    #: The endpoint of ours that made it, and its options.
    endpoint: str
    options: Options
    #: Where the peer is.
    address: str
    #: The pipe of a connected endpoint; ``None`` for an accepted peer.
    own_pipe: Pipe | None
    #: The pipe that it borrows, from its admission on, and the peer, from its handshake on.
    pipe: Pipe | None
    peer: Peer | None

    def subscribe(self, topic: bytes) -> None:
        """Ask the peer for a topic, beyond every limit and before the messages that wait."""

    def cancel(self, topic: bytes) -> None:
        """Tell the peer that we no longer want a topic."""

    async def ping_for_life(self, seconds: float) -> bool:
        """Ask the peer for a sign of life; False if no byte came within that time."""


class LinkOwner(Protocol):
    """What a link asks of the socket that owns it, and tells it."""

    async def admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer before our own READY goes out, and return the pipe for it.

        Raises:
            Refusal: It is not wanted.
        """

    def connected(self, link: AnyLink, peer: Peer) -> None:
        """The handshake is done: `AnyLink.pipe` is set, and messages may flow."""

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int, /) -> None:
        """Messages arrived for the link's pipe; at most as many as it had room for."""

    def subscribe(self, link: AnyLink, topic: bytes) -> None:
        """The peer wants a topic."""

    def cancel(self, link: AnyLink, topic: bytes) -> None:
        """The peer no longer wants a topic."""

    def disconnected(self, link: AnyLink, end: LinkEnd) -> None:
        """The link is over; its pipe has everything that was not wholly written."""
