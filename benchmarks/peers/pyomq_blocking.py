"""pyomq, a binding of a Rust library that speaks ZMTP, with blocking calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyomq

from benchmarks.job import Job
from benchmarks.loops.blocking import Port, roles

KINDS: Final = {"push": pyomq.PUSH, "pull": pyomq.PULL, "req": pyomq.REQ, "rep": pyomq.REP}
SERVERS: Final = frozenset({"pull", "rep"})


@contextmanager
def open_port(kind: str, job: Job) -> Iterator[Port]:
    """Open a socket with a context of its own."""
    socket = pyomq.Context().socket(KINDS[kind])
    (socket.bind if kind in SERVERS else socket.connect)(job.endpoint)
    try:
        if job.frames > 1:
            yield Port(socket.send_multipart, socket.recv_multipart)
        else:
            yield Port(socket.send, socket.recv)
    finally:
        socket.close(0)


ROLES: Final = roles(open_port)
