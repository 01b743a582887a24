"""A program with all that can be left to chance, for comparing its runs.

Run as a program, it prints a digest of what happened.
"""

from __future__ import annotations

import hashlib
import random
import sys

import trio
import trio.testing

import trio_mq
from trio_mq.testing import Network
from trio_mq.testing.trouble import KINDS, Trouble


async def busy(seed: int) -> list[str]:
    """Let many tasks use several sockets under trouble, and return the history."""
    async with Network(seed) as net:
        hosts = [net.host(name) for name in ("lab", "field", "hub")]
        async with (
            trio_mq.Router(bind="tcp://*:80", context=hosts[2]) as router,
            trio_mq.Pub(bind="tcp://*:81", context=hosts[2]) as pub,
            trio_mq.Req(connect="tcp://hub:80", context=hosts[0], correlate=True) as req,
            trio_mq.Dealer(connect="tcp://hub:80", context=hosts[1]) as dealer,
            trio_mq.Sub(connect="tcp://hub:81", context=hosts[1], topics="") as sub,
            trio.open_nursery() as nursery,
        ):

            async def serve() -> None:
                async for frames in router:
                    net.note(f"served {frames!r}")
                    await router.send(frames)
                    await pub.send(frames[-1])

            async def listen() -> None:
                async for message in sub:
                    net.note(f"heard {message!r}")

            async def ask(number: int) -> None:
                with trio.move_on_after(5):
                    try:
                        net.note(f"answered {await req.request(b'%d' % number)!r}")
                    except trio_mq.MQError as error:
                        net.note(f"lost {error}")

            async def deal(number: int) -> None:
                with trio.move_on_after(5):
                    await dealer.send(b"%d" % number)
                    net.note(f"dealt {await dealer.receive()!r}")

            nursery.start_soon(serve)
            nursery.start_soon(listen)
            trouble = Trouble(net, random.Random(seed), list(KINDS))
            nursery.start_soon(trouble.make, 60)
            for number in range(200):
                nursery.start_soon(ask, number)
                nursery.start_soon(deal, number)
                await trio.sleep(0.3)
            await trio.sleep(300)
            nursery.cancel_scope.cancel()
        return net.history


def history(seed: int) -> list[str]:
    """Return what happens under a seed."""
    return trio.run(busy, seed, clock=trio.testing.MockClock(autojump_threshold=0))


if __name__ == "__main__":
    print(hashlib.sha256("\n".join(history(int(sys.argv[1]))).encode()).hexdigest())  # noqa: T201
