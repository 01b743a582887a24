"""Operating system errors that say what was attempted."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Final

import trio

_NO_WAY: Final = "there is no way to that address from here"
#: What the system's own words lack, by what was attempted and their number.
_REMEDIES: Final[Mapping[tuple[str, int], str]] = {
    ("cannot connect", errno.ECONNREFUSED): "nobody listens there",
    ("cannot connect", errno.ENOENT): "nobody has bound that path",
    ("cannot connect", errno.EADDRNOTAVAIL): (
        "the source is no address of this host, or has no port left"
    ),
    ("cannot connect", errno.ENETUNREACH): _NO_WAY,
    ("cannot connect", errno.EHOSTUNREACH): _NO_WAY,
    ("cannot listen", errno.EADDRINUSE): "end the program that has it, or bind another one",
    ("cannot listen", errno.EADDRNOTAVAIL): (
        "it is no address of this host; bind one of its own, an interface, or * for all"
    ),
    ("cannot listen", errno.EACCES): "a port below 1024 needs privileges; bind another one",
}


@contextlib.contextmanager
def attempting(what: str, *, seconds: float | None = None) -> Iterator[None]:
    """Make an `OSError` from inside tell what was attempted, and give up after a time.

    Args:
        what: The attempt, as a sentence for the error: ``cannot …``.
        seconds: How long it may take; ``None``: any time.

    Raises:
        TimeoutError: It took longer.
        OSError: As raised inside, of the same class and number, with ``what`` in its text.
    """
    try:
        with trio.fail_after(math.inf if seconds is None else seconds):
            yield
    except trio.TooSlowError:
        raise TimeoutError(errno.ETIMEDOUT, f"{what}: no answer within {seconds:g} s") from None
    except OSError as error:
        raise explained(error, what) from error


def explained(error: OSError, what: str) -> OSError:
    """Return an error of the same number, and so the same class, whose text names the attempt.

    Name resolution has numbers of its own, and so needs its own class. So has TLS, whose numbers
    would be taken for the system's: its errors become a plain `ConnectionError`.
    """
    reason = error.strerror or in_words(error)
    if error.filename is not None:
        reason = f"{reason}: {str(error.filename)!r}"
    text = f"{what}: {reason}{_remedy(error, what, reason)}"
    if isinstance(error, socket.gaierror):
        return socket.gaierror(error.errno, text)
    if type(error).__module__ == "ssl":
        return ConnectionError(f"{what}: {error!r}")
    if error.errno is None:
        builtin = type(error).__module__ == "builtins"
        return type(error)(text) if builtin else ConnectionError(f"{what}: {error!r}")
    return OSError(error.errno, text)


def in_words(error: BaseException) -> str:
    """Return what an error says, or if it says nothing, what it is."""
    return str(error) or repr(error)


def _remedy(error: OSError, what: str, reason: str) -> str:
    """Return what to add where the system's words are all that there is."""
    if error.errno is None or not reason.endswith(os.strerror(error.errno)):
        return ""
    attempt = " ".join(what.split()[:2])
    remedy = _REMEDIES.get((attempt, error.errno))
    return f": {remedy}" if remedy else ""
