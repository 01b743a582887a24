"""What happens to a socket's endpoints and peers, as typed events, and who gets them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import attrs
import trio

from trio_mq._tally import DropReason

if TYPE_CHECKING:
    from trio_mq._peer import Peer

_KEPT_EVENTS: Final = 1000


def _now() -> float:
    """Return the time on trio's clock; outside of a run there is none."""
    try:
        return trio.current_time()
    except RuntimeError:
        return math.nan


@attrs.frozen(kw_only=True)
class _Timed:
    """An event with its time, which does not count when events are compared."""

    time: float = attrs.field(factory=_now, eq=False, repr="{:.3f}".format)
    """When it happened, in seconds of trio's clock."""


@attrs.frozen(kw_only=True)
class Listening(_Timed):
    """An endpoint is bound and accepts connections."""

    endpoint: str
    """As ``bind`` returned it."""


@attrs.frozen(kw_only=True)
class ListeningStopped(_Timed):
    """A bound endpoint was unbound, or the socket closed."""

    endpoint: str
    """As ``bind`` returned it."""


@attrs.frozen(kw_only=True)
class Accepted(_Timed):
    """Somebody connected to a bound endpoint; the handshake follows."""

    endpoint: str
    """Ours, as ``bind`` returned it."""

    address: str
    """Theirs, such as ``127.0.0.1:53412``."""


@attrs.frozen(kw_only=True)
class AcceptFailed(_Timed):
    """The system has no more connections for us now, or a listener is broken.

    What one visitor does wrong is passed over, unless a hundred do so in a row.
    """

    endpoint: str
    """As ``bind`` returned it."""

    error: Exception
    """What ``accept`` raised."""

    broken: bool = False
    """The listener has been given up: ``unbind`` the endpoint and ``bind`` it again. Otherwise it
    goes on after a pause."""


@attrs.frozen(kw_only=True)
class Connected(_Timed):
    """A handshake succeeded: the peer is there."""

    peer: Peer
    """The new connection."""

    dialled: bool = False
    """We dialled, because of an endpoint of ours that is connected; else the peer did."""


@attrs.frozen(kw_only=True)
class HandshakeFailed(_Timed):
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
class Disconnected(_Timed):
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
class Retrying(_Timed):
    """A connected endpoint dials again after a pause."""

    endpoint: str
    """As ``connect`` returned it."""

    delay: float
    """Seconds until it dials."""

    error: BaseException | None
    """Why the last attempt or connection failed; ``None`` if the peer merely left."""


@attrs.frozen(kw_only=True)
class Dropped(_Timed):
    """Messages went no further; the statistics count them for good."""

    peer: Peer | None
    """The peer that they were for or came from; ``None`` if none was chosen or none was left."""

    reason: DropReason
    """Why they went no further."""

    count: int
    """Messages."""


@attrs.frozen(kw_only=True)
class SubscriptionAdded(_Timed):
    """A peer subscribed to a topic."""

    peer: Peer
    """The peer that wants it."""

    topic: bytes
    """What a message must begin with."""


@attrs.frozen(kw_only=True)
class SubscriptionRemoved(_Timed):
    """A peer cancelled a subscription, or left."""

    peer: Peer
    """The peer that no longer wants it."""

    topic: bytes
    """What it had subscribed to."""


@attrs.frozen(kw_only=True)
class Undelivered(_Timed):
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

    It keeps 1000 events for a reader that is busy, in order, and counts those that it could not
    keep: a slow reader never slows the socket. The oldest event of the most frequent kind gives
    way, so that a thousand `Dropped` don't push out the one `HandshakeFailed`. It ends when the
    socket is closed.
    """

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._shelf = _Shelf()
        self._ended = False
        self._closed = False
        self._readers = trio.lowlevel.ParkingLot()
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
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                event = self.receive_nowait()
            except trio.WouldBlock:
                await self._readers.park()
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return event

    @trio.lowlevel.enable_ki_protection
    def receive_nowait(self) -> Event:
        """Return the next event, or raise `trio.WouldBlock` if none is there."""
        if self._closed:
            raise trio.ClosedResourceError("this stream of events was closed")
        event = self._shelf.take()
        if event is not None:
            return event
        if self._ended:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    @trio.lowlevel.enable_ki_protection
    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        self._hub.forget(self)
        self._readers.unpark_all()

    @trio.lowlevel.enable_ki_protection
    async def aclose(self) -> None:
        """Stop listening."""
        self.close()
        await trio.lowlevel.checkpoint()

    # -- for the hub; no methods for those who read --

    def _put(self, event: Event) -> None:
        """Keep an event for whoever reads, and wake one who waits for it."""
        self.missed += self._shelf.put(event)
        self._readers.unpark()

    def _end(self) -> None:
        """Say that no event follows."""
        self._ended = True
        self._readers.unpark_all()


class _Shelf:
    """A bounded number of events that nobody has read yet, each kind in a line of its own."""

    __slots__ = ("_count", "_lines", "_next")

    def __init__(self) -> None:
        self._lines: dict[type, deque[tuple[int, Event]]] = {}
        self._count = 0
        self._next = 0

    def put(self, event: Event) -> int:
        """Keep an event, and return how many others had to give way to it."""
        self._lines.setdefault(type(event), deque()).append((self._next, event))
        self._next += 1
        if self._count < _KEPT_EVENTS:
            self._count += 1
            return 0
        # A peer that makes many events must hide neither its latest ones nor those of others.
        max(self._lines.values(), key=len).popleft()
        return 1

    def take(self) -> Event | None:
        """Return the oldest event, and keep it no more; ``None`` if there is none."""
        if not self._count:
            return None
        self._count -= 1
        return min(filter(None, self._lines.values()), key=_age).popleft()[1]


def _age(line: deque[tuple[int, Event]]) -> int:
    return line[0][0]


class EventHub:
    """Gives every event of a socket to whoever listens; it costs nothing when nobody does.

    Args:
        tell: Is called with every event, to write the log.
    """

    __slots__ = ("_ended", "_streams", "_tell")

    def __init__(self, tell: Callable[[Event], None] | None = None) -> None:
        self._streams: list[EventStream] = []
        self._ended = False
        self._tell = tell

    def open(self) -> EventStream:
        """Return a stream of the events from now on."""
        stream = EventStream(self)
        if self._ended:
            stream._end()  # noqa: SLF001  # the hub's own door
        else:
            self._streams.append(stream)
        return stream

    def __bool__(self) -> bool:
        """Tell whether anybody listens: if not, no event need be made."""
        return bool(self._streams)

    def emit(self, event: Event) -> None:
        """Give the event to everybody who listens."""
        for stream in self._streams:
            stream._put(event)  # noqa: SLF001  # the hub's own door
        if self._tell is not None:
            self._tell(event)

    def forget(self, stream: EventStream) -> None:
        """Stop giving events to that stream."""
        self._streams = [each for each in self._streams if each is not stream]

    def end(self) -> None:
        """End every stream: the socket is closed."""
        self._ended = True
        for stream in self._streams:
            stream._end()  # noqa: SLF001  # the hub's own door
        self._streams.clear()
