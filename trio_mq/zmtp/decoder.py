"""Turns what arrives into frames, or straight into whole messages.

This file is longer than most: to judge a frame and to take it apart, quickly where many come and
thoroughly where one is odd, is one idea.

Chunks wait in a queue as they came. They are not joined, with one exception: the beginning of a
torn header, at most eight bytes, is put before the next chunk. So the cost of a byte does not
depend on how much is waiting. A frame whose body is torn is gathered piece by piece (`torn_frame`),
and what is held is what has arrived, never what a header promised. Every size is judged when its
header is complete, before a byte is kept for it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import Final

import attrs

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Frames, Message, to_message

from .bulk import decode_alike, decode_alike_parts
from .frames import COMMAND, LONG, MORE, Frame
from .torn_frame import TornFrame

_RESERVED: Final = 0xF8
_MAX_SIZE: Final = 2**63 - 1
"""Sizes from 2^63 on are reserved (RFC 37): no limit means this one."""

_IN_A_ROW: Final = 3
"""After this many messages of one frame in a row it pays to look for a run of equal ones."""

_LONGEST_PLAIN: Final = 4 + 255
"""Bytes of an empty frame and the longest short one after it."""

_NOT_SO_SOON: Final = -30
"""Where that count begins again after a look that found none: looks that fail cost time."""

_unpack_size = struct.Struct(">Q").unpack_from
_new = tuple.__new__

_NO_CHUNKS: Final[deque[bytes]] = deque()
"""What every decoder begins with, and nobody appends to: a deque of its own, which takes six
hundred bytes, is made when there is something for it."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class FrameLimits:
    """What a peer may send, in bytes and frames; ``None`` is unlimited."""

    frame: int | None
    command: int
    message: int | None
    frames: int | None
    messages_allowed: bool = True
    """Whether there may be anything but commands, as there may not be in a handshake."""

    overhead: int = 0
    """Bytes that a seal adds to each frame."""

    command_fault: ProtocolFault = ProtocolFault.FRAME_TOO_LARGE
    """What an oversize command is called: at a publisher it can only be a subscription."""


def handshake_limits(size: int) -> FrameLimits:
    """Return what a peer may send before messages flow: commands of at most ``size`` bytes."""
    return FrameLimits(frame=0, command=size, message=0, frames=0, messages_allowed=False)


class FrameDecoder:
    """Turns chunks into frames, or straight into messages.

    Args:
        limits: What the peer may send.
    """

    __slots__ = (
        "_apart_from",
        "_at_once",
        "_chunks",
        "_data",
        "_flags",
        "_largest",
        "_limits",
        "_max_frame",
        "_max_frames",
        "_max_message",
        "_parts",
        "_parts_size",
        "_pos",
        "_torn",
        "apart",
        "exhausted",
        "harmless",
        "harmless_body",
    )

    def __init__(self, limits: FrameLimits) -> None:
        self._data, self._pos = b"", 0  # the chunk in hand, and how far it is decoded
        self._chunks = _NO_CHUNKS  # those after it
        self._torn: TornFrame | None = None  # the frame whose body is not all here
        self._parts: list[bytes] = []  # the unfinished message
        self._flags = self._parts_size = 0
        self._apart_from = _MAX_SIZE  # bodies of at least this size are set apart by `frames`
        self.apart: bytes | None = None
        """The body of the large frame at which `frames` has stopped; whoever takes it says so."""

        self.exhausted: bool = False
        """Every byte that arrived is known to have been handed out, in whole messages."""

        self.set_limits(limits)

    def set_limits(self, limits: FrameLimits) -> None:
        """Judge frames that begin from now on by other limits."""
        self._limits = limits
        self._max_frame = _or_unlimited(limits.frame)
        self._max_message = _or_unlimited(limits.message)
        self._max_frames = _or_unlimited(limits.frames)
        self._largest = min(self._max_frame, self._max_message)
        self._at_once = self._largest + limits.overhead  # no larger body is simply handed out
        self.harmless: int = min(self._largest, 2 * self._max_frames)
        """Bytes that break no limit if they are one message: a frame takes two at least."""

        self.harmless_body: int = min(self.harmless, _LONGEST_PLAIN)
        """The same, if they are an empty frame and a short one."""

    def set_apart_from(self, size: int) -> None:
        """Let `frames` stop at a frame of at least that size, besides what a seal adds to it."""
        self._apart_from = size + self._limits.overhead
        self._at_once = min(self._at_once, self._apart_from - 1)

    # -- input ---------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take a chunk."""
        self.exhausted = False
        if self._pos == len(self._data) and not self._chunks:
            self._data, self._pos = data, 0
        elif data:
            if self._chunks is _NO_CHUNKS:
                self._chunks = deque()
            self._chunks.append(data)

    # -- state ---------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that were received and not handed out: chunks, torn frame, unfinished message."""
        waiting = len(self._data) - self._pos + sum(map(len, self._chunks))
        torn = 0 if self._torn is None else self._torn.filled
        return waiting + torn + self._parts_size

    @property
    def missing(self) -> int:
        """Bytes that are still missing of the frame at hand, if its header is known."""
        return 0 if self._torn is None else self._torn.missing

    @property
    def mid_frame(self) -> bool:
        """Whether a frame or a message has begun and not ended."""
        return self._torn is not None or self._pos < len(self._data) or bool(self._parts)

    @property
    def mid_message(self) -> bool:
        """Whether frames of a message wait for the rest of it."""
        return bool(self._parts)

    @property
    def at_command(self) -> bool:
        """Whether what comes next is a command, as far as that is known."""
        if self._torn is not None:
            return bool(self._flags & COMMAND)
        return self._has_data() and bool(self._data[self._pos] & COMMAND)

    @property
    def _at_message(self) -> bool:
        if self._torn is not None:
            return not self._flags & COMMAND
        return self._has_data() and not self._data[self._pos] & COMMAND

    def _has_data(self) -> bool:
        if self._pos < len(self._data):
            return True
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
        torn = self._torn
        if torn is None:
            size = self._read_header()
            if size is None:
                return None
            end = self._pos + size
            if end <= len(self._data):
                start, self._pos = self._pos, end
                return self._flags, self._data[start:end]
            torn = self._torn = TornFrame(size)
        while torn.missing and self._has_data():
            self._pos = torn.fill(self._data, self._pos)
        if torn.missing:
            return None
        self._torn = None
        return self._flags, torn.body()

    def frames(self) -> Iterator[bytes]:
        """Yield the bodies of the next frames, as far as they are here, whatever their flags say.

        It is the quick way where every frame is sealed. Stop where you like: what was not yielded
        is still here.

        Raises:
            RemoteProtocolError: A header breaks the rules or a limit.
        """
        while True:
            if self._torn is None:
                yield from self._whole_frames()
                if self._pos == len(self._data) and not self._chunks:
                    self.exhausted = not self._parts
                    return
            # What is left is torn, or in the next chunk, or wrong: the long way.
            frame = self.next_frame()
            if frame is None:
                return
            if len(frame[1]) >= self._apart_from:
                self.apart = frame[1]
                return
            yield frame[1]

    def _whole_frames(self) -> Iterator[bytes]:
        """Yield the bodies that lie whole in the chunk, up to a frame that needs a second look."""
        data, pos, end = self._data, self._pos, len(self._data)
        largest = self._at_once
        while pos + 9 <= end:
            flags = data[pos]
            if flags & LONG:
                first, size = pos + 9, _unpack_size(data, pos + 1)[0]
            else:
                first, size = pos + 2, data[pos + 1]
            after = first + size
            if after > end or size > largest or flags & _RESERVED:
                return
            self._pos = pos = after
            yield data[first:after]

    def next_command(self) -> bytes | None:
        """Return the body of the next frame, or ``None`` if it is no command or not all here.

        Raises:
            RemoteProtocolError: Its header breaks the rules or a limit.
        """
        frame = self.next_frame() if self.at_command else None
        return None if frame is None else frame[1]

    def _read_header(self) -> int | None:
        """Take the header at hand and judge it; return the size of the body."""
        while self._has_data():
            flags = self._data[self._pos]
            self._judge_flags(flags)
            end = self._pos + (9 if flags & LONG else 2)
            if end <= len(self._data):
                size: int = (
                    _unpack_size(self._data, self._pos + 1)[0]
                    if flags & LONG
                    else self._data[self._pos + 1]
                )
                self._judge_size(flags, size)
                self._flags, self._pos = flags & ~LONG, end
                return size
            if not self._chunks:
                return None
            self._data, self._pos = self._data[self._pos :] + self._chunks.popleft(), 0
        return None

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

    def _judge_size(self, flags: int, size: int) -> None:
        limits = self._limits
        if flags & COMMAND and not limits.overhead:
            if size > limits.command:
                raise _too_large(limits.command_fault, "a command", size, limits.command)
        elif size - limits.overhead > self._max_frame:
            raise _too_large(ProtocolFault.FRAME_TOO_LARGE, "a frame", size, self._max_frame)
        else:
            self._judge_message(size - limits.overhead)

    def _judge_message(self, size: int) -> None:
        total, limit = self._parts_size + size, self._max_message
        if total > limit:
            raise _too_large(ProtocolFault.MESSAGE_TOO_LARGE, "a message", total, limit)
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
        self, out: list[Message], max_messages: int, max_bytes: int
    ) -> tuple[int, RemoteProtocolError | None]:
        """Append whole messages to ``out`` until a command, a limit, or the end of the data.

        A message is taken while fewer than ``max_messages`` and fewer than ``max_bytes`` of
        payload came before it; both are at least 1.

        Returns:
            The payload of the messages appended, and what is wrong with the frame after them.
        """
        payload = 0
        try:
            while self._torn is not None or self._has_data():
                if self._torn is None:
                    payload += self._decode_run(out, max_messages, max_bytes - payload)
                    if self._pos == len(self._data) and not self._chunks:
                        self.exhausted = not self._parts
                        break
                if len(out) >= max_messages or payload >= max_bytes or not self._at_message:
                    break
                # What the run left is torn, or in the next chunk, or wrong: the long way.
                frame = self.next_frame()
                if frame is None:
                    break
                frames = self.join(frame[1], more=bool(frame[0] & MORE))
                if frames is not None:
                    out.append(to_message(frames))
                    payload += sum(map(len, frames))
                    if len(out) >= max_messages or payload >= max_bytes:
                        break
        except RemoteProtocolError as error:
            return payload, error
        return payload, None

    def _decode_run(  # noqa: C901, PLR0912, PLR0915 - one loop, since calls would double its time
        self, out: list[Message], max_messages: int, max_bytes: int
    ) -> int:
        """Decode the messages that lie whole in the chunk; return their payload.

        This is where a busy connection spends its time, so it is one loop over local names. What
        is not a plain frame is left to the long way, which says what is wrong.
        """
        data, pos, end = self._data, self._pos, len(self._data)
        parts, parts_size = self._parts, self._parts_size
        largest = self._largest
        payload = in_a_row = 0
        begin = pos
        try:
            while pos < end:
                flags = data[pos]
                if flags < LONG:
                    first, size = pos + 2, data[pos + 1]
                elif flags < COMMAND:
                    first, size = pos + 9, _unpack_size(data, pos + 1)[0]
                else:
                    break
                after = first + size
                if after > end or size > largest:
                    break
                if flags & MORE or parts:
                    if parts_size + size > self._max_message or len(parts) >= self._max_frames:
                        break
                    parts.append(data[first:after])
                    parts_size += size
                    pos = after
                    if flags & MORE:
                        continue
                    out.append(_new(Message, parts))
                    payload += parts_size
                    parts.clear()
                    parts_size = 0
                    in_a_row += 1
                else:
                    out.append(_new(Message, (data[first:after],)))
                    payload += size
                    pos = after
                    in_a_row += 1
                room, room_bytes = max_messages - len(out), max_bytes - payload
                if room <= 0 or room_bytes <= 0:
                    break
                if in_a_row >= _IN_A_ROW and data[pos] < COMMAND and largest >= 255:
                    # A position is never behind the end of the chunk, so no payload is counted that
                    # is not here.
                    before, bound = pos, min(end, pos + room_bytes)
                    if data[pos] & MORE:
                        size, pos = decode_alike_parts(out, data, begin, pos, bound, room)
                    else:
                        size, pos = decode_alike(out, data, pos, bound, room, largest)
                    payload += size
                    in_a_row = 0 if pos > before else _NOT_SO_SOON
                    if payload >= max_bytes or len(out) >= max_messages:
                        break
                begin = pos
        except (IndexError, struct.error):
            pass  # the chunk ends within a header; to ask first would cost every frame
        self._pos, self._parts_size = pos, parts_size
        return payload


def _or_unlimited(limit: int | None) -> int:
    return _MAX_SIZE if limit is None else limit


def _too_large(fault: ProtocolFault, what: str, size: int, limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(fault, f"{what} of {size} bytes: at most {limit} are allowed")
