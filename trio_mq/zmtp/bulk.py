"""The quick way through many short messages: no call, and as little Python as can be, for each.

Most programs that send often send small messages, and many send messages of one size. A step of
Python costs about as much as copying a kilobyte, so here lists are made by functions written in
C: `zip`, `map`, `struct.Struct.iter_unpack` and slices with a stride.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import Final

from trio_mq._message import Message

#: A run of equal messages pays from so many on.
_EQUAL_RUN: Final = 8
#: Between two looks for such a run, at most so many are decoded.
_TRY_EVERY: Final = 256
#: For each size, a header to skip and a body.
_SHAPES: Final = tuple(struct.Struct(f"2x{size}s") for size in range(256))

_new = tuple.__new__


def decode_short(
    out: list[Message], data: bytes, pos: int, bound: int, room: int
) -> tuple[int, int]:
    """Decode messages of one frame of at most 255 bytes each, as far as they go.

    Args:
        out: Where the messages go.
        data: A chunk.
        pos: Where a frame begins in it.
        bound: Where the last message has to end at the latest.
        room: How many messages to decode at most.

    Returns:
        How many there were, and where they end.
    """
    count = _count_equal(data, pos, bound, room)
    if count:
        shape = _SHAPES[data[pos + 1]]
        end = pos + count * shape.size
        out.extend(map(_new, repeat(Message), shape.iter_unpack(data[pos:end])))
        return count, end
    bodies, end = _short_bodies(data, pos, bound, min(room, _TRY_EVERY))
    # `zip` makes the one-element tuples that become messages.
    out.extend(map(_new, repeat(Message), zip(bodies)))
    return len(bodies), end


def _short_bodies(data: bytes, pos: int, bound: int, room: int) -> tuple[list[bytes], int]:
    bodies: list[bytes] = []
    try:
        for _ in repeat(None, room):
            if data[pos]:
                break
            first = pos + 2
            after = first + data[pos + 1]
            if after > bound:
                break
            bodies.append(data[first:after])
            pos = after
    except IndexError:
        pass  # the chunk ends within a header; to ask first would cost every frame
    return bodies, pos


def _count_equal(data: bytes, pos: int, bound: int, room: int) -> int:
    """Return how many equal headers follow at equal distances, 0 if too few to pay."""
    size = data[pos + 1 : pos + 2]
    if not size:
        return 0
    stride = 2 + size[0]
    count = min(room, (bound - pos) // stride)
    if count < _EQUAL_RUN or _odd(data, pos, pos + _EQUAL_RUN * stride, stride, size):
        return 0
    return count - _odd(data, pos, pos + count * stride, stride, size)


def _odd(data: bytes, pos: int, end: int, stride: int, size: bytes) -> int:
    """Return how many of the places for headers are at or after the first that differs."""
    flags, sizes = data[pos:end:stride], data[pos + 1 : end : stride]
    return max(len(flags.lstrip(b"\x00")), len(sizes.lstrip(size)))
