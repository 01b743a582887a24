"""Dealer and Router: requests and replies without turns, by load-balance and by name (RFC 28)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._options import ConnectionOptions
from trio_mq._patterns.dealer import DealerPattern
from trio_mq._patterns.router import RouterPattern
from trio_mq._sockets.addressing import Addressing
from trio_mq._sockets.keywords import DealerKeywords, DealerOptions, RouterKeywords, RouterOptions
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq._sockets.service import Service
from trio_mq._transports.schemes import OpenStream
from trio_mq.zmtp import SocketType


class Dealer(Sender[DealerPattern], Receiver[DealerPattern]):
    """Sends to its peers in turn and receives from all, with no turns to keep.

    The asynchronous client of a Router, or of Reps (send an empty frame first then: the delimiter).
    It waits while there is no peer with room. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.DEALER
    _pattern_type = DealerPattern
    _known_options = DealerOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[DealerKeywords]) -> None: ...


class Router(Service[RouterPattern], Addressing[RouterPattern]):
    """Talks to each of its peers by name: the first frame of a message is a routing id.

    For servers with many clients, and for brokers. Messages arrive with the routing id of their
    sender in front, and are sent to the peer whose routing id is in front. A peer that is unknown
    or full loses the message, counted and evented, so that one client can't stop a server;
    ``mandatory=True`` raises `Unroutable` instead. Arguments and errors as for `Push`.

    As a service it needs no names and no envelopes: `serve` answers requests with a function, and
    `requests` brings each as a `Request`, whether a Req or a Dealer has sent it. What comes before
    the first empty frame of a message is its envelope, and goes back with the reply; without one,
    all of it is the request. An empty message is a probe, and no request. `send_to` sends to a
    `Peer`.
    """

    socket_type = SocketType.ROUTER
    _pattern_type = RouterPattern
    _known_options = RouterOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[RouterKeywords]) -> None: ...

    @enable_ki_protection
    async def connect(
        self,
        endpoint: str,
        *,
        wait: bool = False,
        open_stream: OpenStream | None = None,
        peer_routing_id: bytes = b"",
        **overrides: Unpack[ConnectionOptions],
    ) -> str:
        """Connect as every socket does, and optionally name the peer.

        Args:
            endpoint: See `Socket.connect`.
            wait: See `Socket.connect`.
            open_stream: See `Socket.connect`.
            peer_routing_id: The name of the peer here, whatever it calls itself; messages can be
                sent to it at once and while it is being redialled. Without one, the peer has no
                name before its handshake. (``ZMQ_CONNECT_ROUTING_ID``)
            **overrides: See `Socket.connect`.

        Raises:
            ValueError: Another peer has that name, or it is not allowed.

        Otherwise as `Socket.connect`.
        """
        await checkpoint_if_cancelled()
        if not isinstance(peer_routing_id, bytes):
            raise TypeError(f"peer_routing_id is bytes, not {peer_routing_id!r}")
        if len(peer_routing_id) > 255 or peer_routing_id[:1] == b"\x00":
            raise ValueError(
                f"peer_routing_id={peer_routing_id!r} is not allowed: give at most 255 bytes "
                "that do not start with a zero byte"
            )
        if self._pattern.knows(peer_routing_id):
            raise ValueError(
                f"peer_routing_id={peer_routing_id!r}: another peer has that routing id already; "
                "give another, or disconnect that one"
            )
        return await self._connect(
            endpoint,
            dict(overrides),
            wait=wait,
            open_stream=open_stream,
            routing_id=peer_routing_id,
        )
