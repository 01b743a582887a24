"""Answer requests of req.py, many at a time, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def answer(router: trio_mq.Router, request: trio_mq.Message) -> None:
    """Take a second for it; a client sends what it likes, so any number of frames may come."""
    client, _empty, *question = request
    await trio.sleep(1)
    await router.send([client, b"", b"hello, " + b" ".join(question)])


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Start a task for each request."""
    async with trio_mq.Router(bind=endpoint) as router, trio.open_nursery() as nursery:
        async for request in router:
            nursery.start_soon(answer, router, request)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
