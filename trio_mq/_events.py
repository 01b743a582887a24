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
    """As ``bind`` returned it."""


@attrs.frozen(kw_only=True)
class ListeningStopped:
    """A bound endpoint was unbound, or the socket closed."""

    endpoint: str
    """As ``bind`` returned it."""


@attrs.frozen(kw_only=True)
class Accepted:
    """Somebody connected to a bound endpoint; the handshake follows."""

    endpoint: str
    """Ours, as ``bind`` returned it."""

    address: str
    """Theirs, such as ``127.0.0.1:53412``."""


@attrs.frozen(kw_only=True)
class AcceptFailed:
    """The system has no more connections for us now, or a listener is broken."""

    endpoint: str
    """As ``bind`` returned it."""

    error: Exception
    """What ``accept`` raised."""

    broken: bool = False
    """The listener has been given up: ``unbind`` the endpoint and bind it anew. Otherwise it goes
    on after a pause."""


@attrs.frozen(kw_only=True)
class Connected:
    """A handshake succeeded: the peer is there."""

    peer: Peer
    """The new connection."""

    dialled: bool = False
    """We dialled, because of an endpoint of ours that is connected; else the peer did."""


@attrs.frozen(kw_only=True)
class HandshakeFailed:
    """A connection ended before its handshake was done."""

    endpoint: str
    """The endpoint of ours, bound or connected, that it belonged to."""

    address: str
    """Where the other end was, such as ``127.0.0.1:5555``."""

    reason: str
    """One word or two for programs, such as ``timeout`` or ``mechanism``."""

    error: BaseException | None
    """What went wrong, for people; ``None`` if the reason says it all."""


@attrs.frozen(kw_only=True)
class Disconnected:
    """A peer's connection ended."""

    peer: Peer
    """The connection that ended."""

    reason: str
    """One word or two for programs, such as ``eof`` or ``frame-too-large``."""

    error: BaseException | None
    """What went wrong, for people; ``None`` after an ordinary end."""

    unacknowledged: int | None = None
    """Bytes that count as written and that the peer's kernel had not acknowledged, as far as ours
    knows. They are lost, and so may be bytes that the peer's program had not read. ``None``: not
    known."""


@attrs.frozen(kw_only=True)
class Retrying:
    """A connected endpoint dials again after a pause."""

    endpoint: str
    """As ``connect`` returned it."""

    delay: float
    """Seconds until it dials."""

    error: BaseException | None
    """Why the last attempt or connection failed; ``None`` if the peer merely left."""


@attrs.frozen(kw_only=True)
class Dropped:
    """Messages went no further; the statistics count them for good."""

    peer: Peer | None
    """Whose they were; ``None`` if no peer was chosen yet, or none was left."""

    reason: DropReason
    """Why they went no further."""

    count: int
    """Messages."""


@attrs.frozen(kw_only=True)
class SubscriptionAdded:
    """A peer subscribed to a topic."""

    peer: Peer
    """Who wants it."""

    topic: bytes
    """What a message must begin with."""


@attrs.frozen(kw_only=True)
class SubscriptionRemoved:
    """A peer cancelled a subscription, or left."""

    peer: Peer
    """Who does not want it any more."""

    topic: bytes
    """What it had subscribed to."""


@attrs.frozen(kw_only=True)
class Undelivered:
    """Messages were still waiting when the socket or the endpoint had to close."""

    endpoint: str
    """Where they should have gone."""

    count: int
    """Messages."""


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

    def __init__(self, hub: EventHub, receive: trio.MemoryReceiveChannel[Event]) -> None:
        self._hub = hub
        self._receive = receive
        self.missed: int = 0
        """Events that were lost because nobody read them in time."""

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

    @trio.lowlevel.enable_ki_protection
    def receive_nowait(self) -> Event:
        """Return the next event, or raise `trio.WouldBlock` if none is there."""
        return self._receive.receive_nowait()

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """Stop listening."""
        self._hub.forget(self)
        self._receive.close()

    @trio.lowlevel.enable_ki_protection
    async def aclose(self) -> None:
        """Stop listening."""
        self.close()
        await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False, repr=False)
class _Listener:
    """A stream, and the channel by which the hub fills it."""

    stream: EventStream
    send: trio.MemorySendChannel[Event]
    receive: trio.MemoryReceiveChannel[Event]

    def put(self, event: Event) -> None:
        """Keep the event; if there is no room, the oldest one gives way."""
        try:
            self.send.send_nowait(event)
        except trio.WouldBlock:
            # A peer that makes many events must not hide what it does last.
            self.receive.receive_nowait()
            self.stream.missed += 1
            self.send.send_nowait(event)
        except trio.BrokenResourceError:
            pass


class EventHub:
    """Gives every event of a socket to whoever listens; free when nobody does."""

    __slots__ = ("_ended", "_listeners")

    def __init__(self) -> None:
        self._listeners: list[_Listener] = []
        self._ended = False

    def open(self) -> EventStream:
        """Return a stream of the events from now on."""
        send, receive = trio.open_memory_channel[Event](_KEPT_EVENTS)
        stream = EventStream(self, receive)
        if self._ended:
            send.close()
        else:
            self._listeners.append(_Listener(stream, send, receive))
        return stream

    def __bool__(self) -> bool:
        """Tell whether anybody listens, so that an event need not be made for nobody."""
        return bool(self._listeners)

    def emit(self, event: Event) -> None:
        """Give the event to everybody who listens."""
        for listener in self._listeners:
            listener.put(event)

    def forget(self, stream: EventStream) -> None:
        """Stop giving events to that stream."""
        self._listeners = [each for each in self._listeners if each.stream is not stream]

    def end(self) -> None:
        """End every stream: the socket is closed."""
        self._ended = True
        for listener in self._listeners:
            listener.send.close()
        self._listeners.clear()
