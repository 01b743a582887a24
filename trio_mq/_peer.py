"""One handshaken connection, as a user sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from trio_mq._tally import Counted, DropReason, Tally, TrafficStatistics, Waiting, traffic

if TYPE_CHECKING:
    from trio_mq.zmtp import PeerProperties, SocketType


@attrs.frozen(kw_only=True)
class PeerStatistics(TrafficStatistics):
    """The traffic with one peer, since its handshake."""

    peer: Peer


class Peer:
    """One connection with a peer, from its handshake to its end.

    Every connection is a new object, also when the same program comes back: compare objects, not
    names. Messages, events and statistics of a socket refer to the same objects.
    """

    __slots__ = (
        "_baseline",
        "_closed",
        "_final",
        "_hang_up",
        "_pipe",
        "_properties",
        "address",
        "endpoint",
        "round_trip_time",
        "since",
    )

    def __init__(
        self,
        properties: PeerProperties,
        *,
        endpoint: str,
        address: str,
        hang_up: Callable[[str], None],
    ) -> None:
        self._properties = properties
        #: The endpoint of ours, bound or connected, through which the peer came.
        self.endpoint: str = endpoint
        #: Where the peer is, such as ``127.0.0.1:5555``.
        self.address: str = address
        #: When the handshake was done, on trio's clock.
        self.since: float = trio.current_time()
        #: Seconds from our last answered PING to its PONG; ``None`` without heartbeats.
        self.round_trip_time: float | None = None
        self._hang_up = hang_up
        # An event per peer is memory that nearly nobody uses: it comes with the first waiter.
        self._closed: trio.Event | None = None
        self._pipe: Counted | None = None
        self._baseline = Tally()
        self._final: tuple[Tally, Waiting] | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else "connected"
        name = f" {self.routing_id!r}" if self.routing_id else ""
        return f"<Peer {self.socket_type.value}{name} at {self.address or self.endpoint}, {state}>"

    # -- who it is --

    @property
    def socket_type(self) -> SocketType:
        """The peer's socket type."""
        return self._properties.socket_type

    @property
    def routing_id(self) -> bytes:
        """The name that a Router uses for the peer, or that the peer claims; may be empty."""
        if self._pipe is not None and self._pipe.routing_id:
            return self._pipe.routing_id
        return self._properties.routing_id

    @property
    def mechanism(self) -> str:
        """The security mechanism of the connection, such as ``NULL``."""
        return self._properties.mechanism

    @property
    def version(self) -> tuple[int, int]:
        """The ZMTP version that the peer announced."""
        return self._properties.version

    @property
    def user_id(self) -> str | None:
        """The authenticated user, never what the peer merely claims; ``None`` without one."""
        return self._properties.user_id

    @property
    def correlates(self) -> bool:
        """The peer, a Rep, repeats the ids of requests: any number may be out to it at once."""
        return self._properties.correlates

    @property
    def metadata(self) -> Mapping[str, bytes]:
        """Properties that the peer claims about itself; nobody has checked them."""
        return self._properties.metadata

    @property
    def auth_metadata(self) -> Mapping[str, bytes]:
        """Properties that our authenticator gave to this peer."""
        return self._properties.auth_metadata

    # -- how it is --

    @property
    def closed(self) -> bool:
        """The connection has ended."""
        return self._final is not None

    @property
    def queued_messages(self) -> int:
        """Messages that wait to be written to this peer."""
        return self._figures()[1].out

    @property
    def queued_bytes(self) -> int:
        """Payload bytes that wait to be written to this peer."""
        return self._figures()[1].out_bytes

    @property
    def dropped(self) -> Mapping[DropReason, int]:
        """Messages to and from this peer that went no further, by reason."""
        return self.statistics().dropped

    def statistics(self) -> PeerStatistics:
        """Return what has been counted since this connection's handshake."""
        tally, waiting = self._figures()
        return PeerStatistics(peer=self, **traffic(tally, waiting))

    @trio.lowlevel.enable_ki_protection
    async def wait_closed(self) -> None:
        """Return when the connection has ended; cancelling this only stops the waiting."""
        if self.closed:
            await trio.lowlevel.checkpoint()
            return
        if self._closed is None:
            self._closed = trio.Event()
        await self._closed.wait()

    @trio.lowlevel.enable_ki_protection
    def disconnect(self, reason: str = "disconnected by the program") -> None:
        """End this connection now; a connected endpoint dials again.

        Args:
            reason: What events will say about it.
        """
        if not self.closed:
            self._hang_up(reason)

    # -- the library's side --

    def attach(self, pipe: Counted) -> None:
        """The handshake is done and the messages of this peer go through that pipe."""
        self._pipe = pipe
        self._baseline = pipe.figures().copy()
        # What waits already is this peer's to get.
        waiting = pipe.waiting()
        self._baseline.accepted -= waiting.out
        self._baseline.accepted_bytes -= waiting.out_bytes
        self._baseline.decoded -= waiting.into
        self._baseline.decoded_bytes -= waiting.into_bytes

    def mark_closed(self) -> None:
        """The connection is gone: freeze the figures and wake those who wait for that."""
        if self.closed:
            return
        self._final = self._figures()
        self._pipe = None
        if self._closed is not None:
            self._closed.set()

    def _figures(self) -> tuple[Tally, Waiting]:
        if self._final is not None:
            return self._final
        if self._pipe is None:
            return Tally(), Waiting()
        tally = self._pipe.figures().copy()
        tally.add(self._baseline, sign=-1)
        return tally, self._pipe.waiting()
