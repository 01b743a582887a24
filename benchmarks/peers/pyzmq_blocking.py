"""pyzmq with blocking calls: libzmq's own threads do the work, Python only asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import zmq

from benchmarks.job import Job, Role, finish
from benchmarks.loops import keys
from benchmarks.loops.blocking import Port, ring_for, roles
from benchmarks.loops.ring import Received, Ring
from benchmarks.loops.stopwatch import Stopwatch
from benchmarks.peers import pyzmq_servers

#: What its calls return: bytes, or something to await.
Answer = TypeVar("Answer")

KINDS: Final = {
    "push": zmq.PUSH,
    "pull": zmq.PULL,
    "req": zmq.REQ,
    "rep": zmq.REP,
    "dealer": zmq.DEALER,
    "router": zmq.ROUTER,
}
#: The kinds that bind.
SERVERS: Final = frozenset({"pull", "rep", "router"})


def secure(socket: zmq.Socket[Answer], *, as_server: bool) -> None:
    """Put a socket under CURVE; the server lets everybody in."""
    if as_server:
        socket.curve_server = True
        socket.curve_secretkey = keys.SERVER_SECRET.encode()
    else:
        socket.curve_serverkey = keys.SERVER_PUBLIC.encode()
        socket.curve_publickey = keys.CLIENT_PUBLIC.encode()
        socket.curve_secretkey = keys.CLIENT_SECRET.encode()


@contextmanager
def open_socket(kind: str, job: Job) -> Iterator[zmq.Socket[bytes]]:
    """Open a socket with a context of its own; on leaving, what it has not written is dropped."""
    with zmq.Context() as context, context.socket(KINDS[kind]) as socket:
        socket.linger = 0
        if job.curve:
            secure(socket, as_server=kind in SERVERS)
        (socket.bind if kind in SERVERS else socket.connect)(job.endpoint)
        yield socket


@contextmanager
def open_port(kind: str, job: Job) -> Iterator[Port]:
    """Offer the calls for one frame, or those for several."""
    with open_socket(kind, job) as socket:
        if job.frames > 1:
            yield Port(socket.send_multipart, socket.recv_multipart)  # type: ignore[arg-type]
        else:
            yield Port(socket.send, socket.recv)  # type: ignore[arg-type]


def requesters(job: Job) -> None:
    """Keep so many requests on their way from one DEALER: no REQ can, and nothing is faster."""
    ring = ring_for(job)
    with open_socket("dealer", job) as socket:
        watch = Stopwatch.for_rounds(job.rounds)
        for index in range(job.rounds):
            watch.round_begins(index)
            ring.check(0, _pipelined(socket, ring, job.concurrency))
        finish(watch.figures(job.rounds, len(ring.messages)))


def _pipelined(socket: zmq.Socket[bytes], ring: Ring, window: int) -> list[Received]:
    replies: list[Received] = []
    for place, message in enumerate(ring.messages):
        if place >= window:
            replies.append(socket.recv_multipart()[1])
        socket.send_multipart([b"", message])  # type: ignore[list-item]
    while len(replies) < len(ring.messages):
        replies.append(socket.recv_multipart()[1])
    return replies


ROLES: Final[dict[str, Role]] = {
    **roles(open_port),
    **pyzmq_servers.ROLES,
    "requesters": requesters,
}
