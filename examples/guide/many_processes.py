"""One port and a process for each core: the kernel shares the connections among them."""

import hashlib
import multiprocessing
import os
import sys

import trio

import trio_mq

CLIENTS = 32


def compute(request: trio_mq.Request) -> list[bytes]:
    """Work for a millisecond or two, which holds up this whole process, and no other."""
    digest = hashlib.pbkdf2_hmac("sha256", bytes(request.message), b"salt", 5_000)
    return [digest, b"%d" % os.getpid()]


async def serve(endpoint: str) -> None:
    """Be one of the processes that answer there."""
    async with trio_mq.Rep(bind=endpoint, reuse_port=True) as rep:
        await rep.serve(compute)


async def forward(source: str, endpoint: str) -> None:
    """Or be one of those that share subscribers: each hears the news once, and tells its own."""
    async with (
        trio_mq.XSub(connect=source) as news,
        trio_mq.XPub(bind=endpoint, reuse_port=True) as subscribers,
    ):
        await trio_mq.proxy(news, subscribers)


async def ask(endpoint: str, requests: int, processes: set[bytes]) -> None:
    """Be a client, with a connection of its own."""
    async with trio_mq.Req(connect=endpoint) as req:
        for _ in range(requests):
            _, process = await req.request(b"something to compute")
            processes.add(process)


async def measure(endpoint: str, requests: int, count: int) -> None:
    """Wait until all processes are there, and then see how much they do in a second."""
    found: set[bytes] = set()
    while len(found) < count:
        await ask(endpoint, 1, found)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(ask, endpoint, requests, found)
    rate = CLIENTS * requests / (trio.current_time() - began)
    print(f"{len(found)} processes: {rate:.0f} requests a second")


if __name__ == "__main__":
    endpoint, requests = sys.argv[1], int(sys.argv[2])
    spawn = multiprocessing.get_context("spawn")
    for count in map(int, sys.argv[3:]):
        servers = [spawn.Process(target=trio.run, args=(serve, endpoint)) for _ in range(count)]
        for server in servers:
            server.start()
        trio.run(measure, endpoint, requests, count)
        for server in servers:
            server.kill()
            server.join()
