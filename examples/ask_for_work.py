"""Give tasks to workers that ask for them: who is fast gets more, and none waits at a slow one."""

import sys
from functools import partial

import trio

import trio_mq


async def work(endpoint: str, name: str, seconds: float) -> None:
    """Ask for one task at a time, until there is none left."""
    done = 0
    async with trio_mq.Req(connect=endpoint) as req:
        while bytes(await req.request(b"ready")):
            await trio.sleep(seconds)
            done += 1
    print(name, "did", "more than half" if done > 50 else "the rest")


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Hand out a hundred tasks, then an empty one to each of the two workers."""
    async with trio_mq.Router(bind=endpoint) as router, trio.open_nursery() as nursery:
        nursery.start_soon(work, endpoint, "fast", 0.001)
        nursery.start_soon(work, endpoint, "slow", 0.03)
        for task in [b"task"] * 100 + [b""] * 2:
            worker, empty, _ready = await router.receive()
            await router.send([worker, empty, task])


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
