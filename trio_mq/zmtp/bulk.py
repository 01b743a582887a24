"""The quick way through many messages that look alike, with few steps of Python for each.

Programs that send often send small messages, and many send messages of one size. A step of Python
costs about as much as copying a kilobyte. So here lists are made by functions that are written in
C: `zip`, `map`, `struct.Struct.iter_unpack`, and slices with a stride.

The same is done for messages of several short frames, where each is like the one before.

An example: messages of five bytes arrive, each a frame of two bytes of header and five of body. In
the chunk ``00 05 h e l l o 00 05 w o r l d …``, the slice ``chunk[0::7]`` is all the flags and
``chunk[1::7]`` all the sizes. If the first is nothing but ``00`` and the second nothing but ``05``,
then a thousand headers have been checked in two steps, and one format, ``2x5s`` repeated, takes out
a thousand bodies.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat
from typing import Final

from trio_mq._message import Message

from .frames import LONG

_EQUAL_RUN: Final = 8
"""The quick way pays from this many equal messages in a row on."""

_TRY_EVERY: Final = 256
"""At most this many messages are decoded between two looks for such a run."""

_BLOCK: Final = 32
"""Frames whose bodies are taken out in one step."""

_unpack_size = struct.Struct(">Q").unpack_from
_new = tuple.__new__


def decode_alike(  # noqa: PLR0917 - called once per run; names would cost more than the rest
    out: list[Message], data: bytes, pos: int, bound: int, room: int, largest: int
) -> tuple[int, int]:
    """Decode messages of one frame that are equal in size, or all short, as far as they go.

    Args:
        out: Where the messages go.
        data: A chunk.
        pos: Where a frame begins in it that is all of a message, by its flags.
        bound: Where the last message has to end at the latest; not after the chunk.
        room: How many messages to decode at most.
        largest: How many bytes of payload a message may have, at least 255.

    Returns:
        The payload of the messages, and where they end.
    """
    header_size = 9 if data[pos] & LONG else 2
    header = data[pos : pos + header_size]
    if len(header) < header_size:
        return 0, pos
    size = header[1] if header_size == 2 else _unpack_size(header, 1)[0]
    count = min(room, (bound - pos) // (header_size + size)) if size <= largest else 0
    count = _count_equal(data, pos, count, header, size)
    if count:
        end = pos + count * (header_size + size)
        bodies = _bodies(memoryview(data)[pos:end], header_size, size)
        out.extend(map(_new, repeat(Message), bodies))
        return count * size, end
    return _decode_short(out, data, pos, bound, room) if header_size == 2 else (0, pos)


def decode_alike_parts(  # noqa: PLR0917 - as above
    out: list[Message], data: bytes, begin: int, pos: int, bound: int, room: int
) -> tuple[int, int]:
    """Decode messages of several short frames that are like the last one, as far as they go.

    Many requests to one service are such, and their replies.

    Args:
        out: Where the messages go; the last one there was decoded just now.
        data: A chunk.
        begin: Where that last one begins in it.
        pos: Where it ends.
        bound: Where the last message has to end at the latest; not after the chunk.
        room: How many messages to decode at most.

    Returns:
        The payload of the messages, and where they end.
    """
    sizes = list(map(len, out[-1]))
    payload, stride = sum(sizes), pos - begin
    count = min(room, (bound - pos) // stride)
    if count < _EQUAL_RUN or stride != payload + 2 * len(sizes):
        return 0, pos
    end = pos + count * stride
    at = pos
    for size in sizes:
        for part in (at, at + 1):  # of the header: the flags, and the size
            column, before = data[part:end:stride], data[part - stride : part - stride + 1]
            count = min(count, len(column) - len(column.lstrip(before)))
        at += 2 + size
    if count < _EQUAL_RUN:
        return 0, pos
    end = pos + count * stride
    layout = "".join([f"2x{size}s" for size in sizes])
    out.extend(map(_new, repeat(Message), struct.iter_unpack(layout, memoryview(data)[pos:end])))
    return count * payload, end


def _count_equal(data: bytes, pos: int, count: int, header: bytes, size: int) -> int:
    """Return how many frames in a row have this header; 0 if they are too few to pay."""
    stride = len(header) + size
    few = pos + _EQUAL_RUN * stride
    last = len(header) - 1
    # If messages differ, it is mostly in the flags or in the low byte of the size: look there
    # first.
    if (
        count < _EQUAL_RUN
        or data[pos:few:stride].strip(header[:1])
        or data[pos + last : few : stride].strip(header[last:])
    ):
        return 0
    end = pos + count * stride
    return count - max(
        len(data[pos + at : end : stride].lstrip(header[at : at + 1])) for at in range(last + 1)
    )


def _bodies(run: memoryview, header_size: int, size: int) -> Iterator[tuple[bytes]]:
    """Return what lies behind the headers of frames of one size, each in a tuple of its own.

    Where nobody keeps the tuples, `zip` fills the same one again and again, and so the bodies are
    taken out many at a time: one by one, `struct` makes a tuple for each.
    """
    several = _block(header_size, size)
    end = len(run) - len(run) % several.size
    together = chain.from_iterable(several.iter_unpack(run[:end]))
    return chain(zip(together), struct.iter_unpack(f"{header_size}x{size}s", run[end:]))


@lru_cache(maxsize=64)
def _block(header_size: int, size: int) -> struct.Struct:
    """Return the format of several frames of one size."""
    return struct.Struct(f"{header_size}x{size}s" * _BLOCK)


def _decode_short(
    out: list[Message], data: bytes, pos: int, bound: int, room: int
) -> tuple[int, int]:
    start, bodies = pos, list[bytes]()
    try:
        for _ in repeat(None, min(room, _TRY_EVERY)):
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
    # `zip` makes the one-element tuples that become messages.
    out.extend(map(_new, repeat(Message), zip(bodies)))
    return pos - start - 2 * len(bodies), pos
