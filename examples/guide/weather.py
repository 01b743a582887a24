"""Weather without a sleep: a station waits for its listeners, who then miss nothing."""

import trio

import trio_mq

STATION = "inproc://station"


async def report(endpoint: str, listeners: int) -> None:
    """Publish a week of temperatures for two cities, once everybody listens."""
    async with trio_mq.Pub(bind=endpoint) as pub:
        await pub.wait_for_subscribers(listeners)
        for day in range(7):
            await pub.send([b"bern", b"%d" % (10 + day)])
            await pub.send([b"oslo", b"%d" % (2 * day)])


async def average(endpoint: str, city: str) -> None:
    """Say what the week was like in one city."""
    async with trio_mq.Sub(connect=endpoint, topics=city) as sub:
        degrees = [int((await sub.receive())[1]) for _ in range(7)]
    print(city, sum(degrees) / len(degrees))


async def main() -> None:
    """Start both ends in any order."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(average, STATION, "bern")
        nursery.start_soon(report, STATION, 2)
        nursery.start_soon(average, STATION, "oslo")


if __name__ == "__main__":
    trio.run(main)
