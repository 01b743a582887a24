"""Endpoints given as text, connections that close themselves, and a name service for tests."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
import trio.testing

from trio_mq import Options
from trio_mq._transports import tcp
from trio_mq._transports.endpoint import TcpEndpoint
from trio_mq._transports.listener import Acceptors, Listener
from trio_mq._transports.schemes import parse_bind, parse_connect
from trio_mq._transports.stream import ByteStream, SocketStream

OPTIONS = Options()


def _host_has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not _host_has_ipv6(), reason="this host has no IPv6")


async def dial(endpoint: str, options: Options = OPTIONS) -> SocketStream:
    """Dial an endpoint given as text."""
    parsed = parse_connect(endpoint)
    assert isinstance(parsed, TcpEndpoint)
    return await tcp.dial(parsed, options)


@contextlib.asynccontextmanager
async def listening(
    endpoint: str, options: Options = OPTIONS
) -> AsyncIterator[Acceptors[Listener]]:
    """Listen on an endpoint given as text, for a while."""
    parsed = parse_bind(endpoint)
    assert isinstance(parsed, TcpEndpoint)
    found = await tcp.listen(parsed, options)
    try:
        yield found
    finally:
        found.close()


async def accept_from_any(place: Acceptors[Listener]) -> ByteStream:
    """Accept one connection, on whichever of the listeners it comes."""
    accepted: list[ByteStream] = []

    async def accept(listener: Listener) -> None:
        accepted.append(await listener.accept())
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for listener in place.listeners:
            nursery.start_soon(accept, listener)
    return accepted[0]


@contextlib.asynccontextmanager
async def connected(
    place: Acceptors[Listener], target: str, options: Options = OPTIONS
) -> AsyncIterator[tuple[SocketStream, ByteStream]]:
    """Dial, accept, and close both ends at the end."""
    ours = await dial(target, options)
    theirs = await accept_from_any(place)
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


def port_of(place: Acceptors[Listener]) -> int:
    """Return the port that was chosen."""
    return int(place.endpoint.rpartition(":")[2])


class Resolver(trio.abc.HostnameResolver):
    """A name service of the test's own: the answers, one per question."""

    def __init__(self, *answers: list[tuple[socket.AddressFamily, str]] | OSError) -> None:
        self.answers = list(answers)
        trio.socket.set_custom_hostname_resolver(self)

    async def getaddrinfo(  # type: ignore[override]  # the parent's types say too much
        self, _host: object, port: int, *_: object
    ) -> list[tuple[object, ...]]:
        """Give the next answer."""
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return [
            (family, socket.SOCK_STREAM, 6, "", (host, port, 0, 0)[: 2 if "." in host else 4])
            for family, host in answer
        ]

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        """Not asked for."""
        raise NotImplementedError


V4, V6 = socket.AF_INET, socket.AF_INET6


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Yield an endpoint that neither accepts nor refuses: a listener whose queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(server.getsockname())
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
