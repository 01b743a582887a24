"""How one connection of an endpoint is made: by its transport, or by a function of the user's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import trio

from trio_mq._options import Options
from trio_mq._transports import ipc, tcp
from trio_mq._transports.endpoint import Endpoint, IpcEndpoint, TcpEndpoint
from trio_mq._transports.stream import ByteStream, TrioStream

#: What ``connect(open_stream=…)`` takes: it makes one connection, or raises `OSError`.
OpenStream: TypeAlias = Callable[[], Awaitable[trio.abc.Stream | ByteStream]]


def opener(
    parsed: Endpoint | None, endpoint: str, options: Options, open_stream: OpenStream | None
) -> OpenByteStream:
    """Return what makes one connection.

    Args:
        parsed: The endpoint, or ``None`` if it is only a label.
        endpoint: The endpoint or label as text.
        options: Those of the endpoint.
        open_stream: The user's function, for a label.
    """
    if open_stream is not None:
        return _by_user(endpoint, open_stream)
    if isinstance(parsed, TcpEndpoint):
        return partial(tcp.dial, parsed, options)
    if isinstance(parsed, IpcEndpoint):
        return partial(ipc.dial, parsed, options)
    raise AssertionError(f"{endpoint} has no streams")


def wrap(label: str, stream: trio.abc.Stream | ByteStream) -> ByteStream:
    """Return the library's kind of stream for any trio stream."""
    if isinstance(stream, ByteStream):
        return stream
    return TrioStream(stream, local_address=label, peer_address=label)


def _by_user(label: str, open_stream: OpenStream) -> OpenByteStream:
    @trio.lowlevel.disable_ki_protection
    async def open_wrapped() -> ByteStream:
        return wrap(label, await open_stream())

    return open_wrapped


#: Makes one connection, over whatever addresses there are, or raises `OSError`; or, as streams that
#: shake hands of their own do (TLS), `trio.BrokenResourceError`.
OpenByteStream: TypeAlias = Callable[[], Awaitable[ByteStream]]
