"""A client that asks again, of a service that is silent, crashes and comes back."""

import itertools

import trio

import trio_mq

SERVICE = "inproc://service"


async def serve(numbers: "itertools.count[int]") -> None:
    """Answer every third request; leave one unanswered, and crash at the other."""
    async with trio_mq.Rep(bind=SERVICE) as rep:
        async for request in rep.requests():
            match next(numbers) % 3:
                case 0:
                    print("  service: silent")
                case 1:
                    print("  service: crashes")
                    return
                case _:
                    await request.reply(b"you are welcome")


async def keep_serving() -> None:
    """Start it again four seconds after each crash."""
    numbers = itertools.count()
    while True:
        await serve(numbers)
        await trio.sleep(4)


async def main() -> None:
    """Ask ten times at most, with patience for each: that is all of the pattern."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_serving)
        async with trio_mq.Req(connect=SERVICE) as req:
            retry = trio_mq.Retry(attempts=10, patience=2.5)
            print((await req.request(b"please", retry=retry)).text)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
