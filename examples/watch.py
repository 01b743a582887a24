"""Pull ten tasks from push.py, and print everything that happens to the connection."""

import sys
from functools import partial

import trio

import trio_mq


async def show(events: trio_mq.EventStream) -> None:
    """Print events until the socket is closed."""
    async for event in events:
        print(event)


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Print ten messages with where they came from, and then the figures."""
    async with trio.open_nursery() as nursery, trio_mq.Pull() as pull:
        nursery.start_soon(show, pull.events())
        await pull.connect(endpoint)
        for _ in range(10):
            message, peer = await pull.receive_from()
            print(message.text, "from", peer)
        print(pull.statistics())


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
