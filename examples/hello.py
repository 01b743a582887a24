"""A service and a client of it, in one program."""

import trio

import trio_mq


async def serve(endpoint: str) -> None:
    """Greet whoever asks."""
    async with trio_mq.Rep(bind=endpoint) as rep:
        async for request in rep:
            await rep.send(b"hello, " + request[0])


async def main(endpoint: str) -> None:
    """Ask once, for five seconds at most."""
    async with trio.open_nursery() as nursery, trio_mq.Req(connect=endpoint) as req:
        nursery.start_soon(serve, endpoint)
        with trio.fail_after(5):
            reply = await req.request(b"world")
        print(reply.text)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, "tcp://127.0.0.1:5555")
