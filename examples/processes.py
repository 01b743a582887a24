"""Share work among processes: each has a trio run of its own, and they talk over ipc."""

import multiprocessing
import tempfile

import trio

import trio_mq


async def work(tasks: str, results: str) -> None:
    """Square numbers until there is an empty task."""
    async with trio_mq.Pull(connect=tasks) as pull, trio_mq.Push(connect=results) as push:
        while task := bytes(await pull.receive()):
            await push.send(str(int(task) ** 2).encode())


async def share(tasks: str, results: str) -> None:
    """Give tasks to two workers, add up the results, and give each worker its end."""
    async with trio_mq.Push(bind=tasks) as push, trio_mq.Pull(bind=results) as pull:
        await push.wait_for_peers(2)
        await push.send_many([str(number).encode() for number in range(10)])
        print(sum([int((await pull.receive()).text) for _ in range(10)]))
        await push.send_many([b"", b""])  # in turn: one for each


def main() -> None:
    """Start the workers as new programs ("spawn"), which is right on every system."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        endpoints = f"ipc://{folder}/tasks", f"ipc://{folder}/results"
        workers = [spawn.Process(target=trio.run, args=(work, *endpoints)) for _ in range(2)]
        for process in workers:
            process.start()
        trio.run(share, *endpoints)


if __name__ == "__main__":
    main()
