"""Hand out ten tasks to whoever pulls: start pull.py, in as many terminals as you like."""

import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Send each task to one of the pullers, in turn."""
    async with trio_mq.Push(bind=endpoint) as push:
        for number in range(10):
            await push.send(f"task {number}".encode())
    # Leaving the block waits until the tasks are written, for ten seconds at most.


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
