"""The body of a frame that arrives in pieces.

The pieces stay where they were received and are joined once, when the last one is there, so nothing
is ever reserved for what a header merely promises. A peer that sends a large frame byte by byte
would cost an object for each: small pieces are gathered.

Receiving into one growing buffer saves the copy of the joining and was as fast, but no faster; and
a view of such a buffer that outlives its connection crashes Python 3.12 when both are collected.
"""

from __future__ import annotations

from typing import Final

#: A piece of fewer bytes is gathered with its neighbours.
_SMALL: Final = 4096


class TornFrame:
    """What has arrived of one frame's body.

    Args:
        size: The body's, in bytes, as its header promises.
    """

    __slots__ = ("_pieces", "filled", "missing")

    def __init__(self, size: int) -> None:
        self._pieces: list[memoryview | bytearray] = []
        self.filled: int = 0
        self.missing: int = size

    def fill(self, data: bytes, start: int) -> int:
        """Take what belongs to the body from ``start`` on; return where that ends."""
        end = min(start + self.missing, len(data))
        size = end - start
        if size >= _SMALL:
            self._pieces.append(memoryview(data)[start:end])
        elif self._pieces and isinstance(last := self._pieces[-1], bytearray):
            last += data[start:end]
        else:
            self._pieces.append(bytearray(data[start:end]))
        self.filled += size
        self.missing -= size
        return end

    def body(self) -> bytes:
        """Return the body, once nothing is missing."""
        return b"".join(self._pieces)
