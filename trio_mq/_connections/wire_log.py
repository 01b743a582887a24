"""The frames of a connection in the log, for those who want to see the wire.

A stream that is listened to stands before the real one and reads along, in both directions. That is
decided once, when a connection begins: one that nobody listens to costs nothing. Under TLS the
frames are those inside; under CURVE they are sealed. What a handshake shows of passwords and keys
is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trio_mq._log import WIRE_IN, WIRE_OUT, Record
from trio_mq._transports.kernel_view import Vital
from trio_mq._transports.stream import ByteStream, PollableStream
from trio_mq._transports.turns import Turns
from trio_mq.zmtp.frames import COMMAND, LONG, MORE
from trio_mq.zmtp.greeting import GREETING_SIZE

#: What is shown of a body.
_SHOWN: Final = 60
#: The bytes of a body that are kept to be shown: a command's name, its length and a bit of data.
_KEPT: Final = _SHOWN + 40
#: Commands that hold nothing secret.
_OPEN: Final = frozenset({"READY", "ERROR", "PING", "PONG", "SUBSCRIBE", "CANCEL"})


def overheard(stream: ByteStream) -> ByteStream:
    """Return a stream whose frames get into the log, or the same one if nobody wants to know."""
    if not WIRE_IN.is_wanted:
        return stream
    if isinstance(stream, PollableStream):
        return _OverheardPollable(stream)
    return _Overheard(stream)


class FrameLog:
    """Finds the frames in one direction of a stream, in pieces of any size.

    Args:
        record: Is told each.
        address: The peer's.
    """

    __slots__ = ("_address", "_head", "_record", "_skip")

    def __init__(self, record: Record, address: str) -> None:
        self._record = record
        self._address = address
        #: What is kept of the frame at hand, header and body.
        self._head: bytearray = bytearray()
        #: Bytes of the last frame that have still to pass; -1 while the greeting is read.
        self._skip = -1

    def pass_on(self, data: bytes | memoryview) -> None:
        """Bytes have passed: tell of each frame whose beginning is there."""
        data = memoryview(data).cast("B")
        while data:
            if self._skip > 0:
                passed = min(self._skip, len(data))
                self._skip -= passed
                data = data[passed:]
            else:
                data = data[self._collect(data) :]

    def _collect(self, data: memoryview) -> int:
        """Take what is missing of the head of a frame, tell if it is whole; return the bytes."""
        missing = self._missing()
        taken = min(missing, len(data))
        self._head += data[:taken]
        if not self._missing():
            self._tell()
        return taken

    def _missing(self) -> int:
        head = self._head
        if self._skip < 0:
            return GREETING_SIZE - len(head)
        if len(head) < 2:
            return 2 - len(head)
        header = self._header_size()
        if len(head) < header:
            return header - len(head)
        return header + min(self._size(), _KEPT) - len(head)

    def _header_size(self) -> int:
        return 9 if self._head[0] & LONG else 2

    def _size(self) -> int:
        return int.from_bytes(self._head[1 : self._header_size()], "big")

    def _tell(self) -> None:
        head = bytes(self._head)
        if self._skip < 0:
            mechanism = head[12:32].rstrip(b"\0").decode("ascii", "replace")
            self._record.tell(self._address, f"GREETING {head[10]}.{head[11]} {mechanism}")
            self._skip = 0
        else:
            size, body = self._size(), head[self._header_size() :]
            self._skip = size - len(body)
            self._record.tell(self._address, described(head[0], body, size))
        self._head.clear()


def described(flags: int, body: bytes, size: int) -> str:
    """Return a frame in words.

    Args:
        flags: From its header.
        body: Its beginning.
        size: Of the whole body.
    """
    if not flags & COMMAND:
        more = ", more" if flags & MORE else ""
        return f"FRAME {_shortened(body, size)} [{_bytes(size)}{more}]"
    length = body[0] if body else 0
    name = body[1 : 1 + length].decode("ascii", "replace")
    data = size - 1 - length
    shown = f" {_shortened(body[1 + length :], data)}" if name in _OPEN and data > 0 else ""
    return f"{name}{shown} [{_bytes(size)}]"


def _shortened(body: bytes, size: int) -> str:
    return repr(body) if size <= _SHOWN else f"{body[:_SHOWN]!r}…"


def _bytes(size: int) -> str:
    return "1 byte" if size == 1 else f"{size} bytes"


class _Overheard(ByteStream):
    """Passes everything on to a stream, and what it reads and writes to the log.

    Args:
        stream: The real one.
    """

    __slots__ = ("_heard", "_inner", "_said", "takes_real_time")

    def __init__(self, stream: ByteStream) -> None:
        self.local_address = stream.local_address
        self.peer_address = stream.peer_address
        self.takes_real_time = stream.takes_real_time
        self._inner = stream
        self._heard = FrameLog(WIRE_IN, stream.peer_address)
        self._said = FrameLog(WIRE_OUT, stream.peer_address)

    async def begin(self, turns: Turns | None = None) -> None:
        await self._inner.begin(turns)

    async def receive_some(self, max_bytes: int) -> bytes:
        data = await self._inner.receive_some(max_bytes)
        self._heard.pass_on(data)
        return data

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int | None:
        written = self._inner.try_write(buffers)
        left = written or 0
        for buffer in buffers:
            self._said.pass_on(memoryview(buffer)[:left])
            left -= min(left, len(buffer))
        return written

    async def write_all(self, data: bytes) -> None:
        self._said.pass_on(data)
        await self._inner.write_all(data)

    async def wait_writable(self) -> None:
        await self._inner.wait_writable()

    async def shutdown_write(self) -> bool:
        return await self._inner.shutdown_write()

    def vital(self, seconds: float) -> Vital:
        return self._inner.vital(seconds)

    def certificate(self) -> Mapping[str, object] | None:
        return self._inner.certificate()

    def ended(self) -> bool:
        return self._inner.ended()

    def unacknowledged(self) -> int | None:
        return self._inner.unacknowledged()

    def vanished(self) -> Exception | None:
        return self._inner.vanished()

    async def farewell(self) -> None:
        await self._inner.farewell()

    async def aclose(self) -> None:
        await self._inner.aclose()


class _OverheardPollable(PollableStream, _Overheard):
    """The same for a stream that can be read and written without waiting."""

    __slots__ = ()
    is_overheard = True
    _inner: PollableStream

    async def wait_readable(self) -> None:
        await self._inner.wait_readable()

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def read_now(self, max_bytes: int) -> bytes | None:
        data = self._inner.read_now(max_bytes)
        self._heard.pass_on(data or b"")
        return data

    def interrupt(self) -> None:
        self._inner.interrupt()

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int:
        return _Overheard.try_write(self, buffers) or 0
