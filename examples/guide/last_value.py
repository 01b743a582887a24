"""A cache that gives the last value of a topic to who subscribes to it later."""

import contextlib

import trio

import trio_mq

NEWS, CACHE = "inproc://news", "inproc://cache"


async def cache() -> None:
    """Stand between a publisher and its subscribers, and remember."""
    last: dict[bytes, trio_mq.Message] = {}
    async with (
        trio_mq.Sub(connect=NEWS, topics="") as news,
        trio_mq.XPub(bind=CACHE, verbose="subscribe") as readers,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer, readers, last)
        async for message in news:
            last[message[0]] = message
            await readers.send(message)


async def answer(readers: trio_mq.XPub, last: dict[bytes, trio_mq.Message]) -> None:
    """Send to each new subscriber, and to nobody else, the last values of what it wants."""
    while True:
        message, peer = await readers.receive_from()
        match message.subscription:
            case True, wanted:
                for topic in [topic for topic in last if topic.startswith(wanted)]:
                    with contextlib.suppress(trio_mq.Unroutable):  # it has left
                        await readers.send_to(peer, last[topic])


async def read(name: str, topic: str) -> None:
    """Print what is known at once."""
    async with trio_mq.Sub(connect=CACHE, topics=topic) as sub:
        _, price = await sub.receive()
        print(name, "sees", topic, "at", price.decode())


async def main() -> None:
    """Publish each price once; readers come when all is said."""
    async with trio_mq.Pub(bind=NEWS) as pub, trio.open_nursery() as nursery:
        nursery.start_soon(cache)
        await pub.wait_for_subscribers(1)
        for topic, price in ((b"apples", b"3"), (b"pears", b"4"), (b"apples", b"5")):
            await pub.send([topic, price])
        await trio.sleep(1)
        await read("ada", "apples")
        await read("grace", "pears")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
