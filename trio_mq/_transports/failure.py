"""Operating system errors that say what was attempted."""

from __future__ import annotations

import socket


def explain(error: OSError, attempt: str) -> OSError:
    """Return an error of the same number, and so the same class, whose text names the attempt.

    Name resolution has numbers of its own, and so needs its own class.
    """
    reason = error.strerror or str(error)
    kind = socket.gaierror if isinstance(error, socket.gaierror) else OSError
    return kind(error.errno, f"{attempt}: {reason}")
