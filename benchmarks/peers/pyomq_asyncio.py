"""pyomq on asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pyomq.asyncio

from benchmarks.job import Job
from benchmarks.loops.cooperative import ASYNCIO, Library, Port, exchanges_of_many_sockets

from .pyomq_blocking import KINDS, SERVERS

_CONTEXT: Final = pyomq.asyncio.Context()


@asynccontextmanager
async def open_port(kind: str, job: Job) -> AsyncIterator[Port]:
    """Open a socket in the shared context."""
    socket = _CONTEXT.socket(KINDS[kind])
    (socket.bind if kind in SERVERS else socket.connect)(job.endpoint)
    try:
        if job.frames > 1:
            yield Port(socket.send_multipart, socket.recv_multipart)
        else:
            yield Port(socket.send, socket.recv)
    finally:
        socket.close()


ROLES: Final = Library(ASYNCIO, open_port, exchanges_of_many_sockets(open_port)).roles()
