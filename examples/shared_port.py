"""Serve one port with two processes: the kernel gives each new connection to one of them."""

import multiprocessing
import os
import socket

import trio

import trio_mq


async def serve(endpoint: str) -> None:
    """Say which process this is."""
    async with trio_mq.Rep(bind=endpoint, reuse_port=True) as rep:
        await rep.serve(lambda _: f"process {os.getpid()}".encode())


async def ask(endpoint: str) -> None:
    """Connect again and again, until both have answered."""
    answers: set[str] = set()
    while len(answers) < 2:
        async with trio_mq.Req(connect=endpoint) as req:
            answers.add((await req.request(b"who are you?")).text)
    print(len(answers), "processes have answered")


def main() -> None:
    """Find a free port and keep it, without listening there, as long as the others need it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        spawn = multiprocessing.get_context("spawn")
        for _ in range(2):
            spawn.Process(target=trio.run, args=(serve, endpoint), daemon=True).start()
        trio.run(ask, endpoint)


if __name__ == "__main__":
    main()
