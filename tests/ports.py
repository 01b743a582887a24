"""Ports on loopback that nobody listens on and nobody else is given."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """Hold a port that can still be bound.

    A port that was merely free a moment ago may have been given to somebody else since; tests run
    in parallel. One that is bound, by a socket that doesn't listen and lets others bind too, is
    given to nobody by chance, and refuses connections until somebody listens there on purpose.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port
