"""One handshaken connection, as a user sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from trio_mq._tally import Counted, DropReason, Tally, TrafficStatistics, Waiting, traffic

if TYPE_CHECKING:
    from trio_mq.zmtp import PeerProperties, SocketType


@attrs.frozen(kw_only=True)
class PeerStatistics(TrafficStatistics):
    """The traffic with one peer, since its handshake."""

    peer: Peer
    """The peer."""


class HangsUp(Protocol):
    """A connection that can be ended."""

    def hang_up(self, reason: str) -> None:
        """End it now; the reason is a word or two for events."""


class Peer:
    """One connection with a peer, from its handshake to its end.

    Every connection is a new object, also when the same program comes back: compare objects, not
    names. Messages, events and statistics of a socket refer to the same objects.
    """

    __slots__ = (
        "_baseline",
        "_closed",
        "_final",
        "_link",
        "_pipe",
        "_properties",
        "address",
        "endpoint",
        "round_trip_time",
        "routing_id",
        "since",
    )

    def __init__(
        self,
        properties: PeerProperties,
        *,
        endpoint: str,
        address: str,
        link: HangsUp,
    ) -> None:
        self._properties = properties
        self.endpoint: str = endpoint
        """The endpoint of ours, bound or connected, through which the peer came."""

        self.address: str = address
        """Where the peer is, such as ``127.0.0.1:5555``."""

        self.routing_id: bytes = properties.routing_id
        """The name that a Router uses for the peer, or that the peer claims; may be empty.

        It stays what it was: what the peer sent can be read when others have its place."""

        self.since: float = trio.current_time()
        """When the handshake was done, on trio's clock."""

        self.round_trip_time: float | None = None
        """Seconds from our last answered PING to its PONG; ``None`` without heartbeats."""

        #: Until it ends: whoever keeps the peer longer must not keep its connection.
        self._link: HangsUp | None = link
        # An event per peer is memory that nearly nobody uses: it comes with the first waiter.
        self._closed: trio.Event | None = None
        self._pipe: Counted | None = None
        #: What the pipe had counted before, if it had another peer.
        self._baseline: Tally | None = None
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

    @trio.lowlevel.enable_ki_protection
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
        if self._link is not None:
            self._link.hang_up(reason)

    def _figures(self) -> tuple[Tally, Waiting]:
        if self._final is not None:
            return self._final
        pipe = self._pipe
        if pipe is None:
            return Tally(), Waiting()
        tally = pipe.figures().copy()
        if self._baseline is not None:
            tally.add(self._baseline, sign=-1)
        return tally, pipe.waiting()

    def _attach(self, pipe: Counted) -> None:
        before = pipe.figures()
        if before.accepted or before.decoded:
            self._baseline = before.copy()
            # What waits already is for this peer.
            self._baseline.take_off_waiting(pipe.waiting())
        self.routing_id = pipe.routing_id or self.routing_id
        self._pipe = pipe

    def _mark_closed(self) -> None:
        if self.closed:
            return
        self._final = self._figures()
        self._pipe = self._link = None
        if self._closed is not None:
            self._closed.set()


# What the library does to a peer is a function, so that it is not offered to those who only look.


def attach(peer: Peer, pipe: Counted) -> None:
    """Say that the handshake is done and the messages of a peer go through that pipe."""
    peer._attach(pipe)  # noqa: SLF001  # the library's own door


def mark_closed(peer: Peer) -> None:
    """Say that the connection is gone: freeze the figures and wake those who wait for that."""
    peer._mark_closed()  # noqa: SLF001  # as above
