"""Answer requests of req.py, one after the other, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Each request gets one reply, which goes to whoever asked."""
    async with trio_mq.Rep(bind=endpoint) as rep:
        async for request in rep:
            await rep.send(b"hello, " + request[0])


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
