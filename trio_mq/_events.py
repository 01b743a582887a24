"""What happens to a socket's endpoints and peers, as typed events, and who gets them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import attrs
import trio

from trio_mq._tally import DropReason

if TYPE_CHECKING:
    from trio_mq._peer import Peer

_KEPT_EVENTS: Final = 1000


@attrs.frozen(kw_only=True)
class Listening:
    """An endpoint is bound and accepts connections."""

    endpoint: str


@attrs.frozen(kw_only=True)
class ListeningStopped:
    """A bound endpoint was unbound, or the socket closed."""

    endpoint: str


@attrs.frozen(kw_only=True)
class Accepted:
    """Somebody connected to a bound endpoint; the handshake follows."""

    endpoint: str
    address: str


@attrs.frozen(kw_only=True)
class AcceptFailed:
    """The system has no more connections for us now, or a listener is broken."""

    endpoint: str
    error: Exception
    #: The listener has been given up: ``unbind`` the endpoint and bind it anew. Otherwise it goes
    #: on after a pause.
    broken: bool = False


@attrs.frozen(kw_only=True)
class Connected:
    """A handshake succeeded: the peer is there."""

    peer: Peer
    #: We dialled, because of an endpoint of ours that is connected; else the peer did.
    dialled: bool = False


@attrs.frozen(kw_only=True)
class HandshakeFailed:
    """A connection ended before its handshake was done."""

    endpoint: str
    address: str
    #: One word or two for programs, such as ``timeout`` or ``mechanism``.
    reason: str
    error: BaseException | None


@attrs.frozen(kw_only=True)
class Disconnected:
    """A peer's connection ended."""

    peer: Peer
    #: One word or two for programs, such as ``eof`` or ``frame-too-large``.
    reason: str
    error: BaseException | None
    #: Bytes that count as written and that the peer's kernel had not acknowledged, as far as ours
    #: knows: they are lost, and perhaps more that the peer had not read. ``None``: not known.
    unacknowledged: int | None = None


@attrs.frozen(kw_only=True)
class Retrying:
    """A connected endpoint dials again after a pause."""

    endpoint: str
    #: Seconds.
    delay: float
    error: BaseException | None


@attrs.frozen(kw_only=True)
class Dropped:
    """Messages went no further; the statistics count them for good."""

    peer: Peer | None
    reason: DropReason
    count: int


@attrs.frozen(kw_only=True)
class SubscriptionAdded:
    """A peer subscribed to a topic."""

    peer: Peer
    topic: bytes


@attrs.frozen(kw_only=True)
class SubscriptionRemoved:
    """A peer cancelled a subscription, or left."""

    peer: Peer
    topic: bytes


@attrs.frozen(kw_only=True)
class Undelivered:
    """Messages were still waiting when the socket or the endpoint had to close."""

    endpoint: str
    count: int


Event: TypeAlias = (
    Listening
    | ListeningStopped
    | Accepted
    | AcceptFailed
    | Connected
    | HandshakeFailed
    | Disconnected
    | Retrying
    | Dropped
    | SubscriptionAdded
    | SubscriptionRemoved
    | Undelivered
)


class EventStream(trio.abc.ReceiveChannel[Event]):
    """The events of one socket from now on; a context manager and an asynchronous iterator.

    It keeps the last 1000 events for a reader that is busy, in order, and counts older ones that it
    could not keep: a slow reader never slows the socket. It ends when the socket is closed.
    """

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._send, self._receive = trio.open_memory_channel[Event](_KEPT_EVENTS)
        #: Events that were lost because nobody read them in time.
        self.missed: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @trio.lowlevel.enable_ki_protection
    async def receive(self) -> Event:
        """Return the next event.

        Raises:
            trio.EndOfChannel: The socket was closed and every event was read.
            trio.ClosedResourceError: This stream was closed.
        """
        return await self._receive.receive()

    def receive_nowait(self) -> Event:
        """Return the next event, or raise `trio.WouldBlock` if none is there."""
        return self._receive.receive_nowait()

    def close(self) -> None:
        """Stop listening."""
        self._hub.forget(self)
        self._receive.close()

    @trio.lowlevel.enable_ki_protection
    async def aclose(self) -> None:
        """Stop listening."""
        self.close()
        await trio.lowlevel.checkpoint()

    def put(self, event: Event) -> None:
        """Keep the event if there is room (the library's side)."""
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            # The oldest gives way: a peer that makes many events must not hide what it does last.
            self._receive.receive_nowait()
            self.missed += 1
            self._send.send_nowait(event)
        except trio.BrokenResourceError:
            pass

    def end(self) -> None:
        """No more events will come (the library's side)."""
        self._send.close()


class EventHub:
    """Gives every event of a socket to whoever listens; free when nobody does."""

    __slots__ = ("_ended", "_streams")

    def __init__(self) -> None:
        self._streams: list[EventStream] = []
        self._ended = False

    def open(self) -> EventStream:
        """Return a stream of the events from now on."""
        stream = EventStream(self)
        if self._ended:
            stream.end()
        else:
            self._streams.append(stream)
        return stream

    def __bool__(self) -> bool:
        """Tell whether anybody listens, so that an event need not be made for nobody."""
        return bool(self._streams)

    def emit(self, event: Event) -> None:
        """Give the event to everybody who listens."""
        for stream in self._streams:
            stream.put(event)

    def forget(self, stream: EventStream) -> None:
        """Stop giving events to that stream."""
        if stream in self._streams:
            self._streams.remove(stream)

    def end(self) -> None:
        """End every stream: the socket is closed."""
        self._ended = True
        for stream in self._streams:
            stream.end()
        self._streams.clear()
