"""A worker with trio_mq: ``python -m chaos.worker ROLE ENDPOINT…``; see `chaos.processes`.

It writes what it received to its standard output, a record at a time, in a way that survives being
killed. At SIGTERM it ends when nothing has come for a while.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import trio

import trio_mq
from chaos.records import QUIET, log, publication, stamp
from trio_mq import ConnectionOptions

_SOON: Final = ConnectionOptions(
    reconnect_interval=0.05, reconnect_interval_max=0.2, handshake_timeout=2, receive_hwm=50
)


async def pull(endpoint: str) -> None:
    """Write down what arrives."""
    async with trio_mq.Pull(**_SOON) as socket:
        await _take_place(socket, endpoint)
        async for message in socket:
            log(bytes(message)[:8])


async def rep(endpoint: str) -> None:
    """Answer each request with itself, after a moment."""
    async with trio_mq.Rep(**_SOON) as socket:
        await _take_place(socket, endpoint)
        async for request in socket:
            await trio.sleep(random.random() * 0.03)
            await socket.send([b"re:", *request])


async def sub(endpoint: str, topic: str) -> None:
    """Write down what is published."""
    async with trio_mq.Sub(topics=topic, connect=endpoint, **_SOON) as socket:
        async for name, record in socket:
            if name != topic.encode():
                raise AssertionError(f"{name!r} was not asked for")
            log(record)


async def pub(endpoint: str) -> None:
    """Publish numbers of this life on two topics."""
    life = stamp()
    async with trio_mq.Pub(bind=endpoint, linger=0) as socket:
        for number in itertools.count():
            await socket.send([b"a" if number % 2 else b"b", publication(life, number)])
            await trio.sleep(0.001)


async def proxy(frontend: str, backend: str) -> None:
    """Pass requests on."""
    async with (
        trio_mq.Router(bind=frontend, linger=0) as clients,
        trio_mq.Dealer(bind=backend, linger=0) as workers,
    ):
        await trio_mq.proxy(clients, workers)


async def _take_place(socket: trio_mq.Socket, endpoint: str) -> None:
    if endpoint.startswith("bind:"):
        await socket.bind(endpoint.removeprefix("bind:"))
    else:
        await socket.connect(endpoint)


ROLES: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    role.__name__: role for role in (pull, rep, sub, pub, proxy)
}


async def main(*arguments: str) -> None:
    """Play a role until SIGTERM, and then for as long as something comes."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ROLES[arguments[0]], *arguments[1:])
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                break
        while True:
            size = os.fstat(sys.stdout.fileno()).st_size
            await trio.sleep(QUIET)
            if os.fstat(sys.stdout.fileno()).st_size == size:
                break
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
