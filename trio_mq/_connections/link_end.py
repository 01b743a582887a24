"""How a link ends, and the words for it in events and statistics."""

from __future__ import annotations

import errno
from typing import Final

import attrs
import trio

from trio_mq._errors import (
    AuthenticationFailed,
    IncompatiblePeer,
    MechanismMismatch,
    RemoteProtocolError,
)


class Refusal(Exception):  # it is nobody's error: a peer is turned away
    """The socket does not want this peer; the connection is closed without an ERROR.

    libzmq dials again after a plain close and never after an ERROR.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        #: One word or two for programs.
        self.reason = reason


class SilentPeer(trio.BrokenResourceError):
    """No byte came in time."""


@attrs.frozen
class LinkEnd:
    """How a link ended."""

    #: One word or two for programs, as in `Disconnected.reason`.
    reason: str
    error: BaseException | None
    #: When the handshake was done, on trio's clock; ``None``: it never was.
    established: float | None

    @classmethod
    def by(cls, error: BaseException | None, established: float | None) -> LinkEnd:
        """Return the end that an error makes; ``None`` is the plain end of the stream."""
        if error is not None:
            # The traceback would keep the link and all its buffers alive.
            error = error.with_traceback(None)
        return cls(_reason(error), error, established)


_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ConnectionAbortedError, "eof"),
    (IncompatiblePeer, "incompatible-peer"),
    (MechanismMismatch, "mechanism"),
    (AuthenticationFailed, "authentication"),
    (trio.TooSlowError, "timeout"),
    (SilentPeer, "heartbeat"),
    (MemoryError, "out-of-memory"),
)


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "eof"
    if isinstance(error, RemoteProtocolError):
        return error.fault.value
    if isinstance(error, Refusal):
        return error.reason
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    if isinstance(error, trio.BrokenResourceError):
        return "reset" if _was_reset(error) else "connection-lost"
    return f"internal-error: {type(error).__name__}"


def _was_reset(error: trio.BrokenResourceError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE)
