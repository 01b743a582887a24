"""A Push and six Pulls: what was accepted is received once, or it is known where it went."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import attrs
import trio

import trio_mq
from chaos.places import free_port
from chaos.processes import Crowd
from chaos.records import number, numbers
from chaos.relay import Relay
from trio_mq import ConnectionOptions

#: Small buffers, so that what is lost with a worker is a small part of all.
OPTIONS: Final = ConnectionOptions(send_hwm=50, send_buffer=8192, linger=20)
_PADDING: Final = 400
#: Seconds in which what waits must have gone when everything works again.
_PATIENCE: Final = 120.0


@attrs.frozen
class Balance:
    """The message equation, from outside."""

    sent: int
    figures: trio_mq.SocketStatistics
    received: list[int]
    #: Workers and connections that were killed or broken: each takes what it holds with it.
    losses: int

    def __str__(self) -> str:
        return (
            f"{self.figures.accepted} accepted = {len(set(self.received))} received once "
            f"+ {self.figures.waiting_to_send} waiting "
            f"+ {sum(self.figures.dropped_outgoing.values())} dropped "
            f"+ {self.lost} in the hands of the kernel or a worker at one of {self.losses} losses"
        )

    @property
    def lost(self) -> int:
        """Messages that the kernel had taken and no worker wrote down."""
        return self.figures.written - len(set(self.received))

    def faults(self) -> Iterable[str]:
        """Say what does not add up."""
        figures = self.figures
        dropped = sum(figures.dropped_outgoing.values())
        if figures.accepted != self.sent:
            yield f"{self.sent} were sent and {figures.accepted} accepted"
        if figures.accepted != figures.written + figures.waiting_to_send + dropped:
            yield f"the books don't balance: {figures}"
        twice = [value for value, count in Counter(self.received).items() if count > 1]
        if twice:
            yield f"{len(twice)} were received twice, such as {twice[:5]}"
        if any(value >= self.sent for value in self.received):
            yield "something was received that was not sent"
        if self.lost < 0:
            yield f"{-self.lost} were received that were not counted as written"
        if self.lost and not self.losses:
            yield f"{self.lost} were lost, and nobody was killed or cut off"


async def pipeline(chance: random.Random, seconds: float) -> str:
    """Let workers connect that are killed, stopped and cut off, and return what was counted."""
    async with Crowd.gathered(chance) as crowd, trio.open_nursery() as nursery:
        async with trio_mq.Push(**OPTIONS) as push:
            relay = Relay(int((await push.bind("tcp://127.0.0.1:*")).rpartition(":")[2]))
            endpoint = await relay.listen()
            nursery.start_soon(relay.run)
            crowd.add_six("pull", endpoint)
            sent = await send_under(
                push,
                seconds,
                partial(crowd.suffer, 0.4),
                partial(relay.suffer, chance, 1.5),
            )
        losses = crowd.done["kill and restart"] + relay.done["reset"]
        told = f"{await count(crowd, sent, push, losses)}; {dict(crowd.done + relay.done)}"
        nursery.cancel_scope.cancel()
        return told


async def disconnecting(chance: random.Random, seconds: float) -> str:
    """Connect to workers and disconnect again while it writes, and return what was counted."""
    async with Crowd.gathered(chance) as crowd:
        endpoints = [f"tcp://127.0.0.1:{free_port()}" for _ in range(6)]
        for place, endpoint in enumerate(endpoints):
            crowd.add("libzmq" if place % 2 else "trio_mq", "pull", f"bind:{endpoint}")
        done: Counter[str] = Counter()
        async with trio_mq.Push(connect=endpoints, **OPTIONS) as push:
            sent = await send_under(
                push, seconds, partial(_disconnect, push, chance, endpoints, done)
            )
        return f"{await count(crowd, sent, push, done.total())}; {dict(done)}"


async def _disconnect(
    push: trio_mq.Push, chance: random.Random, endpoints: list[str], done: Counter[str]
) -> None:
    """Give up an endpoint with its lingering messages, in a hurry or not, and take it again."""
    while True:
        await trio.sleep(chance.random() * 0.01)
        endpoint = chance.choice(endpoints)
        in_a_hurry = chance.random() < 0.5
        done["disconnect in a hurry" if in_a_hurry else "disconnect"] += 1
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = -math.inf if in_a_hurry else math.inf
            await push.disconnect(endpoint)
        with trio.CancelScope(shield=True):
            await push.connect(endpoint)


async def send_under(
    push: trio_mq.Push, seconds: float, *troubles: Callable[[], Awaitable[None]]
) -> int:
    """Send numbers while there is trouble; when it is over and all have gone, return how many."""
    sent = 0
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for trouble in troubles:
                nursery.start_soon(trouble)
            while True:
                await push.send(number(sent) + bytes(_PADDING))
                sent += 1
    with trio.fail_after(_PATIENCE):
        await push.drain()
    return sent


async def count(crowd: Crowd, sent: int, push: trio_mq.Push, losses: int) -> Balance:
    """Wait until everything has arrived, and count."""
    await crowd.end()
    received = [
        value for worker in crowd.workers for life in worker.records for value in numbers(life)
    ]
    balance = Balance(sent, push.statistics(), received, losses)
    if faults := list(balance.faults()):
        raise AssertionError(f"{'; '.join(faults)} ({balance})")
    return balance
