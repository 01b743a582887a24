"""Frames on the wire: one flags byte, a size of one or eight bytes, a body.

::

    flags    bit 0 MORE     another frame of this message follows
             bit 1 LONG     the size takes eight bytes, big-endian, instead of one
             bit 2 COMMAND  not part of any message; never together with MORE
             the rest zero

(RFC 23 and 37, "Framing".) A message is the frames up to the first without MORE. Commands may
come between the frames of a message and leave it intact.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

from trio_mq._message import Frames

MORE: Final = 0x01
LONG: Final = 0x02
COMMAND: Final = 0x04

#: Frames from this size on are sent from where they are, and received into where they stay.
LARGE: Final = 32 * 1024

_LONG_HEADER: Final = struct.Struct(">BQ")
_LAST: Final = tuple(bytes((0, size)) for size in range(256))
_MORE: Final = tuple(bytes((MORE, size)) for size in range(256))

#: Flags and body of one frame; LONG is not kept.
Frame: TypeAlias = tuple[int, bytes]


def frame_header(flags: int, size: int) -> bytes:
    """Return the header of a frame; the size of the whole body decides its form."""
    if size > 255:
        return _LONG_HEADER.pack(flags | LONG, size)
    return bytes((flags, size))


def encode_frame(flags: int, body: bytes) -> bytes:
    """Return the wire form of one frame."""
    return frame_header(flags, len(body)) + body


def encode_message(frames: Frames) -> bytes:
    """Return the wire form of a message in the clear, in one piece.

    For fan-out: one encoding serves every connection whose messages pass in the clear.
    """
    return b"".join(_pieces(frames))


def encode_messages(messages: Sequence[Frames]) -> list[bytes]:
    """Return the wire form of messages as buffers in order, without copying large frames."""
    frames = list(chain.from_iterable(messages))
    if frames and len(frames) == len(messages):
        sizes = list(map(len, frames))
        if max(sizes) < 256:
            return [_encode_short(frames, sizes)]
    return _encode_any(messages)


def _encode_short(frames: list[bytes], sizes: list[int]) -> bytes:
    """Encode single-frame messages of at most 255 bytes each, with no step of ours per frame."""
    if sizes.count(sizes[0]) == len(sizes):
        header = _LAST[sizes[0]]
        return header + header.join(frames)
    pieces = [b""] * (2 * len(frames))
    pieces[::2] = map(_LAST.__getitem__, sizes)
    pieces[1::2] = frames
    return b"".join(pieces)


def _encode_any(messages: Sequence[Frames]) -> list[bytes]:
    buffers: list[bytes] = []
    small: list[bytes] = []
    for frames in messages:
        for piece in _pieces(frames):
            if len(piece) < LARGE:
                small.append(piece)
                continue
            buffers += (b"".join(small), piece)
            small.clear()
    if small:
        buffers.append(b"".join(small))
    return buffers


def wire_size(frames: Frames, overhead: int = 0) -> int:
    """Return how many bytes a message takes on the wire, ``overhead`` for each frame included."""
    return sum([_framed(len(frame) + overhead) for frame in frames])


def _framed(size: int) -> int:
    return size + (9 if size > 255 else 2)


def _pieces(frames: Frames) -> list[bytes]:
    last = len(frames) - 1
    pieces: list[bytes] = []
    for index, frame in enumerate(frames):
        pieces += (frame_header(0 if index == last else MORE, len(frame)), frame)
    return pieces
