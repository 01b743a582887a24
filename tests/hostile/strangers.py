"""A flood: many connections to a server of CURVE, none of which ever finishes its handshake.

A quarter each say nothing, a HELLO of junk, a good HELLO and then nothing, and good bytes, one a
second. Whom the server sends away comes again, after five seconds. When all have been connected
once, it says so; it goes on until it is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import trio

from tests.hostile.wire import command, greeting
from trio_mq import auth
from trio_mq.zmtp import Connection, Role, SocketType

Say: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]

GREETING = greeting(mechanism=b"CURVE")
JUNK = b"\1\0" + bytes(72) + b"j" * 32 + b"\0" * 7 + b"\1" + bytes(80)
#: Seconds before one that was sent away comes again. Half of 5 000 say a HELLO: that makes 500 a
#: second, which is what a server computes by default. Of more, good clients wait behind the rest.
PAUSE = 5.0


def good_hello(server: str) -> bytes:
    """Return a greeting and a HELLO that the server takes for good; it can be said again."""
    mechanism = auth.CurveClient(server=server)
    client = Connection(SocketType.DEALER, Role.CONNECTING, mechanism=mechanism)
    client.receive_data(greeting(mechanism=b"CURVE", as_server=b"\1"))
    client.next_event()
    return client.data_to_send()


def kinds(server: str) -> Iterator[Say]:
    """Yield what one stranger after the other does."""
    good = good_hello(server)

    async def silent(_stream: trio.SocketStream) -> None:
        pass

    async def junk(stream: trio.SocketStream) -> None:
        await stream.send_all(GREETING + command(b"HELLO", JUNK))

    async def valid(stream: trio.SocketStream) -> None:
        await stream.send_all(good)

    async def slow(stream: trio.SocketStream) -> None:
        for byte in good:
            await stream.send_all(bytes((byte,)))
            await trio.sleep(1)

    return itertools.cycle((silent, junk, valid, slow))


class Flood:
    """Strangers, and how many of them have been connected."""

    def __init__(self, port: int, count: int) -> None:
        self.port = port
        self.missing = count
        self.all_have_knocked = trio.Event()

    async def knock(self, say: Say) -> None:
        """Be one of them."""
        first = True
        while True:
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                    self.missing -= first
                    first = False
                    if not self.missing:
                        self.all_have_knocked.set()
                    await say(stream)
                    while await stream.receive_some():
                        pass
            await trio.sleep(PAUSE)


async def main(endpoint: str, server: str, count: int) -> None:
    """Flood the endpoint."""
    flood = Flood(int(endpoint.rpartition(":")[2]), count)
    async with trio.open_nursery() as nursery:
        for say in itertools.islice(kinds(server), count):
            nursery.start_soon(flood.knock, say)
        await flood.all_have_knocked.wait()
        sys.stdout.write("all have knocked\n")
        sys.stdout.flush()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]))
