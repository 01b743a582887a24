"""trio_mq with one await per message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import trio

import trio_mq
from benchmarks.job import Job, Role, ready
from benchmarks.loops import keys
from benchmarks.loops.cooperative import TRIO, Exchange, Library, Port
from benchmarks.loops.ring import ROUND, as_tuple, publications
from benchmarks.peers.zmtp_by_hand import subscriptions_of
from trio_mq import auth

Duplex: TypeAlias = "trio_mq.Req | trio_mq.Rep | trio_mq.Router"

_DUPLEX: Final[dict[str, Callable[[Job], Duplex]]] = {
    "req": lambda job: trio_mq.Req(connect=job.endpoint),
    "rep": lambda job: trio_mq.Rep(bind=job.endpoint),
    "router": lambda job: trio_mq.Router(bind=job.endpoint, max_peers=job.connections + 100),
}


def open_push(job: Job) -> trio_mq.Push:
    """Make a Push that connects to `open_pull`'s."""
    if not job.curve:
        return trio_mq.Push(connect=job.endpoint)
    own = auth.CurveKeys(secret=keys.CLIENT_SECRET)
    mechanism = auth.CurveClient(own, server=keys.SERVER_PUBLIC)
    return trio_mq.Push(connect=job.endpoint, mechanism=mechanism)


def open_pull(job: Job) -> trio_mq.Pull:
    """Make a Pull; under CURVE it lets everybody in."""
    if not job.curve:
        return trio_mq.Pull(bind=job.endpoint)
    mechanism = auth.CurveServer(auth.CurveKeys(secret=keys.SERVER_SECRET))
    return trio_mq.Pull(bind=job.endpoint, mechanism=mechanism, authenticator=auth.ALLOW_ANY)


async def _out_of_turn(*_: object) -> None:
    raise AssertionError("a one-way socket was asked for the other direction")


@asynccontextmanager
async def open_port(kind: str, job: Job) -> AsyncIterator[Port]:
    """Open a socket; leaving it waits for what it has not written."""
    if kind == "push":
        async with open_push(job) as push:
            yield Port(push.send, _out_of_turn)
    elif kind == "pull":
        async with open_pull(job) as pull:
            yield Port(_out_of_turn, pull.receive)
    else:
        async with _DUPLEX[kind](job) as socket:
            yield Port(socket.send, socket.receive)


@asynccontextmanager
async def open_exchanges(job: Job) -> AsyncIterator[Sequence[Exchange]]:
    """Let every request go through one socket."""
    async with trio_mq.Req(connect=job.endpoint, correlate=True) as req:
        yield [req.request] * job.concurrency


@asynccontextmanager
async def open_publisher(job: Job) -> AsyncIterator[trio_mq.Pub]:
    """Open a Pub that waits for its slowest subscriber, and wait until all have subscribed."""
    async with trio_mq.Pub(bind=job.endpoint, on_full="block") as pub:
        ready()
        last = subscriptions_of(0, job)[-1]
        waits_for_all = None if job.one_topic else last
        await pub.wait_for_subscribers(job.connections, topic=waits_for_all)
        yield pub


async def _publish(job: Job) -> None:
    messages = publications(job.size)
    async with open_publisher(job) as pub:
        for _ in range(job.rounds):
            for message in messages:
                await pub.send(message)
        await TRIO.finish({})


async def _serve(job: Job) -> None:
    """Answer with a function, until all has been answered."""
    expected = job.rounds * ROUND
    answered = trio.Event()

    async def echo(request: trio_mq.Request) -> trio_mq.Message:
        nonlocal expected
        expected -= 1
        if not expected:
            answered.set()
        return request.message

    async with (
        trio_mq.Router(bind=job.endpoint, max_peers=job.connections + 100) as router,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(router.serve, echo)
        ready()
        await answered.wait()
        await TRIO.finish({})
        nursery.cancel_scope.cancel()


def service(job: Job) -> None:
    """Serve as many requests as clients will send."""
    trio.run(_serve, job)


def publisher(job: Job) -> None:
    """Publish to all subscribers and wait for the slowest instead of dropping."""
    trio.run(_publish, job)


# Each name of trio_mq is loaded when it is asked for: so ask before anything is measured.
for _name in trio_mq.__all__:
    getattr(trio_mq, _name)

LIBRARY: Final = Library(TRIO, open_port, open_exchanges, as_tuple)
ROLES: Final[dict[str, Role]] = {
    **LIBRARY.roles(),
    "publisher": publisher,
    "service": service,
}
