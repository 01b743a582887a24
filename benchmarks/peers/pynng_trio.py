"""pynng, a binding of nng (another protocol with the same patterns), on trio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import pynng

from benchmarks.job import Job
from benchmarks.loops.cooperative import TRIO, Exchange, Library, Port
from benchmarks.loops.ring import Received

_KINDS: Final = {"push": pynng.Push0, "pull": pynng.Pull0, "req": pynng.Req0, "rep": pynng.Rep0}
_SERVERS: Final = frozenset({"pull", "rep"})
#: As many messages as the high-water marks of 0MQ; its own default is none.
_QUEUE: Final = 1000


def _open(kind: str, job: Job) -> pynng.Socket:
    socket = _KINDS[kind](recv_max_size=0)
    if kind in {"push", "pull"}:
        socket.send_buffer_size = socket.recv_buffer_size = _QUEUE
    if kind in _SERVERS:
        socket.listen(job.endpoint)
    else:
        socket.dial(job.endpoint, block=True)
    return socket


@asynccontextmanager
async def open_port(kind: str, job: Job) -> AsyncIterator[Port]:
    """Open a socket; a dialled one is connected."""
    with _open(kind, job) as socket:
        yield Port(socket.asend, socket.arecv)


def _exchange_on(context: pynng.Context) -> Exchange:
    async def exchange(message: bytes) -> Received:
        await context.asend(message)
        return await context.arecv()

    return exchange


@asynccontextmanager
async def open_exchanges(job: Job) -> AsyncIterator[Sequence[Exchange]]:
    """Open one socket with as many contexts, which is how nng sends requests at once."""
    with _open("req", job) as socket, ExitStack() as stack:
        contexts = [stack.enter_context(socket.new_context()) for _ in range(job.concurrency)]
        yield [_exchange_on(context) for context in contexts]


ROLES: Final = Library(TRIO, open_port, open_exchanges).roles()
