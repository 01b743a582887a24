"""A queue that survives kill -9: tasks wait in a stream of Redis until a worker has done them."""

import contextlib
import os
import sys

import coredis
import trio

import trio_mq

STREAM, GROUP = "tasks", "workers"
PATIENCE = 1.0  # seconds for a task, after which another worker gets it as well


async def queue(folder: str) -> None:
    """Take tasks at one end and give them out at the other. All that it knows is in Redis."""
    async with (
        coredis.Redis(unix_socket_path=f"{folder}/redis") as redis,
        trio_mq.Rep(bind=f"ipc://{folder}/new") as new,
        trio_mq.Push(bind=f"ipc://{folder}/tasks", send_hwm=1) as tasks,
        trio_mq.Pull(bind=f"ipc://{folder}/done") as done,
        trio.open_nursery() as nursery,
    ):

        async def store(request: trio_mq.Request) -> bytes:
            return await redis.xadd(STREAM, {"task": bytes(request.message)}) or b""

        async def strike_off() -> None:
            async for number in done:
                async with redis.pipeline(transaction=True) as both:
                    both.xack(STREAM, GROUP, [bytes(number)])
                    both.xdel(STREAM, [bytes(number)])

        with contextlib.suppress(coredis.exceptions.StreamDuplicateConsumerGroupError):
            await redis.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        nursery.start_soon(new.serve, store)
        nursery.start_soon(strike_off)
        while True:
            late = await redis.xautoclaim(STREAM, GROUP, "queue", int(PATIENCE * 1000), "0")
            fresh = await redis.xreadgroup(GROUP, "queue", {STREAM: ">"}, count=10, block=500)
            for entry in [*late[1], *(fresh or {}).get(STREAM.encode(), ())]:
                await tasks.send([entry.identifier, entry.field_values[b"task"]])


async def work(folder: str) -> None:
    """Do a task, and only then say so."""
    async with (
        trio_mq.Pull(connect=f"ipc://{folder}/tasks", receive_hwm=1) as tasks,
        trio_mq.Push(connect=f"ipc://{folder}/done") as done,
    ):
        async for number, task in tasks:
            print(os.getpid(), "has done", task.decode(), flush=True)
            await done.send(number)


if __name__ == "__main__":
    trio.run({"queue": queue, "work": work}[sys.argv[1]], sys.argv[2])
