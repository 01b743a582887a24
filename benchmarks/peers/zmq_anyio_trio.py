"""zmq-anyio, a wrapper around pyzmq's sockets, on trio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import zmq
import zmq_anyio

from benchmarks.job import Job
from benchmarks.loops.cooperative import TRIO, Library, Port, exchanges_of_many_sockets

from .pyzmq_blocking import KINDS, SERVERS


@asynccontextmanager
async def open_port(kind: str, job: Job) -> AsyncIterator[Port]:
    """Open a socket in the shared context; on leaving, what it has not written is dropped."""
    raw: zmq.Socket[bytes] = zmq.Context.instance().socket(KINDS[kind])
    raw.linger = 0
    (raw.bind if kind in SERVERS else raw.connect)(job.endpoint)
    async with zmq_anyio.Socket(raw) as socket:
        if job.frames > 1:
            yield Port(socket.asend_multipart, socket.arecv_multipart)
        else:
            yield Port(socket.asend, socket.arecv)


ROLES: Final = Library(TRIO, open_port, exchanges_of_many_sockets(open_port)).roles()
