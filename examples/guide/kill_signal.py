"""A ventilator, workers and a sink, and a signal that ends the workers when all is done."""

import trio

import trio_mq

TASKS, RESULTS, CONTROL = "inproc://tasks", "inproc://results", "inproc://control"


async def ventilate(workers: int) -> None:
    """Hand out a hundred numbers, when the workers are there."""
    async with trio_mq.Push(bind=TASKS) as push:
        await push.wait_for_peers(workers)
        for number in range(100):
            await push.send(str(number).encode())


async def work() -> None:
    """Square numbers, until the word comes to stop."""
    async with (
        trio_mq.Pull(connect=TASKS) as tasks,
        trio_mq.Push(connect=RESULTS) as results,
        trio_mq.Sub(connect=CONTROL, topics="stop") as control,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(square, tasks, results)
        await control.receive()
        nursery.cancel_scope.cancel()


async def square(tasks: trio_mq.Pull, results: trio_mq.Push) -> None:
    """Do the work; it knows of no end."""
    async for task in tasks:
        await results.send(str(int(task.text) ** 2).encode())


async def collect(workers: int) -> None:
    """Add up all results, and then send the workers home."""
    async with trio_mq.Pull(bind=RESULTS) as pull, trio_mq.Pub(bind=CONTROL) as control:
        await control.wait_for_subscribers(workers)
        print(sum([int((await pull.receive()).text) for _ in range(100)]))
        await control.send(b"stop")


async def main() -> None:
    """Run it with three workers."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ventilate, 3)
        nursery.start_soon(collect, 3)
        for _ in range(3):
            nursery.start_soon(work)


if __name__ == "__main__":
    trio.run(main)
