"""The boxes of CURVE: what PyNaCl does for us, loaded when the first key is made.

A *box* is bytes that only the holders of two keys can make and open; if one bit of it is changed,
it no longer opens. PyNaCl reports that by an exception. Its traceback would keep frames, and the
keys in them, alive; so here it becomes ``None``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, Protocol, cast

import attrs

from .workbench import TAG_SIZE, Memory, Sodium, Workbench

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24

_MISSING: Final = (
    "CURVE needs PyNaCl, which is not installed: run 'python -m pip install \"trio-mq[curve]\"'"
)


class FrameBoxes(Protocol):
    """What seals and opens the frames of an established connection."""

    def seal(self, head: bytes, flags: int, body: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return the head, and behind it a box of the flags and the body."""
        ...

    def open(self, data: bytes, start: int, nonce: bytes, key: bytes) -> tuple[int, bytes] | None:
        """Return the flags and the body in the box that begins there; ``None`` if it stays shut."""
        ...


@attrs.frozen
class Boxes:
    """The functions that CURVE needs, as NaCl defines them."""

    _crypto_error: type[Exception]
    _scalarmult_base: Callable[[bytes], bytes]
    _beforenm: Callable[[bytes, bytes], bytes]
    _secretbox: Callable[[bytes, bytes, bytes], bytes]
    _open: Callable[[bytes, bytes, bytes], bytes]
    seal: Callable[[bytes, bytes, bytes], bytes]
    """Makes a box of a message, a nonce and a shared key."""

    frames: FrameBoxes
    """The same for frames, where time counts."""

    def public_key(self, secret_key: bytes) -> bytes:
        """Return the public half of a key."""
        return self._scalarmult_base(secret_key)

    def shared_key(self, public_key: bytes, secret_key: bytes) -> bytes | None:
        """Return the key between two keys; ``None`` for a public key that nobody can own."""
        try:
            return self._beforenm(public_key, secret_key)
        except self._crypto_error:
            return None

    def open(self, box: bytes, nonce: bytes, shared_key: bytes) -> bytes | None:
        """Return what is in a box; ``None`` if it was not made with this nonce and key."""
        if len(box) < TAG_SIZE:
            return None
        try:
            return self._open(box, nonce, shared_key)
        except self._crypto_error:
            return None

    def seal_for_oneself(self, message: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return a box that only its maker can open."""
        return self._secretbox(message, nonce, key)


@attrs.frozen
class OrdinaryFrames:
    """Seals and opens frames by PyNaCl's public functions, which copy more (`FrameBoxes`)."""

    _crypto_error: type[Exception]
    _seal: Callable[[bytes, bytes, bytes], bytes]
    _open: Callable[[bytes, bytes, bytes], bytes]

    def seal(self, head: bytes, flags: int, body: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return the head, and behind it a box of the flags and the body."""
        return head + self._seal(bytes((flags,)) + body, nonce, key)

    def open(self, data: bytes, start: int, nonce: bytes, key: bytes) -> tuple[int, bytes] | None:
        """Return the flags and the body in the box that begins there; ``None`` if it stays shut."""
        try:
            plain = self._open(data[start:], nonce, key)
        except self._crypto_error:
            return None
        return plain[0], plain[1:]


@functools.cache
def load_boxes() -> Boxes:
    """Return the functions.

    Raises:
        ImportError: PyNaCl is not installed.
    """
    try:
        # PLC0415: a program that does not use CURVE needs no PyNaCl.
        from nacl import bindings  # noqa: PLC0415
        from nacl.exceptions import CryptoError  # noqa: PLC0415
    except ImportError:
        raise ImportError(_MISSING) from None
    return Boxes(
        CryptoError,
        bindings.crypto_scalarmult_base,
        bindings.crypto_box_beforenm,
        bindings.crypto_secretbox,
        bindings.crypto_box_open_easy_afternm,
        bindings.crypto_box_easy_afternm,
        _workbench()
        or OrdinaryFrames(
            CryptoError,
            bindings.crypto_box_easy_afternm,
            bindings.crypto_box_open_easy_afternm,
        ),
    )


def _workbench() -> Workbench | None:
    """Return the quick way, unless a later PyNaCl has its libsodium somewhere else."""
    try:
        # PLC0415: as above. These two names are as old as PyNaCl, but have no types.
        from nacl._sodium import ffi, lib  # type: ignore[import-not-found]  # noqa: PLC0415
    except ImportError:
        return None
    sodium = cast("Sodium", lib)
    known = hasattr(sodium, "crypto_box_easy_afternm") and hasattr(
        sodium, "crypto_box_open_easy_afternm"
    )
    return Workbench(cast("Memory", ffi), sodium) if known else None
