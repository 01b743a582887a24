"""Begin together: whoever is ready asks, and nobody is answered before all are there."""

import trio

import trio_mq

COORDINATOR = "inproc://coordinator"


async def coordinate(count: int) -> None:
    """Keep the requests of a round in hand until there are so many, and then answer them all."""
    async with trio_mq.Rep(bind=COORDINATOR) as rep:
        ready: list[trio_mq.Request] = []
        async for request in rep.requests():
            ready = [*(other for other in ready if not other.peer.closed), request]
            if len(ready) == count:
                for node in ready:
                    await node.reply(b"go")
                ready = []


async def live(name: str, *seconds: float) -> None:
    """Prepare, wait for the others, work, and wait for them once more."""
    async with trio_mq.Req(connect=COORDINATOR) as req:
        for phase, needed in zip(("prepared", "worked"), seconds, strict=True):
            await trio.sleep(needed)
            print(name, "has", phase)
            await req.request(b"ready")


async def main() -> None:
    """Let three nodes prepare and work, which takes each a time of its own."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(coordinate, 3)
        async with trio.open_nursery() as nodes:
            nodes.start_soon(live, "ada", 1, 4)
            nodes.start_soon(live, "grace", 5, 1)
            nodes.start_soon(live, "mary", 3, 2)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
