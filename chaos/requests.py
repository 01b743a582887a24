"""A Req and six Reps: a request gets its own reply or none, and nothing is ever stuck."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import attrs
import trio
import trio.lowlevel

import trio_mq
from chaos.places import free_port
from chaos.processes import Crowd
from chaos.relay import Relay
from trio_mq import ConnectionOptions

SOON: Final = ConnectionOptions(
    reconnect_interval=0.05, reconnect_interval_max=0.2, handshake_timeout=2, linger=0
)
_TASKS: Final = 12
#: Requests that must succeed, each in this many seconds, when everything works again.
_AFTERWARDS: Final = 30
_PATIENCE: Final = 120.0


@attrs.define
class Asker:
    """Asks with many tasks, sometimes impatiently, and looks at each reply."""

    req: trio_mq.Req
    chance: random.Random
    asked: int = 0
    outcomes: Counter[str] = attrs.field(factory=Counter)

    async def ask(self, patience: float) -> None:
        """Ask once; a wrong reply is an error."""
        self.asked += 1
        question = b"%d" % self.asked
        reply: trio_mq.Message | None = None
        try:
            with trio.move_on_after(patience):
                reply = await self.req.request(question)
        except trio_mq.PeerLost:
            self.outcomes["lost the peer"] += 1
            return
        if reply is None:
            self.outcomes["given up"] += 1
        elif reply != (b"re:", question):
            raise AssertionError(f"the request {question!r} got the reply {reply!r}")
        else:
            self.outcomes["answered"] += 1

    async def go_on_asking(self) -> None:
        """Ask, until cancelled."""
        while True:
            await self.ask(self.chance.choice((0.005, 0.02, 0.1, 1)))
            await trio.lowlevel.checkpoint()

    async def ask_for_good(self) -> None:
        """Ask until that many were answered: nothing is stuck."""
        answered = self.outcomes["answered"]
        while self.outcomes["answered"] < answered + _AFTERWARDS:
            with trio.fail_after(_PATIENCE):
                await self.ask(_PATIENCE * 2)


async def ask_under(asker: Asker, seconds: float, *troubles: Callable[[], Awaitable[None]]) -> None:
    """Ask with many tasks while there is trouble; when it is over, everybody must answer."""
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for trouble in troubles:
                nursery.start_soon(trouble)
            for _ in range(_TASKS):
                nursery.start_soon(asker.go_on_asking)
    await asker.ask_for_good()


async def requests(
    chance: random.Random, seconds: float, *, correlate: bool | None, binds: bool
) -> str:
    """Run it, and return what was counted."""
    async with (
        Crowd.gathered(chance) as crowd,
        trio_mq.Req(correlate=correlate, **SOON) as req,
        trio.open_nursery() as nursery,
    ):
        relays: list[Relay] = []
        if binds:
            relay = Relay(int((await req.bind("tcp://127.0.0.1:*")).rpartition(":")[2]))
            crowd.add_six("rep", await relay.listen())
            relays.append(relay)
        else:
            for index in range(6):
                port = free_port()
                relay = Relay(port)
                await req.connect(await relay.listen())
                crowd.add(
                    "libzmq" if index % 2 else "trio_mq", "rep", f"bind:tcp://127.0.0.1:{port}"
                )
                relays.append(relay)
        for relay in relays:
            nursery.start_soon(relay.run)
        asker = Asker(req, chance)
        troubles = [partial(relay.suffer, chance, 2) for relay in relays]
        await ask_under(asker, seconds, partial(crowd.suffer, 0.6), *troubles)
        nursery.cancel_scope.cancel()
        done = sum((relay.done for relay in relays), crowd.done)
        return f"{asker.asked} asked: {dict(asker.outcomes)}; {dict(done)}"
