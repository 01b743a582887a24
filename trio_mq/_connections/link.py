"""One live stream: handshake, then a reader and a writer side by side, and a heartbeat.

This file is longer than most: a connection from its stream to its end is one idea.

Theory of operation
-------------------

A link borrows a pipe for as long as its stream lives. Two tasks do the work: the one that runs the
link does the handshake and then reads (`reader`); its child writes (`writer`), and begins with the
first thing that is not written at once. A third, the `heartbeat`, exists only where somebody asked
for PINGs. At times the first two let a task of the program do their work: ``send`` writes a lone
message at once, and a task that waits for what only this connection can bring reads it itself
(`watch`).

Nothing that a peer sends or does leaves `Link.run` as an exception. It becomes an `Ending` with a
reason, which the socket turns into an event and, for a connected endpoint, into a decision when to
dial again. Only `trio.Cancelled` passes: the socket is closing.

*Ending in order* (`Link.finish`): write what waits, shut our direction, and go when that can reset
nothing (`leaving`). A stream that can't shut one direction (TLS) is closed when all is written.

An example, a peer that is killed while a message for it is half written. The writer's next write
fails; it ends and leaves the message at the front of the pipe. The reader goes on, because the peer
may have sent something before it died, decodes that, and finds the end of the stream. The link
makes an `Ending` with the reason ``reset``, gives the pipe back with the half-written message first
in it, and tells the socket. A Push gives that message to another peer, whole, and emits
`Disconnected`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Final

import trio

from trio_mq._connections.gate import Gate
from trio_mq._connections.handshake import flush, greet, shake_hands
from trio_mq._connections.handshake_failure import Attempt
from trio_mq._connections.heartbeat import Heartbeat, Pulse
from trio_mq._connections.leaving import close, say_why, stop_at_rest, wait_while_at_risk, was_idle
from trio_mq._connections.origin import LinkOrigin
from trio_mq._connections.reader import Reader
from trio_mq._connections.turn_end import current_turn_end
from trio_mq._connections.wire_log import overheard
from trio_mq._connections.writer import Writer
from trio_mq._contract import Ending, Refusal, SocketSide
from trio_mq._errors import HandshakeError, RemoteProtocolError
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipes.gathering import TellsOfEnd
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.shared import SharedOutbound
from trio_mq._scope import Task
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import (
    Connection,
    Event,
    PeerProperties,
    Ping,
    Pong,
)

#: Errors of a handshake about which the peer may be told something.
_EXPLAINED: Final = (HandshakeError, RemoteProtocolError)


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

    __slots__ = (
        "__weakref__",
        "_connection",
        "_ending",
        "_ending_tasks",
        "_error",
        "_established",
        "_gate",
        "_hung_up",
        "_nursery",
        "_origin",
        "_owner",
        "_parting",
        "_pulse",
        "_reader",
        "_stream",
        "_writer",
        "_written_out",
        "address",
        "endpoint",
        "options",
        "own_pipe",
        "peer",
        "pipe",
        "routing_id",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        owner: SocketSide,
        *,
        origin: LinkOrigin[Link],
        pipe: Pipe | None = None,
    ) -> None:
        self.endpoint: str = origin.endpoint
        self.address: str = stream.peer_address
        self.options: Options = origin.options
        # The name that we had when the connection was made.
        self.routing_id: bytes = owner.routing_id
        self.own_pipe: Pipe | None = pipe
        self.pipe: Pipe | None = None
        self.peer: Peer | None = None
        self._stream = overheard(stream)
        self._connection = connection
        self._owner = owner
        self._origin = origin
        #: Only as long as the peer may still be sent away there.
        self._gate: Gate | None = Gate(
            self._stream,
            connection,
            origin.options,
            endpoint=origin.endpoint,
            accepted=pipe is None,
            keeper=origin.keeper,
            link=self,
        )
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._pulse = Pulse()
        self._nursery: trio.Nursery | None = None
        self._hung_up: str | None = None
        self._established: float | None = None
        self._error: Exception | None = None
        #: Whether its tasks were told to end; and how many of them, besides ours and the writer's,
        #: end then, since they are told by this event.
        self._ending = False
        self._ending_tasks = 0
        self._parting: trio.Event | None = None
        #: All was written, and nothing follows.
        self._written_out = False

    def __repr__(self) -> str:
        return f"<Link {self.endpoint} to {self.address}>"

    # -- from the outside --

    @property
    def in_line(self) -> bool:
        """The handshake waits for us, and not for the peer."""
        return self._gate is not None and self._gate.in_line

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> Ending:
        """Do the handshake and move messages until the connection ends; never raises for a peer.

        Cancelled: the connection is closed at once; the pipe keeps what was not written.
        """
        end: Ending | None = None
        try:
            if self._hung_up is None:
                async with trio.open_nursery() as self._nursery:
                    end = await self._live(self._nursery)
                end = self._how_it_ended() if end is None else end
        finally:
            if end is None:
                end = Ending(self._hung_up or "closed", None, self._established)
            end = end.leaving(self._stream.unacknowledged())
            # In one step: whoever waited for this end must not find the peer among the peers.
            self._release()
            if self._gate is not None:
                self._gate.leave()
            self._owner.disconnected(self, end)
            await close(self._stream, written_out=self._written_out)
        return end

    def hang_up(self, reason: str) -> None:
        """End the connection now."""
        if self._hung_up is None:
            self._hung_up = reason
            if self._nursery is not None and not self._stop_tasks():
                self._nursery.cancel_scope.cancel()

    def redial(self, reason: str) -> None:
        """End the connection now; if we dialled it, dial again at once."""
        self._origin.redial()
        self.hang_up(reason)

    def send_subscribe(self, topic: bytes) -> None:
        """Ask the peer for a topic, before the messages that wait and beyond every limit."""
        self._control(self._connection.subscribe(topic))

    def send_cancel(self, topic: bytes) -> None:
        """Tell the peer that we no longer want a topic."""
        self._control(self._connection.cancel(topic))

    def finish(self) -> None:
        """Write what waits, say good-bye, and end when the peer has closed too."""
        if self._hung_up is not None:
            return
        if self._writer is None or self._reader is None:
            self.hang_up("closed")
        elif was_idle(self.pipe, self._reader, self._writer):
            self._written_out = True
            self._go()
        else:
            self._writer.finish()
            self._reader.discard()

    def write_once(self) -> None:
        """Make one non-blocking write of what waits: the last one before a connection is cut."""
        if self._writer is not None:
            self._writer.write_once()

    async def shows_life(self, seconds: float) -> bool:
        """Ask the peer for a sign of life; False if none came within that time, or its end did."""
        if self._reader is None or self.peer is None:
            return True
        if self._stream.ended():
            self._reader.look()
            with trio.move_on_after(seconds):
                await self.peer.wait_closed()
            return not self.peer.closed
        return await self._keep_heartbeat().shows_life(seconds)

    def faults(self) -> Iterator[str]:
        """Say what is wrong with what is written, or who waits in vain; the debug mode asks."""
        if self._writer is not None:
            yield from self._writer.faults()
        if self._reader is not None and self._reader.watch is not None:
            yield from self._reader.watch.faults()

    def look_at_window(self) -> None:
        """End the connection if the peer's host has vanished, not if it merely does not read."""
        if (error := self._stream.vanished()) is not None:
            self._end(error)

    # -- its life --

    async def _live(self, nursery: trio.Nursery) -> Ending | None:
        """Move messages until the end, or return the end of a handshake that failed."""
        scope = nursery.cancel_scope
        scope.deadline = trio.current_time() + self.options.handshake_timeout
        try:
            properties, pipe = await self._handshake()
            if scope.cancel_called:
                return self._how_it_ended()
            scope.deadline = math.inf
            reader, writer = self._begin(nursery, properties, pipe)
        except Exception as error:  # noqa: BLE001  # whatever a peer causes ends its link alone
            scope.deadline = math.inf
            if isinstance(error, _EXPLAINED) and (data := self._connection.data_to_send()):
                await say_why(self._stream, data)
            return self._failed(error)
        if self.options.heartbeat_interval is not None:
            self._keep_heartbeat()
        try:
            self._end(await reader.run())
        finally:
            # The nursery may close at any moment from here on.
            self._nursery = None
            writer.begin_no_more()
        return None

    def _how_it_ended(self) -> Ending:
        """Return the end of a link whose tasks have ended, or were cancelled."""
        if self._hung_up is not None:
            return Ending(self._hung_up, None, self._established)
        if self._reader is None:
            return self._failed(trio.TooSlowError())
        return Ending.by(self._error, self._established)

    def _failed(self, error: Exception) -> Ending:
        attempt = Attempt(
            endpoint=self.endpoint,
            address=self.address,
            connecting=self.own_pipe is not None,
            timeout=self.options.handshake_timeout,
            connection=self._connection,
        )
        return Ending.by(attempt.explain(error), None)

    def _end(self, error: Exception | None) -> None:
        """Stop the tasks of this link; the first of them to stop says why."""
        if self._nursery is not None and self._reader is not None and not self._ending:
            self._ending = True
            self._error = error
            if not self._stop_tasks():
                self._nursery.cancel_scope.cancel()

    def _stop_tasks(self) -> bool:
        """Let them return if all are at rest; False if they have to be cancelled."""
        if self._parting is not None:
            self._parting.set()
        nursery, reader, writer = self._nursery, self._reader, self._writer
        if nursery is None or reader is None or writer is None:
            return False
        return stop_at_rest(nursery, self._ending_tasks, reader, writer)

    def _start(self, task: Task, name: str) -> bool:
        """Start one more task, unless all were told to end: nobody would tell the new one."""
        if self._nursery is None or self._hung_up is not None or self._ending:
            return False
        self._nursery.start_soon(task, name=f"trio_mq {name} {self.address}")
        return True

    async def _handshake(self) -> tuple[PeerProperties, Pipe]:
        stream, connection = self._stream, self._connection
        assert self._gate is not None  # noqa: S101  # it is made with the link
        properties = await shake_hands(stream, connection, self._gate)
        if not self._gate.may_be_revoked:
            self._gate = None
        try:
            self.pipe = await self._owner.admit(properties, self)
        except Refusal:
            await greet(stream, connection)
            raise
        connection.accept()
        await flush(stream, connection)
        return properties, self.pipe

    def _begin(
        self, nursery: trio.Nursery, properties: PeerProperties, pipe: Pipe
    ) -> tuple[Reader, Writer]:
        """The handshake is done: from here on the pipe is ours."""
        stream, connection = self._stream, self._connection
        reader = Reader(
            stream,
            connection,
            pipe,
            link=self,
            deliver=self._owner.deliver,
            pulse=self._pulse,
            patience=self.options.limits.frame_progress_timeout,
        )
        # It tries the stream, which may be broken by now. Up to here, that is a failed handshake.
        turn_end: TellsOfEnd | None = None
        if isinstance(pipe.outbound, SharedOutbound):
            turn_end = pipe.outbound
        elif self._owner.socket_type.asks_or_answers:
            turn_end = current_turn_end()
        writer = Writer(
            nursery, stream, connection, pipe.outbound, self._pulse, link=self, turn_end=turn_end
        )
        peer = Peer(properties, endpoint=self.endpoint, address=self.address, link=self)
        pipe.lend(peer, writer, reader.watch)
        self.peer = peer
        self._reader, self._writer = reader, writer
        self._established = trio.current_time()
        self._origin.established(self)
        self._owner.connected(self, peer)
        if pipe.outbound.queue:
            writer.wake()
        return reader, writer

    def _release(self) -> None:
        """Give the pipe back, with everything that was not wholly written in it."""
        pipe, writer, reader = self.pipe, self._writer, self._reader
        # Its endpoint still knows this link for a moment, and must not be able to make it write.
        self._reader = self._writer = None
        if pipe is not None and writer is not None:
            pipe.give_back(partly_written=writer.partly_written)
        if reader is not None:
            reader.leave()
        self._pulse.end()

    # -- its writer tells --

    def writer_failed(self, error: Exception) -> None:
        """A bug has ended the writer, and ends this link alone."""
        self._end(error)

    def all_written(self, *, peer_knows: bool) -> None:
        """The kernel has everything, and sends it: leave when the close can reset nothing."""
        self._written_out = True
        if peer_knows and self.pipe is not None and self.pipe.outbound.written_to_peer:
            over = self._parting = trio.Event()
            if self._start(partial(self._leave, over), "farewell"):
                self._ending_tasks += 1
        else:
            self._go()

    @trio.lowlevel.enable_ki_protection
    async def _leave(self, over: trio.Event) -> None:
        ours, pings = self._owner.socket_type, self._pulse.peer_pings
        await wait_while_at_risk(self._stream, ours, over, peer_pings=pings)
        if not over.is_set():
            self._go()

    def _go(self) -> None:
        self._hung_up = "closed"
        self._end(None)

    # -- what arrives --

    def handle(self, event: Event) -> None:
        """See to a command of the peer."""
        match event:
            case Ping(ttl, context):
                self._keep_heartbeat().pinged(ttl, context)
            case Pong(context):
                if self._pulse.heartbeat is not None:
                    self._pulse.heartbeat.ponged(context)
            case _:
                self._owner.peer_said(self, event)

    def _control(self, frame: bytes) -> None:
        if self._writer is not None:
            self._writer.control(frame)

    # -- signs of life --

    def _keep_heartbeat(self) -> Heartbeat:
        """Return the heartbeat, starting it with the first reason to have one."""
        heartbeat = self._pulse.heartbeat
        if heartbeat is None:
            assert self.pipe is not None and self.peer is not None  # noqa: S101, PT018  # it has begun
            heartbeat = Heartbeat(
                self.options, self._connection, self._stream, self.pipe.outbound, self.peer
            )
            self._pulse.begin(heartbeat)
            self._start(partial(self._beat, heartbeat), "heartbeat")
        return heartbeat

    @trio.lowlevel.enable_ki_protection
    async def _beat(self, heartbeat: Heartbeat) -> None:
        try:
            await heartbeat.run()
        except Exception as error:  # noqa: BLE001  # silence or a bug, it ends this link alone
            self._end(error)
