"""A broker that gives each request to the worker that has waited for longest."""

import trio

import trio_mq

FRONT, BACK = "inproc://front", "inproc://back"
READY: tuple[bytes, ...] = (b"ready",)


async def broker() -> None:
    """Let workers ask for work: the reply to a worker is its next task."""

    async def next_task(worker: trio_mq.Request) -> trio_mq.Message:
        if worker.message != READY:
            await clients.send(worker.message)  # the result of the last task, with its envelope
        return await clients.receive()  # who waits here for longest is served first

    async with trio_mq.Router(bind=FRONT) as clients, trio_mq.Rep(bind=BACK) as workers:
        await workers.serve(next_task, max_concurrent=10_000)


async def work(name: str, seconds: float) -> None:
    """Ask for a task, work, and ask for the next one with the result in hand."""
    async with trio_mq.Req(connect=BACK) as req:
        result = READY
        while True:
            *envelope, question = await req.request(result)
            await trio.sleep(seconds)
            result = (*envelope, question + b" by " + name.encode())


async def ask(number: int) -> None:
    """A client is an ordinary Req: it can't tell the broker from a service."""
    async with trio_mq.Req(connect=FRONT) as req:
        print((await req.request(f"task {number}".encode())).text)


async def main() -> None:
    """Run two workers, one of them slow, and six clients who come a second apart."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker)
        nursery.start_soon(work, "quick", 0.5)
        await trio.sleep(0.1)
        nursery.start_soon(work, "slow", 3.2)
        async with trio.open_nursery() as clients:
            for number in range(6):
                await trio.sleep(1)
                clients.start_soon(ask, number)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
