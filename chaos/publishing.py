"""Publishers that are killed, and six subscribers: in order, once, and again after each restart."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import trio

from chaos.places import free_port
from chaos.processes import Crowd, Worker
from chaos.records import publications

#: Seconds in which every subscriber must have heard of a publisher's new life.
_PATIENCE: Final = 120.0


def faults(records: Iterable[bytes], topic: int) -> Iterable[str]:
    """Say what is wrong with what one subscriber wrote down, life by life."""
    for life in records:
        heard = publications(life)
        if any(value % 2 != topic for _, value in heard):
            yield "something was received that was not asked for"
        # One publisher follows the other, and its numbers grow.
        if any(later <= earlier for earlier, later in pairwise(heard)):
            yield "something was received twice, or out of order"


async def publishing(chance: random.Random, seconds: float) -> str:
    """Run it, and return what was counted."""
    async with Crowd.gathered(chance) as crowd:
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        publisher = Crowd(chance, crowd.folder)
        for number in range(6):
            crowd.add("libzmq" if number % 2 else "trio_mq", "sub", endpoint, "ba"[number // 3])
        restarts = 0
        try:
            with trio.move_on_after(seconds):
                while True:
                    speaker = publisher.add(chance.choice(("libzmq", "trio_mq")), "pub", endpoint)
                    await _until_all_hear(crowd.workers)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(crowd.suffer, 0.5)
                        await trio.sleep(chance.random() * 2)
                        nursery.cancel_scope.cancel()
                    speaker.kill()
                    restarts += 1
            publisher.workers[-1].clear_away()
            publisher.add("trio_mq", "pub", endpoint)
            await _until_all_hear(crowd.workers)
        finally:
            for speaker in publisher.workers:
                speaker.clear_away()
        await crowd.end()
        found = {
            fault
            for number, worker in enumerate(crowd.workers)
            for fault in faults(worker.records, number // 3)
        }
        if found:
            raise AssertionError("; ".join(found))
        heard = sum(len(publications(life)) for each in crowd.workers for life in each.records)
        return f"{heard} received in order over {restarts} restarts; {dict(crowd.done)}"


async def _until_all_hear(subscribers: list[Worker]) -> None:
    """Wait until each subscriber has received something new."""
    before = [len(worker.records[-1]) for worker in subscribers]
    with trio.fail_after(_PATIENCE):
        while any(  # noqa: ASYNC110  # other processes are waited for
            len(worker.records[-1]) <= length
            for worker, length in zip(subscribers, before, strict=True)
        ):
            await trio.sleep(0.02)
