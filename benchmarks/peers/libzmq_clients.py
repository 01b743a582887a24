"""Clients of libzmq, through pyzmq: the same ones meet every server that is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import zmq

from benchmarks.figures import percentile
from benchmarks.job import Figures, Job, Role, finish, ready
from benchmarks.loops.ring import Received, Ring, payload, payloads, publications, wanted_by
from benchmarks.loops.stopwatch import Stopwatch
from benchmarks.peers.zmtp_by_hand import subscriptions_of

#: Messages that a subscriber reads before the next one has its turn: well below the high-water
#: mark, so that nobody makes the publisher wait.
_TURN: Final = 50
#: Round trips that come before the first that counts.
_WARM_UP: Final = 64
_LARGE: Final = 64 * 1024 * 1024


@contextmanager
def many_sockets(kind: int, job: Job) -> Iterator[list[zmq.Socket[bytes]]]:
    """Open and connect as many sockets as the job has connections."""
    with zmq.Context() as context, ExitStack() as stack:
        sockets = []
        for _ in range(job.connections):
            socket = stack.enter_context(context.socket(kind))
            socket.linger = 0
            # A SUB forgets, in silence, every subscription above its high-water mark.
            socket.sndhwm = 0 if kind == zmq.SUB else socket.sndhwm
            socket.connect(job.endpoint)
            sockets.append(socket)
        yield sockets


# ---------------------------------------------------------------------------------------- DEALERs


def dealers(job: Job) -> None:
    """Keep a few messages on their way from each of many DEALERs to a ROUTER that echoes."""
    ring = Ring.of(payloads(job.size))
    watch = Stopwatch.for_rounds(job.rounds)
    with many_sockets(zmq.DEALER, job) as sockets:
        for index in range(job.rounds):
            watch.round_begins(index)
            ring.check(0, _round(sockets, ring.messages, job.concurrency))
        finish(watch.figures(job.rounds, len(ring.messages)))


def _round(
    sockets: Sequence[zmq.Socket[bytes]], messages: Sequence[bytes | list[bytes]], each: int
) -> list[Received]:
    """Send a round, ``each`` messages per socket in turn, then collect the echoes in order."""
    owners = [sockets[place // each % len(sockets)] for place in range(len(messages))]
    for owner, message in zip(owners, messages, strict=True):
        owner.send(message)  # type: ignore[arg-type]
    return [owner.recv() for owner in owners]


# ------------------------------------------------------------------------------------ subscribers


def subscribers(job: Job) -> None:
    """Read every message of every subscriber, in turns."""
    with many_sockets(zmq.SUB, job) as sockets:
        for number, socket in enumerate(sockets):
            for topic in subscriptions_of(number, job):
                socket.subscribe(topic)
        rings = [_ring_of(number, job) for number in range(job.connections)]
        finish(_read_rounds(sockets, rings, job))


def _ring_of(subscriber: int, job: Job) -> list[bytes]:
    wanted = wanted_by(subscriber, one_topic=job.one_topic)
    return [message for message in publications(job.size) if message.startswith(wanted)]


def _read_rounds(
    sockets: Sequence[zmq.Socket[bytes]], rings: Sequence[list[bytes]], job: Job
) -> Figures:
    watch = Stopwatch.for_rounds(job.rounds)
    for index in range(job.rounds):
        watch.round_begins(index)
        for start in range(0, len(rings[0]), _TURN):
            for socket, ring in zip(sockets, rings, strict=True):
                expected = ring[start : start + _TURN]
                assert [socket.recv() for _ in expected] == expected, "lost or out of order"
    return watch.figures(job.rounds, len(publications(job.size)))


# ----------------------------------------------------------------------------- latency under load


def pinger(job: Job) -> None:
    """Time every one of many small round trips."""
    messages = payloads(job.size)
    times = []
    with many_sockets(zmq.REQ, job) as (socket,):
        for _ in range(job.rounds):
            for message in messages:
                before = time.perf_counter()
                socket.send(message)
                assert socket.recv() == message
                times.append(time.perf_counter() - before)
    times = sorted(times[_WARM_UP:])
    finish(
        {
            "per_second": len(times) / sum(times),
            "messages": len(times),
            "p50": percentile(times, 50),
            "p99": percentile(times, 99),
            "worst": times[-1],
        }
    )


def loader(job: Job) -> None:
    """Send messages of 64 MiB, one after the other, until this process is ended."""
    large = payload(0, _LARGE)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.sndhwm = 1
        socket.connect(job.second_endpoint)
        socket.send(large, copy=False)
        socket.send(large, copy=False)
        ready()
        while True:
            socket.send(large, copy=False)


ROLES: Final[dict[str, Role]] = {
    "dealers": dealers,
    "subscribers": subscribers,
    "pinger": pinger,
    "loader": loader,
}
