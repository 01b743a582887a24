"""The same in memory and in virtual time: minutes of trouble in a second, under many seeds.

What a seed finds, `trio_mq.testing.explore` repeats to the last step. The programs are those of the
other scenarios, with both ends in this process.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count, pairwise
from typing import Final

import trio

import trio_mq
from trio_mq import ConnectionOptions, DropReason
from trio_mq.testing import Host, Network, assert_nothing_lost, explore

#: Seconds between two signs of life, so that silence is noticed while there is trouble.
_SIGNS: Final = ConnectionOptions(heartbeat_interval=3.0, linger=60)
_OF_PUSH: Final[ConnectionOptions] = {**_SIGNS, "send_hwm": 5}
_OF_REQ: Final[ConnectionOptions] = {**_SIGNS, "message_lifetime": 1.5}
_WORKERS: Final = 3
_MESSAGES: Final = 120
#: Reasons for which a message may be dropped though everything is right.
_MAY_BE: Final = (DropReason.CONNECTION_LOST, DropReason.PEER_LEFT)


def _hosts(net: Network) -> tuple[Host, list[Host]]:
    return net.host("hub"), [net.host(f"field-{number}") for number in range(_WORKERS)]


async def pipeline(net: Network) -> None:
    """What was accepted is received once, or was on the way when a connection broke."""
    hub, fields = _hosts(net)
    received: list[int] = []

    async def work(field: Host) -> None:
        async with trio_mq.Pull(connect="tcp://hub:5555", context=field, **_SIGNS) as pull:
            async for message in pull:
                received.append(int(bytes(message)[:6]))  # noqa: PERF401  # until cancelled

    async with (
        trio_mq.Push(bind="tcp://*:5555", context=hub, **_OF_PUSH) as push,
        trio.open_nursery() as nursery,
    ):
        for field in fields:
            nursery.start_soon(work, field)
        for number in range(_MESSAGES):
            await push.send(b"%06d" % number + bytes(5000))
            await trio.sleep(0.5)
        await push.drain()
        await trio.sleep(200)  # what is on its way arrives, however late it is sent again
        assert_nothing_lost(push, allow=_MAY_BE)
        assert len(set(received)) == len(received), "a message arrived twice"
        assert len(received) <= push.statistics().written
        nursery.cancel_scope.cancel()


async def requests(net: Network) -> None:
    """A request gets its own reply or none, and in the end all are answered."""
    hub, fields = _hosts(net)
    chance = random.Random(net.seed)

    async def answer(request: trio_mq.Request) -> bytes:
        await trio.sleep(chance.random())
        return b"re:" + bytes(request.message)

    async def serve(field: Host) -> None:
        async with trio_mq.Rep(bind="tcp://*:5555", context=field, **_SIGNS) as rep:
            await rep.serve(answer)

    async def ask(req: trio_mq.Req, number: int) -> None:
        with trio.move_on_after(5):
            try:
                reply = await req.request(b"%d" % number, retry=trio_mq.Retry(patience=2.0))
            except trio_mq.RequestFailed:
                return
            assert bytes(reply) == b"re:%d" % number, "a request got the reply to another"

    services = [f"tcp://{field.name}:5555" for field in fields]
    async with (
        trio_mq.Req(connect=services, context=hub, **_OF_REQ) as req,
        trio.open_nursery() as nursery,
    ):
        for field in fields:
            nursery.start_soon(serve, field)
        async with trio.open_nursery() as asking:
            for number in range(_MESSAGES):
                asking.start_soon(ask, req, number)
                await trio.sleep(0.5)
        await trio.sleep(200)
        for number in range(2 * _WORKERS):
            with trio.fail_after(60):
                assert bytes(await req.request(b"%d" % number)) == b"re:%d" % number
        nursery.cancel_scope.cancel()


async def publishing(net: Network) -> None:
    """A subscriber gets what it asked for, once and in order, and hears again after each fault."""
    hub, fields = _hosts(net)
    heard: dict[str, list[int]] = {field.name: [] for field in fields}

    async def listen(field: Host) -> None:
        async with trio_mq.Sub(
            connect="tcp://hub:5555", topics="a", context=field, **_SIGNS
        ) as sub:
            async for topic, body in sub:
                assert topic == b"a", "something was received that was not asked for"
                heard[field.name].append(int(body))

    async with (
        trio_mq.Pub(bind="tcp://*:5555", context=hub, **_SIGNS) as pub,
        trio.open_nursery() as nursery,
    ):
        for field in fields:
            nursery.start_soon(listen, field)
        for number in range(_MESSAGES):
            await pub.send([b"ab"[number % 2 : number % 2 + 1], b"%d" % number])
            await trio.sleep(0.5)
        await trio.sleep(200)
        await pub.send([b"a", b"%d" % _MESSAGES])
        await trio.sleep(10)
        for name, numbers in heard.items():
            assert all(a < b for a, b in pairwise(numbers)), f"{name} heard it twice or backwards"
            assert numbers[-1:] == [_MESSAGES], f"{name} hears nothing any more"
        nursery.cancel_scope.cancel()


async def proxying(net: Network) -> None:
    """A proxy that crashes and comes back takes no client and no service with it."""
    hub, (client, service, _) = _hosts(net)

    async def proxy() -> None:
        async with (
            trio_mq.Router(bind="tcp://*:5555", context=hub, linger=0) as clients,
            trio_mq.Dealer(bind="tcp://*:5556", context=hub, linger=0) as services,
        ):
            with trio.move_on_after(20):
                await trio_mq.proxy(clients, services)

    async def proxy_after_proxy() -> None:
        while True:
            try:
                await proxy()
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                await trio.sleep(1)  # its host is down, and it begins again when that is up

    async def serve() -> None:
        async with trio_mq.Rep(connect="tcp://hub:5556", context=service, **_SIGNS) as rep:
            async for request in rep:
                await rep.send(b"re:" + bytes(request))

    async with (
        trio_mq.Req(connect="tcp://hub:5555", context=client, **_SIGNS) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(proxy_after_proxy)
        nursery.start_soon(serve)
        retry = trio_mq.Retry(attempts=None, patience=3.0)
        for number in range(20):
            with trio.fail_after(600):
                reply = await req.request(b"%d" % number, retry=retry)
            assert bytes(reply) == b"re:%d" % number, "a request got the reply to another"
            await trio.sleep(3)
        nursery.cancel_scope.cancel()


PROGRAMS: Final[dict[str, Callable[[Network], Awaitable[None]]]] = {
    "pipeline": pipeline,
    "requests": requests,
    "publishing": publishing,
    "proxying": proxying,
}


def explored(chance: random.Random, seconds: float) -> str:
    """Run all of them under one seed after the other, and return how many runs went well.

    Every fourth seed is watched by the debug mode, in which fewer find place.
    """
    logging.getLogger("trio_mq").setLevel(logging.ERROR)  # trouble is what was asked for
    first = chance.randrange(1_000_000)
    runs: Counter[str] = Counter()
    end = time.monotonic() + seconds
    for seed in count(first):
        trio_mq.lowlevel.set_debug(seed % 4 == 0)
        for name, program in PROGRAMS.items():
            runs[name] += explore(program, seeds=[seed])
        if time.monotonic() > end:
            break
    trio_mq.lowlevel.set_debug(True)
    return f"{runs.total()} runs from seed {first} on: {dict(runs)}"
