"""A proxy between a Req and six Reps, killed and restarted: nobody is stuck, no reply is wrong."""

from __future__ import annotations

import random

import trio

import trio_mq
from chaos.places import free_port
from chaos.processes import Crowd
from chaos.requests import SOON, Asker


async def proxying(chance: random.Random, seconds: float) -> str:
    """Run it, and return what was counted."""
    frontend, backend = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    async with (
        Crowd.gathered(chance) as crowd,
        Crowd.gathered(chance) as proxies,
        trio_mq.Req(connect=frontend, **SOON) as req,
    ):
        proxy = proxies.add("trio_mq", "proxy", frontend, backend)
        crowd.add_six("rep", backend)
        asker = Asker(req, chance)
        restarts = 0
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(crowd.suffer, 1)
                for _ in range(4):
                    nursery.start_soon(asker.go_on_asking)
                while True:
                    await trio.sleep(1 + chance.random())
                    proxy.kill()
                    await trio.sleep(chance.random() * 0.2)
                    proxy.start()
                    restarts += 1
        if proxy.dead:
            proxy.start()
        await asker.ask_for_good()
        return (
            f"{asker.asked} asked: {dict(asker.outcomes)}; "
            f"{restarts} restarts of the proxy, {dict(crowd.done)}"
        )
