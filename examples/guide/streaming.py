"""Replies that come in pieces, and a client that may leave before the last one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import trio

import trio_mq

SERVICE = "inproc://service"


async def count(router: trio_mq.Router, message: trio_mq.Message, peer: trio_mq.Peer) -> None:
    """Send a piece each second, and an empty one at the end, as long as the client is there."""
    try:
        for number in range(int(message[1])):
            await router.send_to(peer, b"%d" % number)
            await trio.sleep(1)
        await router.send_to(peer, b"")
    except trio_mq.Unroutable:
        print("service: the client has left")


async def serve() -> None:
    """Work for many clients at once."""
    async with trio_mq.Router(bind=SERVICE) as router, trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(count, router, *await router.receive_from())


async def stream(most: int) -> AsyncGenerator[int, None]:
    """Yield pieces as they come. A socket for each call: its end is the end of the work."""
    async with trio_mq.Dealer(connect=SERVICE) as dealer:
        await dealer.send(b"%d" % most)
        while piece := bytes(await dealer.receive()):
            yield int(piece)


async def main() -> None:
    """Take all of a short stream, and three pieces of an endless one."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with aclosing(stream(3)) as pieces:
            print([piece async for piece in pieces])
        async with aclosing(stream(10**9)) as pieces:
            async for piece in pieces:
                print(piece)
                if piece == 2:
                    break
        await trio.sleep(1.5)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
