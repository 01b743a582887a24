"""Boxes of frames, made and opened in memory that is used again.

PyNaCl's own functions take new memory up to three times for a box: for what goes in, for what comes
out, and for the bytes that they return. From a quarter of a megabyte on the system hands out such
memory page by page and takes it back each time, which costs more than the box itself. With small
boxes the steps of Python in those functions cost as much as the box.

So here libsodium is called as PyNaCl calls it, on a piece of memory that stays. A frame is copied
in, sealed where it lies, and copied out into the bytes that go on the wire. A box is opened out of
the bytes in which it came, and what was in it is copied out.

Whoever uses a piece takes it out for that time. So no two threads have the same one; nor does a
signal handler that seals a frame while another is being sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import attrs

TAG_SIZE: Final = 16
"""Bytes that a box is longer than what is in it."""

_FLAGS_SIZE: Final = 1
#: Bytes of a new piece, and of the largest that is kept.
_USUAL: Final = 64 * 1024
_LARGEST: Final = 1024 * 1024 + 64
#: Pieces that are kept: one for each thread that seals at the same time.
_KEPT: Final = 4


class Address(Protocol):
    """Where bytes lie in memory (cffi's ``char *``)."""

    def __add__(self, offset: int, /) -> Address:
        """Return the address this many bytes further on."""
        ...


class Memory(Protocol):
    """What we need of cffi."""

    def from_buffer(self, buffer: bytes | bytearray, /) -> Address:
        """Return where the bytes lie; they must be kept alive for as long as it is used."""
        ...

    def unpack(self, address: Address, size: int, /) -> bytes:
        """Return a copy of the bytes there."""
        ...


class Sodium(Protocol):
    """What we need of libsodium. Sealing may be done in place, 16 bytes further to the front."""

    def crypto_box_easy_afternm(
        self, box: Address, message: Address, size: int, nonce: bytes, key: bytes, /
    ) -> int:
        """Write a box of the message; not 0 if that failed."""
        ...

    def crypto_box_open_easy_afternm(
        self, message: Address, box: Address, size: int, nonce: bytes, key: bytes, /
    ) -> int:
        """Write what is in a box; not 0 if it was not made with this nonce and key."""
        ...


@attrs.frozen(eq=False, repr=False)
class _Piece:
    """Memory, and the places in it that are needed."""

    memory: bytearray
    view: memoryview
    start: Address
    body: Address
    after_tag: Address


class Workbench:
    """Seals and opens frames.

    Args:
        ffi: That of PyNaCl.
        sodium: Its libsodium.
    """

    __slots__ = ("_from_buffer", "_open", "_pieces", "_seal", "_unpack")

    def __init__(self, ffi: Memory, sodium: Sodium) -> None:
        self._from_buffer: Final[Callable[[bytes | bytearray], Address]] = ffi.from_buffer
        self._unpack: Final = ffi.unpack
        self._seal: Final = sodium.crypto_box_easy_afternm
        self._open: Final = sodium.crypto_box_open_easy_afternm
        self._pieces: Final[list[_Piece]] = []

    def seal(self, head: bytes, flags: int, body: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return the head, and behind it a box of the flags and the body."""
        end = TAG_SIZE + _FLAGS_SIZE + len(body)
        piece = self._take(end)
        memory = piece.memory
        memory[TAG_SIZE] = flags
        memory[TAG_SIZE + _FLAGS_SIZE : end] = body
        failed = self._seal(piece.start, piece.after_tag, end - TAG_SIZE, nonce, key)
        sealed = head + piece.view[:end]
        self._put_back(piece)
        if failed:
            raise RuntimeError("libsodium could not seal a frame")
        return sealed

    def open(self, data: bytes, start: int, nonce: bytes, key: bytes) -> tuple[int, bytes] | None:
        """Return the flags and the body in the box that begins there; ``None`` if it stays shut."""
        box_size = len(data) - start
        size = box_size - TAG_SIZE
        piece = self._take(size)
        box = self._from_buffer(data) + start
        shut = self._open(piece.start, box, box_size, nonce, key)
        found = None if shut else (piece.memory[0], self._unpack(piece.body, size - _FLAGS_SIZE))
        self._put_back(piece)
        return found

    def _take(self, size: int) -> _Piece:
        try:
            piece = self._pieces.pop()
        except IndexError:
            return self._new(size)
        return piece if len(piece.memory) >= size else self._new(size)

    def _put_back(self, piece: _Piece) -> None:
        pieces = self._pieces
        if len(piece.memory) <= _LARGEST and len(pieces) < _KEPT:
            pieces.append(piece)

    def _new(self, size: int) -> _Piece:
        memory = bytearray(_USUAL if size <= _USUAL else max(size, _LARGEST))
        start = self._from_buffer(memory)
        return _Piece(memory, memoryview(memory), start, start + _FLAGS_SIZE, start + TAG_SIZE)
