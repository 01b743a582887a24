"""What Python lacks on some systems, and what we do without it.

Linux has all of it. Nothing here is needed to import the package, nor for tcp and inproc.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import trio

Gather: TypeAlias = Callable[[Sequence[bytes | memoryview]], int]
"""Writes several buffers at once, as many bytes as the kernel takes now, and returns how many."""

_UNIX: Final[int | None] = getattr(socket, "AF_UNIX", None)
#: Bytes that are joined at once where the system can't gather; more would be copied for nothing.
_JOINED: Final = 65536


def unix_family() -> int:
    """Return the family of sockets for ipc.

    Raises:
        OSError: ``EAFNOSUPPORT``: this system has none.
    """
    if _UNIX is None:
        raise OSError(
            errno.EAFNOSUPPORT,
            "this system's Python has no sockets for ipc://; use tcp://127.0.0.1 and a port",
        )
    return _UNIX


def unix_socket() -> socket.socket:
    """Return a new socket for ipc; errors as for `unix_family`."""
    return socket.socket(unix_family(), socket.SOCK_STREAM)


def is_local(sock: socket.socket | trio.socket.SocketType) -> bool:
    """Tell whether there is one kernel at both ends."""
    return sock.family == _UNIX


def gather(sock: socket.socket) -> Gather:
    """Return ``sendmsg`` of a socket, or what does the same with a copy."""
    sendmsg: Gather | None = getattr(sock, "sendmsg", None)
    if sendmsg is not None:
        return sendmsg

    def send_joined(buffers: Sequence[bytes | memoryview]) -> int:
        joined = bytearray()
        for buffer in buffers:
            joined += buffer[: _JOINED - len(joined)]
            if len(joined) == _JOINED:
                break
        return sock.send(joined)

    return send_joined


def most_buffers() -> int:
    """Return how many buffers one call may gather."""
    return os.sysconf("SC_IOV_MAX") if hasattr(os, "sysconf") else 1024


def share_port(sock: socket.socket) -> None:
    """Let other processes listen on the port too.

    Raises:
        OSError: ``ENOPROTOOPT``: this system can't.
    """
    option: int | None = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise OSError(errno.ENOPROTOOPT, "this system shares no ports: leave out reuse_port")
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
