"""What both tcp and ipc do to a kernel socket before it is a stream or a listener."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

import trio

from trio_mq._options import Options

from .resolve import SocketAddress

_LARGEST_INT: Final = 2**31 - 1
#: How systems say that a connection is being made.
_UNDER_WAY: Final = (errno.EINPROGRESS, getattr(errno, "WSAEWOULDBLOCK", errno.EINPROGRESS))


def set_buffers(sock: socket.socket, options: Options) -> None:
    """Set the buffer sizes, before a connection is made: they bound the window that TCP offers.

    The kernel adjusts them to its own limits.
    """
    if options.send_buffer is not None:
        size = min(options.send_buffer, _LARGEST_INT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    if options.receive_buffer is not None:
        size = min(options.receive_buffer, _LARGEST_INT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def listen(sock: socket.socket, options: Options) -> None:
    """Let connections queue up, as many as the options and the system allow."""
    sock.listen(min(options.backlog, _LARGEST_INT))


async def connect(sock: socket.socket, address: SocketAddress | bytes) -> None:
    """Connect a socket and wait for the answer; it becomes non-blocking.

    Raises:
        OSError: There is no connection; the socket is still open. ``EAGAIN``: a local listener's
            backlog is full, for which the kernel cannot wait.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    sock.settimeout(0)
    code = sock.connect_ex(address)
    if code in _UNDER_WAY:
        await trio.lowlevel.wait_writable(sock.fileno())
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
