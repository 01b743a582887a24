"""Clusters of workers that help each other: what one can't do at once, another one does."""

from contextlib import AsyncExitStack

import trio

import trio_mq


async def broker(name: str, others: list[str]) -> None:
    """Serve the clients of one cluster with its workers, or with those of another."""
    free: dict[str, int] = {}
    busy = 0

    async def here(request: trio_mq.Request) -> trio_mq.Message:
        nonlocal busy
        busy += 1
        try:
            return await workers.request(request.message)  # an idle one, if there is one
        finally:
            busy -= 1

    async def anywhere(request: trio_mq.Request) -> trio_mq.Message:
        best = max(free, key=free.__getitem__, default=name)
        if busy < len(workers.peers) or free.get(best, 0) < 1:
            return await here(request)
        free[best] -= 1
        return await clusters[best].request(request.message)

    async def listen() -> None:
        async for other, count in news:
            free[other.decode()] = int(count)

    async with (
        trio_mq.Rep(bind=f"inproc://{name}/clients") as clients,
        trio_mq.Rep(bind=f"inproc://{name}/cluster") as cluster,
        trio_mq.Req(bind=f"inproc://{name}/workers") as workers,
        trio_mq.Pub(bind=f"inproc://{name}/state") as state,
        trio_mq.Sub(connect=[f"inproc://{other}/state" for other in others], topics="") as news,
        trio.open_nursery() as nursery,
        AsyncExitStack() as stack,
    ):
        clusters = {
            other: await stack.enter_async_context(trio_mq.Req(connect=f"inproc://{other}/cluster"))
            for other in others
        }
        nursery.start_soon(clients.serve, anywhere)
        nursery.start_soon(cluster.serve, here)  # a request travels once, and never in a circle
        nursery.start_soon(listen)
        while True:
            await state.send([name.encode(), b"%d" % (len(workers.peers) - busy)])
            await trio.sleep(0.1)


async def work(name: str, cluster: str) -> None:
    """Take a second for each request."""

    async def answer(request: trio_mq.Request) -> list[bytes]:
        await trio.sleep(1)
        return [bytes(request.message), name.encode()]

    async with trio_mq.Rep(connect=f"inproc://{cluster}/workers") as rep:
        await rep.serve(answer)


async def ask(cluster: str, number: int) -> None:
    """Be one of the clients."""
    async with trio_mq.Req(connect=f"inproc://{cluster}/clients") as req:
        _, worker = await req.request(b"%d" % number)
        print("done by", worker.decode())


async def main() -> None:
    """Ask three things of a cluster with one worker, beside another whose two are idle."""
    async with trio.open_nursery() as nursery:
        for name, other, count in (("bern", "oslo", 1), ("oslo", "bern", 2)):
            nursery.start_soon(broker, name, [other])
            for number in range(count):
                nursery.start_soon(work, f"{name} {number}", name)
        await trio.sleep(1)
        began = trio.current_time()
        async with trio.open_nursery() as asking:
            for number in range(3):
                asking.start_soon(ask, "bern", number)
        print("all in", round(trio.current_time() - began), "second")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
