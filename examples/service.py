"""Answer requests of req.py, many at a time, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def answer(request: trio_mq.Request) -> bytes:
    """Take a second for it. A client sends what it likes, so any number of frames may come."""
    await trio.sleep(1)
    return b"hello, " + b" ".join(request.message)


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Work on a hundred requests at a time; others wait in line."""
    async with trio_mq.Rep(bind=endpoint) as rep:
        await rep.serve(answer, max_concurrent=100)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
