"""Operating system errors that say what was attempted."""

from __future__ import annotations

import contextlib
import errno
import math
import socket
from collections.abc import Iterator

import trio


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
    reason = error.strerror or str(error)
    if error.filename is not None:
        reason = f"{reason}: {str(error.filename)!r}"
    text = f"{what}: {reason}"
    if isinstance(error, socket.gaierror):
        return socket.gaierror(error.errno, text)
    if type(error).__module__ == "ssl":
        return ConnectionError(f"{what}: {error!r}")
    if error.errno is None:
        builtin = type(error).__module__ == "builtins"
        return type(error)(text) if builtin else ConnectionError(f"{what}: {error!r}")
    return OSError(error.errno, text)
