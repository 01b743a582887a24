"""A forwarder between publishers and subscribers, and somebody who watches all that passes."""

import trio

import trio_mq

FRONT, BACK, COPIES = "inproc://front", "inproc://back", "inproc://copies"


async def forward() -> None:
    """Pass news on to subscribers, subscriptions back to publishers, and copies to who watches."""
    async with (
        trio_mq.XSub(bind=FRONT) as front,
        trio_mq.XPub(bind=BACK) as back,
        trio_mq.Push(bind=COPIES) as copies,
    ):
        await trio_mq.proxy(front, back, capture=copies)


async def publish() -> None:
    """Publish when somebody wants it: the proxy tells."""
    async with trio_mq.Pub(connect=FRONT) as pub:
        await pub.wait_for_subscribers(1, "news.")
        for number in range(3):
            await pub.send(b"news.%d" % number)
            await pub.send(b"sport.%d" % number)  # which nobody wants: it does not even leave here


async def listen() -> None:
    """Take three, and leave."""
    async with trio_mq.Sub(connect=BACK, topics="news.") as sub:
        for _ in range(3):
            print("heard", (await sub.receive()).text)


async def watch() -> None:
    """Print what passes: a subscription and its end one way, news the other."""
    async with trio_mq.Pull(connect=COPIES) as copies:
        for _ in range(5):
            message = await copies.receive()
            print("  passed", message.subscription or message.text)


async def main() -> None:
    """Stop the proxy when all others have ended."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(forward)
        async with trio.open_nursery() as others:
            for part in (watch, publish, listen):
                others.start_soon(part)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
