"""trio_mq with ``send_many`` and ``receive_many``: one await for as much as there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

import trio_mq
from benchmarks.job import Figures, Job, Role, ready
from benchmarks.loops.cooperative import TRIO
from benchmarks.loops.ring import Received, Ring, publications
from benchmarks.loops.stopwatch import Stopwatch
from benchmarks.peers.trio_mq_each import LIBRARY, open_publisher, open_pull, open_push


async def send_all(
    send_many: Callable[[Sequence[bytes | list[bytes]]], Awaitable[int]],
    messages: Sequence[bytes | list[bytes]],
) -> None:
    """Send a round, in as many calls as the high-water mark makes of it."""
    sent = await send_many(messages)
    while sent < len(messages):
        sent += await send_many(messages[sent:])


async def receive_rounds(pull: trio_mq.Pull, ring: Ring, rounds: int) -> Figures:
    """Receive and check every message, in as few calls as they come."""
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        for place, portion in enumerate(ring.portions):
            arrived: list[Received] = []
            while len(arrived) < len(portion):
                arrived += await pull.receive_many(max=len(portion) - len(arrived))
            ring.check(place, arrived)
    return watch.figures(rounds, len(ring.messages))


async def _send(job: Job) -> None:
    ring = LIBRARY.ring_for(job)
    async with open_push(job) as push:
        for _ in range(job.rounds):
            await send_all(push.send_many, ring.messages)
        await TRIO.finish({})


async def _receive(job: Job) -> None:
    ring = LIBRARY.ring_for(job)
    async with open_pull(job) as pull:
        ready()
        await TRIO.finish(await receive_rounds(pull, ring, job.rounds))


async def _publish(job: Job) -> None:
    messages = publications(job.size)
    async with open_publisher(job) as pub:
        for _ in range(job.rounds):
            await send_all(pub.send_many, messages)
        await TRIO.finish({})


async def _inproc(job: Job) -> None:
    ring = LIBRARY.ring_for(job)
    async with (
        trio_mq.Pull(bind=job.endpoint) as pull,
        trio_mq.Push(connect=job.endpoint) as push,
        trio.open_nursery() as nursery,
    ):

        async def send() -> None:
            for _ in range(job.rounds):
                await send_all(push.send_many, ring.messages)

        nursery.start_soon(send)
        await TRIO.finish(await receive_rounds(pull, ring, job.rounds))


def _role(part: Callable[[Job], Awaitable[None]]) -> Role:
    return lambda job: trio.run(part, job)


ROLES: Final[dict[str, Role]] = {
    "sender": _role(_send),
    "receiver": _role(_receive),
    "publisher": _role(_publish),
    "inproc": _role(_inproc),
}
