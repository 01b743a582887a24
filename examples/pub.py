"""Publish the weather of three cities to whoever subscribes, until Ctrl-C."""

import itertools
import random
import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5556") -> None:
    """Publish: with nobody there, or nobody who keeps up, a message is dropped and counted."""
    async with trio_mq.Pub(bind=endpoint) as pub:
        for city in itertools.cycle(["basel", "bern", "zurich"]):
            degrees = random.randint(-10, 35)  # noqa: S311  # weather is no secret
            await pub.send([city.encode(), str(degrees).encode()])
            await trio.sleep(0.01)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
