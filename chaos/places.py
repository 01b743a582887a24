"""Ports that are free: whoever is restarted must find its place again."""

from __future__ import annotations

import socket
from typing import Final

#: They keep their ports from being given to others by chance; whoever wants to can bind them too.
_holders: Final[list[socket.socket]] = []


def free_port() -> int:
    """Ask the kernel for a port of this host, and keep it for as long as this process lives."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _holders.append(holder)
    port: int = holder.getsockname()[1]
    return port
