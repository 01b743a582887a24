"""Turns what arrives into frames, or straight into whole messages.

Chunks wait as they came, in a queue; nothing is ever concatenated with what came before it,
apart from the torn header of a frame (at most eight bytes) to the chunk after it. So the cost of
a byte does not depend on how much is waiting. A frame whose body is torn moves into a buffer of
its own, an `io.BytesIO`: it grows by what arrived and never by what a header promised, one can
receive straight into it, and its ``getvalue()`` hands out its memory without a copy when it was
filled exactly. Every size is judged when its header is complete, before any byte is kept for it.
"""

from __future__ import annotations

import io
import struct
from collections import deque
from itertools import repeat
from typing import Final, TypeAlias

import attrs

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Frames

from .frames import COMMAND, LARGE, LONG, MORE

_RESERVED: Final = 0xF8
#: What a large frame's buffer grows by at least, in bytes.
_GROWTH: Final = 256 * 1024
#: Sizes from 2^63 on are reserved (RFC 37): no limit means this one.
_MAX_SIZE: Final = 2**63 - 1
_SIZE: Final = struct.Struct(">Q")
#: Looking for a run of equal frames pays from so many on; elsewhere it is tried this rarely.
_EQUAL_RUN: Final = 8
_TRY_EVERY: Final = 64
_EQUAL_FRAMES: Final = tuple(struct.Struct(f"2x{size}s") for size in range(256))

#: Flags and body of one frame; LONG is not kept.
Frame: TypeAlias = tuple[int, bytes]


def _or_unlimited(limit: int | None) -> int:
    return _MAX_SIZE if limit is None else limit


@attrs.frozen(kw_only=True)
class FrameLimits:
    """What a peer may send, in bytes and frames; ``None`` is unlimited."""

    frame: int | None
    command: int
    message: int | None
    frames: int | None
    #: Whether there may be anything but commands, as there may not be in a handshake.
    messages_allowed: bool = True
    #: Bytes that a seal adds to each frame.
    overhead: int = 0
    #: What an oversize command is called: at a publisher it can only be a subscription.
    command_fault: ProtocolFault = ProtocolFault.FRAME_TOO_LARGE


def handshake_limits(size: int) -> FrameLimits:
    """Return what a peer may send before messages flow: commands of at most ``size`` bytes."""
    return FrameLimits(frame=0, command=size, message=0, frames=0, messages_allowed=False)


class FrameDecoder:
    """Turns chunks into frames, or straight into messages.

    Args:
        limits: What the peer may send.
    """

    def __init__(self, limits: FrameLimits) -> None:
        self._data = b""  # the chunk in hand, and how far it is decoded
        self._pos = 0
        self._chunks: deque[bytes] = deque()  # those after it
        self._body: io.BytesIO | None = None  # the torn frame's body
        self._flags = 0
        self._filled = 0
        self._missing = 0
        self._view: memoryview | None = None  # where the owner may receive into
        self._parts: list[bytes] = []  # the unfinished message
        self._parts_size = 0
        self.set_limits(limits)

    def set_limits(self, limits: FrameLimits) -> None:
        """Judge frames that begin from now on by other limits."""
        self._limits = limits
        self._max_frame = _or_unlimited(limits.frame)
        self._max_message = _or_unlimited(limits.message)
        self._max_frames = _or_unlimited(limits.frames)
        # Whether frames with a size of one byte need no judging.
        self._any_short = min(self._max_frame, self._max_message) >= 255 and self._max_frames > 0

    # -- input ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take a chunk."""
        self._end_view()
        if self._pos == len(self._data) and not self._chunks:
            self._data, self._pos = data, 0
        elif data:
            self._chunks.append(data)

    def receive_buffer(self) -> memoryview | None:
        """Return where to receive into, inside a large frame; ``None`` to use `receive`."""
        if self._body is None or self._missing < LARGE or self._pos < len(self._data):
            return None
        self._end_view()
        # At most as much again as has arrived: what a header promises costs nothing.
        end = self._filled + min(self._missing, max(_GROWTH, self._filled))
        if self._body.seek(0, io.SEEK_END) < end:
            self._body.seek(end - 1)
            self._body.write(b"\x00")
        self._view = self._body.getbuffer()
        return self._view[self._filled : end]

    def buffer_filled(self, count: int) -> None:
        """Tell how many bytes were received into the start of `receive_buffer`."""
        self._end_view()
        self._filled += count
        self._missing -= count

    def _end_view(self) -> None:
        self._view = None

    # -- state ---------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that were received and not handed out: chunks, torn frame, unfinished message."""
        waiting = len(self._data) - self._pos + sum(map(len, self._chunks))
        return waiting + self._filled + self._parts_size

    @property
    def mid_frame(self) -> bool:
        """Whether a frame or a message has begun and not ended."""
        return self._body is not None or self._pos < len(self._data) or bool(self._parts)

    @property
    def at_command(self) -> bool:
        """Whether what comes next is a command, as far as that is known."""
        if self._body is not None:
            return bool(self._flags & COMMAND)
        return self._has_data() and bool(self._data[self._pos] & COMMAND)

    def _has_data(self) -> bool:
        if self._pos == len(self._data):
            if not self._chunks:
                return False
            self._data, self._pos = self._chunks.popleft(), 0
        return True

    # -- one frame at a time -------------------------------------------------------------------

    def next_frame(self) -> Frame | None:
        """Return the next frame, or ``None`` if it is not all here.

        Raises:
            RemoteProtocolError: Its header breaks the rules or a limit.
        """
        if self._body is None and not self._open_frame():
            return None
        return self._close_frame() if self._fill() else None

    def _open_frame(self) -> bool:
        """Read a header and judge it."""
        size = self._read_size()
        if size is None:
            return False
        flags = self._data[self._pos]
        self._judge(flags, size)
        self._pos += 9 if flags & LONG else 2
        self._flags = flags & ~LONG
        self._body, self._filled, self._missing = io.BytesIO(), 0, size
        return True

    def _read_size(self) -> int | None:
        """Return the size in the header at hand, once enough chunks are here for it."""
        while self._has_data():
            flags = self._data[self._pos]
            self._judge_flags(flags)
            if len(self._data) - self._pos >= (9 if flags & LONG else 2):
                if not flags & LONG:
                    return self._data[self._pos + 1]
                size: int = _SIZE.unpack_from(self._data, self._pos + 1)[0]
                return size
            if not self._chunks:
                return None
            self._data, self._pos = self._data[self._pos :] + self._chunks.popleft(), 0
        return None

    def _fill(self) -> bool:
        """Move what is here into the torn body; tell whether it is whole."""
        body = self._torn_body()
        while self._missing and self._has_data():
            piece = self._data[self._pos : self._pos + self._missing]
            self._pos += len(piece)
            body.seek(self._filled)
            body.write(piece)
            self._filled += len(piece)
            self._missing -= len(piece)
        return not self._missing

    def _close_frame(self) -> Frame:
        body = self._torn_body()
        self._end_view()
        self._body, self._filled = None, 0
        return self._flags, body.getvalue()

    def _torn_body(self) -> io.BytesIO:
        if self._body is None:
            raise AssertionError("asked for the body of a torn frame while there is none")
        return self._body

    # -- judging -------------------------------------------------------------------------------

    def _judge_flags(self, flags: int) -> None:
        command_with_more = flags & (COMMAND | MORE) == COMMAND | MORE
        if flags & _RESERVED or (command_with_more and not self._limits.overhead):
            raise RemoteProtocolError(
                ProtocolFault.RESERVED_FLAGS, f"a frame's flags are {flags:#04x}: none has those"
            )
        if not (flags & COMMAND or self._limits.messages_allowed):
            raise RemoteProtocolError(
                ProtocolFault.UNEXPECTED_MESSAGE,
                "the peer sent a message before its handshake was done",
            )

    def _judge(self, flags: int, size: int) -> None:
        limits = self._limits
        if flags & COMMAND and not limits.overhead:
            if size > limits.command:
                raise _too_large(limits.command_fault, "a command", size, limits.command)
        elif size - limits.overhead > self._max_frame:
            raise _too_large(ProtocolFault.FRAME_TOO_LARGE, "a frame", size, self._max_frame)
        else:
            self._judge_message(size - limits.overhead)

    def _judge_message(self, size: int) -> None:
        if self._parts_size + size > self._max_message:
            raise _too_large(
                ProtocolFault.MESSAGE_TOO_LARGE,
                "a message",
                self._parts_size + size,
                self._max_message,
            )
        if len(self._parts) >= self._max_frames:
            raise RemoteProtocolError(
                ProtocolFault.TOO_MANY_FRAMES,
                f"a message has more than max_frames={self._max_frames} frames",
            )

    # -- messages ------------------------------------------------------------------------------

    def join(self, body: bytes, *, more: bool) -> Frames | None:
        """Add a frame to the unfinished message; return the message if that was its last."""
        self._judge_message(len(body))
        self._parts.append(body)
        if more:
            self._parts_size += len(body)
            return None
        frames = tuple(self._parts)
        self._parts.clear()
        self._parts_size = 0
        return frames

    def next_messages(
        self, out: list[Frames], max_messages: int, max_bytes: int
    ) -> tuple[int, RemoteProtocolError | None]:
        """Append whole messages to ``out`` until a command, a limit, or the end of the data.

        A message is taken while fewer than ``max_messages`` and fewer than ``max_bytes`` of
        payload came before it.

        Returns:
            The payload of the messages appended, and what is wrong with the frame after them.
        """
        payload = 0
        try:
            while self._body is not None or self._has_data():
                if self._body is None:
                    payload += self._decode_run(out, max_messages, max_bytes - payload)
                if len(out) >= max_messages or payload >= max_bytes or self.at_command:
                    break
                # What the run left is torn, or in the next chunk, or wrong: the long way.
                frame = self.next_frame()
                if frame is None:
                    break
                frames = self.join(frame[1], more=bool(frame[0] & MORE))
                if frames is not None:
                    out.append(frames)
                    payload += sum(map(len, frames))
        except RemoteProtocolError as error:
            return payload, error
        return payload, None

    def _decode_run(self, out: list[Frames], max_messages: int, max_bytes: int) -> int:
        """Decode the message frames that lie whole in the chunk; return the payload.

        This is where a busy connection spends its time, so it is one loop over local names. What
        it does not like the look of it leaves to the long way, which says what is wrong.
        """
        data, pos, end = self._data, self._pos, len(self._data)
        parts, parts_size = self._parts, self._parts_size
        payload = 0
        while pos < end and payload < max_bytes and len(out) < max_messages:
            flags = data[pos]
            if flags == 0 and not parts and self._any_short:
                # A position never promises more payload than there is.
                bound = min(end, pos + max_bytes - payload)
                before, start = len(out), pos
                pos = _decode_short(out, data, pos, bound, max_messages - before)
                payload += pos - start - 2 * (len(out) - before)
                if pos > start:
                    continue
            if flags > LONG | MORE:
                break
            first = pos + (9 if flags & LONG else 2)
            if first > end:
                break
            size = _SIZE.unpack_from(data, pos + 1)[0] if flags & LONG else data[pos + 1]
            if (
                size > end - first
                or size > self._max_frame
                or size > self._max_message - parts_size
                or len(parts) >= self._max_frames
            ):
                break
            pos = first + size
            if flags & MORE:
                parts.append(data[first:pos])
                parts_size += size
            elif parts:
                out.append((*parts, data[first:pos]))
                payload += parts_size + size
                parts.clear()
                parts_size = 0
            else:
                out.append((data[first:pos],))
                payload += size
        self._pos, self._parts_size = pos, parts_size
        return payload


def _decode_short(out: list[Frames], data: bytes, pos: int, bound: int, room: int) -> int:
    """Decode single-frame messages of at most 255 bytes each; return where they end."""
    equal = _count_equal(data, pos, bound, room)
    if equal:
        shape = _EQUAL_FRAMES[data[pos + 1]]
        end = pos + equal * shape.size
        out.extend(shape.iter_unpack(data[pos:end]))
        return end
    try:
        for _ in repeat(None, min(room, _TRY_EVERY)):
            if data[pos]:
                break
            first = pos + 2
            after = first + data[pos + 1]
            if after > bound:
                break
            out.append((data[first:after],))
            pos = after
    except IndexError:  # the chunk ends within a header; asking first would cost every frame
        pass
    return pos


def _count_equal(data: bytes, pos: int, bound: int, room: int) -> int:
    """Return how many headers like this one follow at equal distances, 0 if too few to pay."""
    header = data[pos : pos + 2]
    stride = 2 + header[-1]
    count = min(room, (bound - pos) // stride)
    few = pos + _EQUAL_RUN * stride
    if (
        count < _EQUAL_RUN
        or data[pos:few:stride].strip(header[:1])
        or data[pos + 1 : few : stride].strip(header[1:])
    ):
        return 0
    end = pos + count * stride
    odd = max(
        len(data[pos:end:stride].lstrip(header[:1])),
        len(data[pos + 1 : end : stride].lstrip(header[1:])),
    )
    return count - odd


def _too_large(fault: ProtocolFault, what: str, size: int, limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(fault, f"{what} of {size} bytes: at most {limit} are allowed")
