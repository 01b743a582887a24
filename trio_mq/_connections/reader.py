"""The reading half of a link: as much as there is room for, and no more.

This file is longer than most: when a reader stops, and what lets it go on, is one idea.

The reader decodes only as many messages as the pipe has room for, and then stops reading, so that
TCP itself holds the peer back. While it is stopped it sees no PINGs either; see `heartbeat` for
what follows from that.

It does see the end. A reader that has been stopped for a while looks now and then whether the
peer's end has arrived, behind whatever is unread (`ByteStream.ended`). A stream that can't tell
is read ahead, up to a bound.

A peer that has left is reported at once, but what it sent is not lost. The reader takes the rest
from the kernel, at most what the kernel's buffer holds, and leaves it undecoded with the pipe: this
is the *tail*. It needs no task and no connection. As always, the receive that makes room decodes
more of it from its own stack. The next connection of the same pipe is read when the tail is used
up.

We never write to a peer in order to find its end. Its program may have left while its kernel still
had something to send that we had no room for; a byte from us would make that kernel reset the
connection and throw it away. So while we don't read, only a peer that sends PINGs itself gets
PINGs.

One read may bring far more small messages than there is room for. So when half of the room is free,
the next batch is decoded *from the stack of the receive that freed it*, and the reader's task
sleeps until everything that was read is decoded. That costs no turn of the scheduler. It also
spares the garbage collector, which runs when many more objects were made than were freed: here a
batch is made only when another has been freed. Both together saved a sixth of the cost of receiving
a small message.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from typing import Final

import trio

from trio_mq._connections.elsewhere import work_elsewhere
from trio_mq._connections.heartbeat import Pulse
from trio_mq._connections.link_side import ReadersLink
from trio_mq._connections.read_size import FEW_BYTES, MANY_BYTES, TINY_BYTES, WHATEVER, ReadSize
from trio_mq._connections.watch import StoodIn, Watch
from trio_mq._contract import Deliver
from trio_mq._message import size_of
from trio_mq._pipes.budget import Share, Tail
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import TakeBody
from trio_mq._transports.stream import ByteStream, PollableStream
from trio_mq.zmtp import Connection, LargeBox, Messages, Skipped

#: Seconds without room after which the reader looks whether the peer is still there; and between
#: two looks.
_LONG_PAUSE: Final = 0.2
#: Bytes that are read without room from a stream that can't tell of its end otherwise.
_READ_AHEAD: Final = 64 * 1024
#: At most this many messages are decoded between two schedule points.
_MAX_DECODED: Final = 1000


# Names of the module: to look one up in the class takes as long as the rest of a comparison.
_TAKEN: Final = StoodIn.TAKEN
_NOTHING_LEFT: Final = StoodIn.NOTHING_LEFT
_UNFINISHED: Final = StoodIn.UNFINISHED

#: For streams that can be interrupted.
_NO_SCOPE: Final = contextlib.nullcontext()


class _Stop(enum.Enum):
    """Why decoding has stopped."""

    NO_DATA = enum.auto()
    NO_ROOM = enum.auto()
    #: Enough was decoded for one turn, or a large box has to be opened first; let others run.
    BREAK = enum.auto()


class Reader:
    """Reads one stream until it ends.

    Args:
        stream: The bytes.
        connection: Decodes them.
        pipe: Has room, or not.
        link: Whose reader it is.
        deliver: Takes messages and their payload.
        pulse: Is told when bytes arrive, and while none are read.
        patience: Seconds that the rest of a frame may keep us waiting; ``None`` is for ever.
    """

    __slots__ = (
        "_box",
        "_budget",
        "_connection",
        "_deliver",
        "_discarding",
        "_done",
        "_ended",
        "_fault",
        "_for_body",
        "_inbound",
        "_left",
        "_link",
        "_looking_ahead",
        "_over",
        "_patience",
        "_pipe",
        "_pulse",
        "_share",
        "_size",
        "_stopping",
        "_stream",
        "_watched",
        "_worked_off",
        "watch",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        pipe: Pipe,
        *,
        link: ReadersLink,
        deliver: Deliver,
        pulse: Pulse,
        patience: float | None,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._pipe = pipe
        self._inbound = pipe.inbound
        self._link = link
        self._deliver = deliver
        self._pulse = pulse
        self._budget = pipe.inbound.budget
        self._share = Share(self._budget, link)
        #: Seconds without a byte inside an unfinished frame.
        self._patience = patience
        #: Only the end of the stream matters now; what arrives is thrown away.
        self._discarding = False
        self._size = ReadSize()
        #: Bytes that a stand-in asks for: few at first, since the more one asks for, the longer it
        #: takes, and as many as the task once anything has come that is no tiny request or reply.
        self._for_body = TINY_BYTES
        #: While the task sleeps because there is no room: set when there is nothing left to decode.
        self._worked_off: trio.Event | None = None
        #: A large box that was found, and is to be opened.
        self._box: LargeBox | None = None
        #: What a stand-in, or a task that receives, found meanwhile: an error, or the end.
        self._fault: Exception | None = None
        self._ended = False
        #: `run` has returned.
        self._done = False
        #: While the stream is read without room.
        self._looking_ahead: trio.CancelScope | None = None
        #: The end was found behind what is not decoded yet.
        self._left = False
        #: The link has ended.
        self._over = False
        #: Lets a task that waits for a reply read the stream itself, if it can be read without
        #: waiting.
        self.watch: Watch | None = None
        if isinstance(stream, PollableStream):
            self._watched = stream
            self.watch = Watch(stream, self)
        #: Around all that is done with a stream that can't be interrupted.
        self._stopping = None if self.watch is not None else trio.CancelScope()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> Exception | None:
        """Read until the stream ends, and return why if it was not a plain end."""
        try:
            with self._stopping or _NO_SCOPE:
                await self._wait_for_tail()
                await self._work_off()
                while not self._left and await self._receive():
                    if self._decode() is not _Stop.NO_DATA:
                        await self._work_off()
        except Exception as error:  # noqa: BLE001  # whatever a peer causes ends its link alone
            return error
        finally:
            self._done = True
        return None

    def discard(self) -> None:
        """Read on, only to find the end."""
        self._discarding = True
        self._wake()

    def stop(self) -> bool:
        """Let `run` return soon, if all it does is watch the stream; False if it is elsewhere.

        A stream that can't be interrupted is left wherever `run` is. Its scope is its own, so that
        trio need not take the exception through the nurseries of thousands of connections.
        """
        if self._stopping is not None:
            self._stopping.cancel()
            return True
        if self.watch is None or not self.watch.watching:
            return self._done
        self._ended = True
        self.watch.release()
        return True

    @property
    def paused(self) -> bool:
        """It does not read, because there is no room."""
        return self._worked_off is not None

    def look(self) -> None:
        """Look now whether the peer has left, unless the reader would see that anyway."""
        if self.paused and self.watch is not None and self._stream.ended():
            self._take_rest(self.watch.stream)
            self._wake()

    def leave(self) -> None:
        """The link is over: let the pipe keep what has arrived and is not decoded."""
        if self._left and not self._discarding:
            self._over = True
            self._inbound.keep_tail(Tail(self._share))
            self._decode_tail()
        else:
            self._share.hold(0)

    def _decode_tail(self) -> None:
        """Decode what there is room for of what the link has left."""
        try:
            while (stop := self._decode(self._decode_tail)) is _Stop.BREAK:
                if self._box is not None:
                    self._box.work()
                    self._box = None
        except Exception:  # noqa: BLE001  # it is the peer's, which is gone
            stop = _Stop.NO_DATA
        if stop is _Stop.NO_DATA:
            self._inbound.end_tail()
        else:
            self._share.park(self._connection.buffered)

    async def _wait_for_tail(self) -> None:
        """Wait until what an earlier connection of this pipe has left is used up."""
        tail = self._inbound.tail
        if tail is not None and not self._discarding:
            self._worked_off = tail.used_up
            self._pulse.pause()
            await self._worked_off.wait()
            self._pulse.resume()
        self._worked_off = None

    async def _receive(self) -> bool:
        """Wait for bytes and feed them to the protocol; False at the end of the stream."""
        connection = self._connection
        share = self._share
        if not connection.exhausted or share.partial or share.parked:
            share.hold(connection.buffered)
            await share.turn()
        data = None if self._size.asked is WHATEVER else self._read_body_at_once()
        if data is not None:
            pass
        elif self._patience is not None and not connection.exhausted and connection.mid_frame:
            with trio.fail_after(self._patience):
                data = await self._stream.receive_some(self._read_size())
        elif self.watch is None:
            data = await self._stream.receive_some(self._read_size())
        else:
            seen = await self.watch.receive()
            if seen is None:
                self._raise_fault()
                return not self._ended
            data = seen
        self._take_in(data)
        return bool(data)

    def _read_body_at_once(self) -> bytes | None:
        """Read more of a large frame whose header was just read alone: it is most likely here."""
        if self.watch is None or not self._size.body_follows(self._connection.missing):
            return None
        return self.read_now()

    def _read_size(self) -> int:
        """Return how much to ask the kernel for."""
        size = self._size
        wanted = size.wanted
        missing = self._connection.missing
        if missing or size.asked is not WHATEVER:
            wanted = size.next(missing, alone=self.watch is not None)
        return wanted if wanted <= FEW_BYTES else self._budget.read_size(wanted)

    def read_now(self) -> bytes | None:
        """Read what there is, once the stream is readable; ``None`` if it is not."""
        assert self.watch is not None  # noqa: S101  # it calls
        return self.watch.stream.read_now(self._read_size())

    def _take_in(self, data: bytes) -> None:
        size = self._size
        if len(data) >= size.wanted or size.wanted > FEW_BYTES:
            size.learn(len(data))
        if data and not self._discarding:
            self._connection.receive_data(data)
            if len(data) > FEW_BYTES:
                # At once: others read in the same turn of the scheduler.
                self._share.hold(self._connection.buffered)
        heartbeat = self._pulse.heartbeat
        if heartbeat is not None:
            heartbeat.heard()

    def stand_in(self, take_body: TakeBody[Pipe]) -> StoodIn:
        """Do at once what the task would do, unless it has to go on itself."""
        try:
            if self._size.wanted > FEW_BYTES or self._discarding:
                data = self.read_now()
            else:
                data = self._watched.read_now(self._for_body)
                # As in a round trip: what is just one small message is handed over without ado.
                body = self._connection.body_of(data) if data else None
                if body is not None and take_body(self._pipe, body):
                    if self._pulse.heartbeat is not None:
                        self._pulse.heartbeat.heard()
                    return _TAKEN
            return self._work_for_stand_in(data)
        except Exception as error:  # noqa: BLE001  # it is the peer's, and not for who waits
            self._fault = error
            return _UNFINISHED

    def _work_for_stand_in(self, data: bytes | None) -> StoodIn:
        if data is None:
            return _NOTHING_LEFT
        self._for_body = FEW_BYTES
        if self._take_whole(data):
            return _NOTHING_LEFT
        self._take_in(data)
        self._ended = not data
        done = self._decode() is _Stop.NO_DATA and self._connection.exhausted
        return _NOTHING_LEFT if done and not self._ended else _UNFINISHED

    def _take_whole(self, data: bytes) -> bool:
        """Deliver what is just one small message of another kind."""
        if self._size.wanted > FEW_BYTES or self._discarding or not self._inbound.has_nothing:
            return False
        message = self._connection.take_whole(data)
        if message is None:
            return False
        if self._pulse.heartbeat is not None:
            self._pulse.heartbeat.heard()
        self._deliver(self._link, self._pipe, [message], size_of(message))
        return True

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    async def _work_off(self) -> None:
        """Handle everything that has arrived, waiting for room where there is none."""
        while not self._left and (stop := self._decode()) is not _Stop.NO_DATA:
            if stop is _Stop.NO_ROOM:
                await self._sleep()
            elif self._box is not None:
                await self._open(self._box)
            else:
                await trio.lowlevel.checkpoint()

    def _decode(self, on_room: Callable[[], None] | None = None) -> _Stop:
        """Handle what has arrived as far as there is room; ``on_room`` goes on later."""
        if self._discarding:
            return _Stop.NO_DATA
        inbound, connection = self._inbound, self._connection
        left = _MAX_DECODED
        while left > 0:
            room, room_bytes = inbound.room()
            if room <= 0 or room_bytes <= 0:
                inbound.pause(on_room or self._go_on)
                return _Stop.NO_ROOM
            event = connection.next_event(min(room, left), room_bytes)
            if event is None:
                return _Stop.NO_DATA
            if event.__class__ is Messages:
                left -= len(event.messages)
                self._deliver(self._link, self._pipe, event.messages, event.payload)
                if connection.exhausted:
                    return _Stop.NO_DATA
            elif event.__class__ is Skipped:
                return _Stop.BREAK
            elif event.__class__ is LargeBox:
                self._box = event
                break
            else:
                left -= 1
                # Commands of a peer that is gone have no effect.
                if not self._over:
                    self._link.handle(event)
        return _Stop.BREAK

    async def _open(self, box: LargeBox) -> None:
        """Have a large box opened; whatever has come behind it is not read meanwhile."""
        self._box = None
        self._pulse.pause()
        await work_elsewhere(box.work)
        self._pulse.resume()

    def _go_on(self) -> None:
        """Half of the room is free: decode more, for the sleeping task."""
        try:
            stop = self._decode()
            self._share.park(self._connection.buffered)
            if stop is _Stop.NO_ROOM:
                return
        except Exception as error:  # noqa: BLE001  # it is the peer's, and not for who receives
            self._fault = error
        self._wake()

    def _wake(self) -> None:
        if self._worked_off is not None:
            self._worked_off.set()
        if self._looking_ahead is not None:
            self._looking_ahead.cancel()

    async def _sleep(self) -> None:
        """Wait until all is decoded, or it is time for others, or the peer has left."""
        self._share.park(self._connection.buffered)
        worked_off = self._worked_off = trio.Event()
        self._pulse.pause()
        while not (worked_off.is_set() or self._left):
            with trio.move_on_after(_LONG_PAUSE):
                await worked_off.wait()
            if not worked_off.is_set():
                await self._look_for_end(worked_off)
        self._worked_off = None
        self._raise_fault()
        self._pulse.resume()

    async def _look_for_end(self, worked_off: trio.Event) -> None:
        """There has been no room for a while: is the peer still there?"""
        if self.watch is None:
            await self._look_ahead()
            if not (worked_off.is_set() or self._left):
                await worked_off.wait()
        elif self._stream.ended():
            self._take_rest(self.watch.stream)

    def _take_rest(self, stream: PollableStream) -> None:
        """Read what a peer that has left had sent; as long as the budget is full, it stays here."""
        try:
            while not self._budget.full:
                data = stream.read_now(self._budget.read_size(MANY_BYTES))
                if not data:
                    self._left = True
                    return
                self._connection.receive_data(data)
                self._share.park(self._connection.buffered)
        except Exception as error:  # noqa: BLE001  # a reset is an end too
            self._left, self._fault = True, error

    async def _look_ahead(self) -> None:
        """Read a little without room, until the end is found or it is enough."""
        with trio.CancelScope() as self._looking_ahead:
            while self._connection.buffered < _READ_AHEAD and not self._budget.full:
                try:
                    data = await self._stream.receive_some(FEW_BYTES)
                except trio.BrokenResourceError as error:
                    self._left, self._fault = True, error
                    break
                if not data:
                    self._left = True
                    break
                self._connection.receive_data(data)
                self._share.park(self._connection.buffered)
        self._looking_ahead = None
