"""Endpoints as the kernel knows them, for the peers that have no library between."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from pathlib import Path


def family_and_address(endpoint: str) -> tuple[int, tuple[str, int] | str]:
    """Take ``tcp://host:port`` or ``ipc://path`` apart."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    return socket.AF_INET, (host, int(port))


def bound(endpoint: str) -> socket.socket:
    """Return a listening socket."""
    family, address = family_and_address(endpoint)
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(1024)
    return listener


def connected(endpoint: str) -> socket.socket:
    """Return a socket that is connected, without the delay that gathers small writes."""
    family, address = family_and_address(endpoint)
    sock = socket.socket(family)
    sock.connect(address)
    without_delay(sock)
    return sock


def without_delay(sock: socket.socket) -> None:
    """Send small writes at once, as every library here does."""
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def unused_endpoint(transport: str, stack: contextlib.ExitStack) -> str:
    """Keep a tcp endpoint on loopback, or an ipc one in a folder of its own, for the stack."""
    if transport == "ipc":
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="trio-mq-"))
        return f"ipc://{Path(place) / 'socket'}"
    # Bound, it is given to nobody else by chance, and whoever reuses addresses can still listen.
    holder = stack.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return f"tcp://127.0.0.1:{holder.getsockname()[1]}"
