"""pyzmq on asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import zmq.asyncio

from benchmarks.job import Job, Role
from benchmarks.loops.cooperative import (
    ASYNCIO,
    Library,
    Port,
    Scheduler,
    exchanges_of_many_sockets,
)

from .pyzmq_blocking import KINDS, SERVERS, secure


@asynccontextmanager
async def open_port(kind: str, job: Job) -> AsyncIterator[Port]:
    """Open a socket in the shared context; on leaving, what it has not written is dropped."""
    with zmq.asyncio.Context.instance().socket(KINDS[kind]) as socket:
        socket.linger = 0
        if job.curve:
            secure(socket, as_server=kind in SERVERS)
        (socket.bind if kind in SERVERS else socket.connect)(job.endpoint)
        if job.frames > 1:
            yield Port(socket.send_multipart, socket.recv_multipart)
        else:
            yield Port(socket.send, socket.recv)


def roles_on(scheduler: Scheduler) -> dict[str, Role]:
    """Return pyzmq's roles on asyncio's own event loop or another one."""
    return Library(scheduler, open_port, exchanges_of_many_sockets(open_port)).roles()


ROLES: Final = roles_on(ASYNCIO)
