"""trio's own streams without a protocol, and its memory channel: the floor on trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from benchmarks.job import Figures, Job, Role, ready
from benchmarks.loops.addresses import bound, connected, without_delay
from benchmarks.loops.cooperative import TRIO, receive_rounds, send_rounds
from benchmarks.loops.ring import ROUND, ByteCheck, Received, Ring, payloads
from benchmarks.loops.stopwatch import Stopwatch

#: As many messages as the high-water marks of both ends of an inproc connection.
_CHANNEL_SIZE: Final = 2000
_READ: Final = 64 * 1024


@asynccontextmanager
async def accepted(job: Job) -> AsyncIterator[trio.SocketStream]:
    """Listen, and serve the first that connects."""
    with bound(job.endpoint) as listener:
        ready()
        sock, _ = await trio.socket.from_stdlib_socket(listener).accept()
        async with trio.SocketStream(sock) as stream:
            yield stream


def _dialled(job: Job) -> trio.SocketStream:
    sock = connected(job.endpoint)
    without_delay(sock)
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))


async def _send(job: Job) -> None:
    messages = payloads(job.size)
    async with _dialled(job) as stream:
        for _ in range(job.rounds):
            for message in messages:
                await stream.send_all(message)
        await TRIO.finish({})


async def _receive(job: Job) -> None:
    async with accepted(job) as stream:
        await TRIO.finish(await _receive_rounds(stream, payloads(job.size), job.rounds))


async def _receive_rounds(stream: trio.SocketStream, messages: list[bytes], rounds: int) -> Figures:
    check = ByteCheck.of(messages)
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        end = (index + 1) * len(check.cycle)
        while check.position < end:
            check.feed(await stream.receive_some(min(_READ, end - check.position)))
    return watch.figures(rounds, len(messages))


async def _request(job: Job) -> None:
    messages = payloads(job.size)
    watch = Stopwatch.for_rounds(job.rounds)
    async with _dialled(job) as stream:
        for index in range(job.rounds):
            watch.round_begins(index)
            for message in messages:
                await stream.send_all(message)
                assert await stream.receive_some(job.size) == message
        await TRIO.finish(watch.figures(job.rounds, len(messages)))


async def _reply(job: Job) -> None:
    async with accepted(job) as stream:
        for _ in range(job.rounds * ROUND):
            await stream.send_all(await stream.receive_some(job.size))
        await TRIO.finish({})


async def _inproc(job: Job) -> None:
    ring = Ring.of(payloads(job.size))
    send, receive = trio.open_memory_channel[Received](_CHANNEL_SIZE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_rounds, send.send, ring, job.rounds)
        figures = await receive_rounds(receive.receive, ring, job.rounds)
    await TRIO.finish(figures)


def _role(part: object) -> Role:
    return lambda job: trio.run(part, job)  # type: ignore[arg-type]


ROLES: Final[dict[str, Role]] = {
    "sender": _role(_send),
    "receiver": _role(_receive),
    "requester": _role(_request),
    "replier": _role(_reply),
    "inproc": _role(_inproc),
}
