"""One live stream: handshake, reader, writer, heartbeat.

Theory of operation
-------------------

A link borrows a pipe for as long as its stream lives. Two tasks do the work: the *reader* (the
task that runs the link: it does the handshake first) and the *writer*, its child. A third, the
heartbeat, exists only where somebody asked for PINGs.

Nothing that a peer sends or does leaves `Link.run` as an exception: it becomes a `LinkEnd` with a
reason, which the owner turns into an event and, for a connected endpoint, into a decision when to
dial again. Only `trio.Cancelled` passes: the socket is closing.

*Reading.* The reader decodes only as many messages as the pipe has room for, and then stops
reading, so that TCP itself holds the peer back. It reads again when half of the room is free.
While it is stopped, PINGs are not seen either. So the link then suspends its own time-outs (the
peer's silence proves nothing) and sends PINGs of its own, twice as often as the peer's were, so
that the peer has signs of life and need not drop a program that is merely slow.

*Writing.* The writer waits for the pipe to announce a batch, and writes until nothing is left. A
message that is put into an idle pipe is written at once from the stack of ``send`` instead
(*write-through*): a round trip then costs one task switch less. It is one attempt at one message,
it never waits and never raises; whatever is left is the writer's. It is not worth it in a flood,
where it would send messages one by one that could go together, so it needs a short pause since the
last write.

A write error ends only the writer. The reader goes on until it finds the end of the stream,
because what the peer said before it left is still there to be read.

*Ending in order* (`Link.finish`): write what waits, shut our direction, then read and discard
until the peer has closed too. Closing with unread input would reset the connection, and a reset
destroys what the peer has not read yet.
"""

from __future__ import annotations

import errno
import math
from time import perf_counter
from typing import Final, Protocol

import attrs
import trio

from trio_mq._connections.heartbeat import Heartbeat
from trio_mq._connections.outbox import Outbox
from trio_mq._errors import (
    AuthenticationFailed,
    HandshakeError,
    IncompatiblePeer,
    MechanismMismatch,
    RemoteProtocolError,
)
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipe import Pipe
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import (
    Cancel,
    Connection,
    Event,
    Messages,
    PeerProperties,
    PeerReady,
    Ping,
    Pong,
    Subscribe,
)

_READ_BYTES: Final = 64 * 1024
#: At most this many messages are decoded between two schedule points.
_DECODE_MESSAGES: Final = 1000
#: Seconds since the last write that make a message worth a system call of its own. Measured: from
#: 20 to 200 µs the round trip is the same; below, floods get slower.
_WRITE_THROUGH_PAUSE: Final = 50e-6
#: Seconds that a refused peer has to read why.
_FAREWELL_SECONDS: Final = 1.0


class Refusal(Exception):  # it is no error of anybody: a peer is turned away
    """The owner does not want this peer; the connection is closed without an ERROR.

    libzmq dials again after a plain close and never after an ERROR.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@attrs.frozen
class LinkEnd:
    """How a link ended."""

    #: One word or two for programs, as in `Disconnected.reason`.
    reason: str
    error: BaseException | None
    #: Seconds on trio's clock when the handshake was done; ``None``: it never was.
    established: float | None


class LinkOwner(Protocol):
    """What a link asks of the socket that owns it, and tells it."""

    async def admit(self, properties: PeerProperties, link: Link) -> Pipe:
        """Judge a peer before our own READY goes out, and return the pipe for it.

        Raises:
            Refusal: It is not wanted.
        """

    def connected(self, link: Link, peer: Peer) -> None:
        """The handshake is done: `Link.pipe` is set, and messages may flow."""

    def deliver(self, link: Link, messages: list[Message], payload: int) -> None:
        """Messages arrived; at most as many as the pipe had room for."""

    def subscribe(self, link: Link, topic: bytes) -> None:
        """The peer wants a topic."""

    def cancel(self, link: Link, topic: bytes) -> None:
        """The peer no longer wants a topic."""

    def disconnected(self, link: Link, end: LinkEnd) -> None:
        """The link is over; its pipe has everything that was not wholly written."""


class LinkOrigin(Protocol):
    """The endpoint that made a link."""

    @property
    def endpoint(self) -> str:
        """As the user knows it."""

    @property
    def options(self) -> Options:
        """Those of this endpoint."""

    def established(self, link: Link) -> None:
        """A handshake succeeded."""

    def lost(self, link: Link) -> None:
        """A link has ended."""


class Link:
    """One connection, from its stream to its end.

    Args:
        stream: The bytes; the link closes it.
        connection: The protocol state, made for this stream.
        owner: The socket.
        origin: The dialer or listener that made the connection.
        pipe: The pipe of a connected endpoint; ``None`` for an accepted peer, whose pipe comes
            with the owner's verdict.
    """

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        owner: LinkOwner,
        *,
        origin: LinkOrigin,
        pipe: Pipe | None = None,
    ) -> None:
        self.stream = stream
        self.connection = connection
        self.origin = origin
        self.endpoint = origin.endpoint
        self.address = stream.peer_address
        self.options = origin.options
        self.own_pipe = pipe
        self.pipe: Pipe | None = None
        self.peer: Peer | None = None
        self._owner = owner
        self._outbox: Outbox | None = None
        self._heartbeat: Heartbeat | None = None
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._hung_up: str | None = None
        self._established: float | None = None
        self._error: Exception | None = None
        self._room: trio.Event | None = None
        self._last_write = -math.inf
        self._finishing = False
        self._write_failed = False

    def __repr__(self) -> str:
        return f"<Link {self.endpoint} to {self.stream.peer_address}>"

    # -- from the outside --

    async def run(self) -> LinkEnd:
        """Do the handshake and move messages until the connection ends; never raises for a peer.

        Cancelled: the connection is closed at once; the pipe keeps what was not written.
        """
        end = LinkEnd("cancelled", None, None)
        try:
            with self._scope:
                end = await self._live()
            if self._scope.cancelled_caught:
                end = LinkEnd(self._hung_up or "closed", None, self._established)
        finally:
            self._release(end)
            with trio.CancelScope(shield=True):
                await self.stream.aclose()
            self._owner.disconnected(self, end)
        return end

    def hang_up(self, reason: str) -> None:
        """End the connection now."""
        if self._hung_up is None:
            self._hung_up = reason
            self._scope.cancel()

    def subscribe(self, topic: bytes) -> None:
        """Ask the peer for a topic, before the messages that wait and beyond every limit."""
        self.control(self.connection.subscribe(topic))

    def cancel(self, topic: bytes) -> None:
        """Tell the peer that we no longer want a topic."""
        self.control(self.connection.cancel(topic))

    def control(self, frame: bytes) -> None:
        """Send a control frame before the messages that wait."""
        if self._outbox is not None and self.pipe is not None:
            self._outbox.control(frame)
            self.pipe.wake_writer()

    def finish(self) -> None:
        """Write what waits, say good-bye, and end when the peer has closed too."""
        self._finishing = True
        if self.pipe is None:
            self.hang_up("closed")
            return
        self.pipe.wake_writer()
        self._wake_reader()

    def write_once(self) -> None:
        """Make one non-blocking write of what waits: the last one before a connection is cut."""
        if self._outbox is None or self._write_failed:
            return
        try:
            if self._outbox.load():
                self._outbox.write()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._write_failed = True

    async def ping_for_life(self, seconds: float) -> bool:
        """Ask the peer for a sign of life; False if no byte came within that time."""
        return await self._keep_heartbeat().ping_for_life(seconds)

    # -- its life --

    async def _live(self) -> LinkEnd:
        try:
            with trio.fail_after(self.options.handshake_timeout):
                await self._handshake()
        except Exception as error:
            await self._farewell(error)
            return LinkEnd(_reason(error), _told(error), None)
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._write, name=f"trio_mq writer {self._name}")
            if self.options.heartbeat_interval is not None:
                self._keep_heartbeat()
            error = await self._read()
            self._fail(error)
        self._nursery = None
        return LinkEnd(_reason(self._error), _told(self._error), self._established)

    def _fail(self, error: Exception | None) -> None:
        """Stop the tasks of this link; the first of them to stop says why."""
        if self._nursery is not None and not self._nursery.cancel_scope.cancel_called:
            self._error = error
            self._nursery.cancel_scope.cancel()

    @property
    def _name(self) -> str:
        return f"{self.endpoint} {self.stream.peer_address}"

    async def _handshake(self) -> None:
        connection = self.connection
        while True:
            await self._flush_handshake()
            event = connection.next_event()
            if isinstance(event, PeerReady):
                break
            if event is None:
                connection.receive_data(await self._receive_handshake())
        self.pipe = await self._owner.admit(event.properties, self)
        connection.accept()
        await self._flush_handshake()
        self._begin(event.properties)

    async def _receive_handshake(self) -> bytes:
        data = await self.stream.receive_some(_READ_BYTES)
        if not data:
            raise EOFError("the peer closed the connection during the handshake")
        return data

    async def _flush_handshake(self) -> None:
        data = self.connection.data_to_send()
        if data:
            await self.stream.write_all(data)

    def _begin(self, properties: PeerProperties) -> None:
        """The handshake is done: from here on the pipe is ours."""
        pipe = self.pipe
        assert pipe is not None  # noqa: S101  # admit() returned it
        self._established = trio.current_time()
        self.peer = Peer(
            properties,
            endpoint=self.endpoint,
            address=self.stream.peer_address,
            hang_up=self.hang_up,
        )
        self._outbox = Outbox(self.stream, self.connection, pipe)
        pipe.peer = self.peer
        self.peer.attach(pipe)
        pipe.on_outgoing = self._write_through
        self._owner.connected(self, self.peer)
        self.origin.established(self)
        pipe.wake_writer()

    def _release(self, end: LinkEnd) -> None:
        """Give the pipe back, with everything that was not wholly written in it."""
        pipe, outbox = self.pipe, self._outbox
        if pipe is not None and outbox is not None:
            pipe.link_ended(torn=outbox.torn)
            pipe.paused = False
            pipe.on_incoming_room = None
        if self.peer is not None:
            self.peer.mark_closed()
            if pipe is not None and pipe.peer is self.peer:
                pipe.peer = None

    async def _farewell(self, error: Exception) -> None:
        """Let a peer that is refused with an ERROR read it, for a moment."""
        data = self.connection.data_to_send() if isinstance(error, _EXPLAINED) else b""
        if not data:
            return
        with trio.move_on_after(_FAREWELL_SECONDS):
            try:
                await self.stream.write_all(data)
                await self.stream.shutdown_write()
                while await self.stream.receive_some(_READ_BYTES):
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

    # -- reading --

    async def _read(self) -> Exception | None:
        """Read until the stream ends, and return why if it was not a plain end."""
        try:
            while await self._receive():
                await self._handle_what_arrived()
        except Exception as error:
            return error
        return None

    async def _handle_what_arrived(self) -> None:
        while not self._finishing:
            if self._decode():
                await trio.lowlevel.checkpoint()
            elif self._room is not None:
                await self._wait_for_room()
            else:
                return

    async def _receive(self) -> bool:
        """Wait for bytes and feed them to the protocol; False at the end of the stream."""
        connection = self.connection
        buffer = connection.receive_buffer()
        if buffer is None or self._finishing:
            data = await self.stream.receive_some(_READ_BYTES)
            size = len(data)
            if size and not self._finishing:
                connection.receive_data(data)
        else:
            size = await self.stream.receive_into(buffer)
            if size:
                connection.buffer_filled(size)
        if self._heartbeat is not None:
            self._heartbeat.heard()
        return size > 0

    def _decode(self) -> bool:
        """Handle what has arrived, as far as there is room; True if it stopped only for a break."""
        pipe, connection = self.pipe, self.connection
        assert pipe is not None  # noqa: S101  # set before the reader runs
        decoded = 0
        while decoded < _DECODE_MESSAGES:
            room, room_bytes = pipe.incoming_room()
            if room <= 0 or room_bytes <= 0:
                self._room = trio.Event()
                pipe.pause(self._wake_reader)
                return False
            event = connection.next_event(min(room, _DECODE_MESSAGES), room_bytes)
            if event is None:
                return False
            if event.__class__ is Messages:
                decoded += len(event.messages)  # type: ignore[union-attr]
                self._owner.deliver(self, event.messages, event.payload)  # type: ignore[union-attr]
            else:
                decoded += 1
                self._handle(event)
        return True

    async def _wait_for_room(self) -> None:
        assert self._room is not None  # noqa: S101  # it is what being paused means
        if self._heartbeat is not None:
            self._heartbeat.pause()
        await self._room.wait()
        self._room = None
        if self._heartbeat is not None:
            self._heartbeat.resume()

    def _wake_reader(self) -> None:
        if self._room is not None:
            self._room.set()

    def _handle(self, event: Event) -> None:
        match event:
            case Subscribe(topic):
                self._owner.subscribe(self, topic)
            case Cancel(topic):
                self._owner.cancel(self, topic)
            case Ping(ttl, context):
                self._keep_heartbeat().pinged(ttl)
                self._keep_heartbeat().pong = self.connection.pong(context)
                if self.pipe is not None:
                    self.pipe.wake_writer()
            case Pong(context):
                if self._heartbeat is not None:
                    self._heartbeat.ponged(context)
            case _:
                pass

    def _keep_heartbeat(self) -> Heartbeat:
        """Return the heartbeat, starting it with the first reason to have one."""
        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self.options, self.connection, self.control, self.peer)
            if self._nursery is not None:
                self._nursery.start_soon(
                    self._beat, self._heartbeat, name=f"trio_mq heartbeat {self._name}"
                )
        return self._heartbeat

    async def _beat(self, heartbeat: Heartbeat) -> None:
        try:
            await heartbeat.run()
        except Exception as error:
            self._fail(error)

    # -- writing --

    async def _write(self) -> None:
        """Write batches as the pipe announces them, until the connection fails or is finished."""
        pipe, outbox = self.pipe, self._outbox
        assert pipe is not None and outbox is not None  # noqa: S101, PT018  # set by _begin
        try:
            while True:
                await pipe.outbound.receive()
                while self._load():
                    await self._write_loaded(outbox)
                pipe.writer_is_idle()
                if self._finishing:
                    await self.stream.shutdown_write()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._write_failed = True
        except Exception as error:
            self._fail(error)

    def _load(self, max_messages: int = _DECODE_MESSAGES) -> bool:
        outbox, heartbeat = self._outbox, self._heartbeat
        assert outbox is not None  # noqa: S101  # set by _begin
        if heartbeat is not None and heartbeat.pong is not None:
            outbox.control(heartbeat.pong)
            heartbeat.pong = None
        return outbox.load(max_messages)

    async def _write_loaded(self, outbox: Outbox) -> None:
        taken = outbox.write()
        if taken is None:
            await self.stream.write_all(outbox.take_for_write_all())
        elif not taken:
            await self.stream.wait_writable()
        elif not outbox.empty:
            await trio.lowlevel.checkpoint()
        self._last_write = perf_counter()

    def _write_through(self) -> None:
        """Something was put into an idle pipe: write it now if that is worth it."""
        pipe, outbox = self.pipe, self._outbox
        assert pipe is not None and outbox is not None  # noqa: S101, PT018  # set by _begin
        now = perf_counter()
        if now - self._last_write < _WRITE_THROUGH_PAUSE or self._write_failed:
            pipe.announce()
            return
        self._last_write = now
        try:
            written = self._load(1) and outbox.write()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader will find out too; the message stays in the pipe.
            self._write_failed = True
            written = False
        if written and outbox.empty:
            pipe.writer_is_idle()
        else:
            pipe.announce()


_EXPLAINED: Final = (HandshakeError, RemoteProtocolError)


def _told(error: BaseException | None) -> BaseException | None:
    """Return the error without its traceback, which would keep the link alive."""
    return error.with_traceback(None) if error is not None else None


def _reason(error: BaseException | None) -> str:
    """Return the word for an end: what events and statistics say."""
    match error:
        case None | EOFError():
            return "eof"
        case RemoteProtocolError():
            return error.fault.value
        case IncompatiblePeer():
            return "incompatible-peer"
        case MechanismMismatch():
            return "mechanism"
        case AuthenticationFailed():
            return "authentication"
        case Refusal():
            return error.reason
        case trio.TooSlowError():
            return "timeout"
        case trio.BrokenResourceError():
            return _broken_reason(error)
        case MemoryError():
            return "out-of-memory"
        case _:
            return f"internal error: {type(error).__name__}"


def _broken_reason(error: trio.BrokenResourceError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE):
        return "reset"
    return "connection-lost"
