"""Subscribe to the weather of one city of pub.py, and print five reports."""

import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5556", city: str = "zurich") -> None:
    """The publisher filters: other cities' reports are not even sent."""
    async with trio_mq.Sub(connect=endpoint, topics=city) as sub:
        for _ in range(5):
            topic, degrees = await sub.receive()
            print(f"{topic.decode()}: {degrees.decode()} °C")


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
