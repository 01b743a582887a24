"""Loops for libraries whose calls block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

import attrs

from benchmarks.job import Figures, Job, Role, finish, ready

from .ring import ROUND, Received, Ring, payloads
from .stopwatch import Stopwatch

Send: TypeAlias = Callable[[bytes | list[bytes]], object]
Receive: TypeAlias = Callable[[], Received]


@attrs.frozen
class Port:
    """The two calls of an open socket, exactly as its library offers them."""

    send: Send
    receive: Receive


#: Opens a socket of a kind ("push", "pull", "req", "rep", "dealer", "router") for a job, bound if
#: it is a server's.
Open: TypeAlias = Callable[[str, Job], AbstractContextManager[Port]]


def ring_for(job: Job) -> Ring:
    """Return the ring that the two ends of this job share."""
    return Ring.of(payloads(job.size), frames_per_message=job.frames)


def send_rounds(send: Send, ring: Ring, rounds: int) -> None:
    """Send every message, one call each."""
    for _ in range(rounds):
        for message in ring.messages:
            send(message)


def receive_rounds(receive: Receive, ring: Ring, rounds: int) -> Figures:
    """Receive and check every message, one call each."""
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        for place, portion in enumerate(ring.portions):
            ring.check(place, [receive() for _ in portion])
    return watch.figures(rounds, len(ring.messages))


def request_rounds(port: Port, ring: Ring, rounds: int) -> Figures:
    """Send each message and wait for its echo before the next."""
    send, receive = port.send, port.receive
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        replies: list[Received] = []
        for message in ring.messages:
            send(message)
            replies.append(receive())
        ring.check(0, replies)
    return watch.figures(rounds, len(ring.messages))


def echo(port: Port, count: int) -> None:
    """Send so many messages back as they came."""
    send, receive = port.send, port.receive
    for _ in range(count):
        send(receive())  # type: ignore[arg-type]


def roles(open_port: Open) -> dict[str, Role]:
    """Return the roles that any blocking library can play."""

    def sender(job: Job) -> None:
        ring = ring_for(job)
        with open_port("push", job) as port:
            send_rounds(port.send, ring, job.rounds)
            finish({})

    def receiver(job: Job) -> None:
        ring = ring_for(job)
        with open_port("pull", job) as port:
            ready()
            finish(receive_rounds(port.receive, ring, job.rounds))

    def requester(job: Job) -> None:
        ring = ring_for(job)
        with open_port("req", job) as port:
            finish(request_rounds(port, ring, job.rounds))

    def replier(job: Job) -> None:
        with open_port("rep", job) as port:
            ready()
            echo(port, job.rounds * ROUND)
            finish({})

    return {"sender": sender, "receiver": receiver, "requester": requester, "replier": replier}
