"""The body of a frame that arrives in pieces.

No memory is reserved for what a header merely promises. The pieces of a frame stay where they were
received, and are joined when the last one has come. When they have become many, or large together,
they are copied into a buffer, which grows with them. That costs as much as joining them at the end,
but it is spread over many steps: to join 64 MiB at once takes 26 ms, and nothing else in the
program runs in that time. It also means that a peer which sends a frame byte by byte costs no more
memory than its bytes.

To receive straight into the buffer would save the copy, but was no faster. Besides, a view of such
a buffer that outlives its connection crashes Python 3.12 when both are collected.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

_MUCH: Final = 2 * 1024 * 1024
"""Bytes, and pieces, that may wait to be joined."""

_MANY: Final = 64
_SMALL: Final = 4096
"""A smaller piece is copied, and does not keep the rest of its chunk alive."""


class TornFrame:
    """What has arrived of one frame's body.

    Args:
        size: The body's, in bytes, as its header promises.
    """

    __slots__ = ("_buffer", "_pieces", "_waiting", "filled", "missing")

    def __init__(self, size: int) -> None:
        self._buffer: BytesIO | None = None
        self._pieces: list[memoryview | bytes] = []
        self._waiting = 0
        """Bytes in the pieces."""

        self.filled: int = 0
        self.missing: int = size

    def fill(self, data: bytes, start: int) -> int:
        """Take from ``start`` on what belongs to the body, and return where that ends."""
        end = min(start + self.missing, len(data))
        size = end - start
        if size < _SMALL:
            self._pieces.append(data[start:end])
        else:
            # A body that one read has brought alone is joined with nothing, and so not copied.
            self._pieces.append(data if size == len(data) else memoryview(data)[start:end])
        self._waiting += size
        self.filled += size
        self.missing -= size
        if self._waiting >= _MUCH or len(self._pieces) >= _MANY:
            self._move_on()
        return end

    def body(self) -> bytes:
        """Return the body, once nothing is missing."""
        if self._buffer is None:
            return b"".join(self._pieces)
        self._move_on()
        # It hands out its buffer without a copy, because nobody writes to it again.
        return self._buffer.getvalue()

    def _move_on(self) -> None:
        if self._buffer is None:
            self._buffer = BytesIO()
        self._buffer.writelines(self._pieces)
        self._pieces.clear()
        self._waiting = 0
