"""The floor: non-blocking sockets and nothing else, one system call per message."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs

from benchmarks.job import Figures, Job, Role, finish, ready
from benchmarks.loops.addresses import bound, connected
from benchmarks.loops.ring import ROUND, ByteCheck, payloads
from benchmarks.loops.stopwatch import Stopwatch

_READ: Final = 256 * 1024


@attrs.frozen
class Wire:
    """A non-blocking socket that polls when the kernel has no room or no bytes."""

    sock: socket.socket
    readable: select.poll
    writable: select.poll

    @classmethod
    def over(cls, sock: socket.socket) -> Wire:
        """Prepare a connected socket."""
        sock.settimeout(0)
        wire = cls(sock, select.poll(), select.poll())
        wire.readable.register(sock, select.POLLIN)
        wire.writable.register(sock, select.POLLOUT)
        return wire

    def send(self, data: bytes) -> None:
        """Write everything."""
        rest: bytes | memoryview = data
        while rest:
            try:
                sent = self.sock.send(rest)
            except BlockingIOError:
                self.writable.poll()
                continue
            rest = memoryview(rest)[sent:] if sent < len(rest) else b""

    def receive(self, most: int) -> bytes:
        """Read what is there."""
        while True:
            try:
                return self.sock.recv(most)
            except BlockingIOError:
                self.readable.poll()


@contextmanager
def accepted(job: Job) -> Iterator[Wire]:
    """Listen, and serve the first that connects."""
    with bound(job.endpoint) as listener:
        ready()
        sock, _ = listener.accept()
        with sock:
            yield Wire.over(sock)


def sender(job: Job) -> None:
    """Send every message in a call of its own."""
    messages = payloads(job.size)
    with connected(job.endpoint) as sock:
        wire = Wire.over(sock)
        for _ in range(job.rounds):
            for message in messages:
                wire.send(message)
        finish({})


def receiver(job: Job) -> None:
    """Read as much as there is at once: a stream has no messages."""
    with accepted(job) as wire:
        finish(_receive_rounds(wire, payloads(job.size), job.rounds))


def _receive_rounds(wire: Wire, messages: list[bytes], rounds: int) -> Figures:
    check = ByteCheck.of(messages)
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        end = (index + 1) * len(check.cycle)
        while check.position < end:
            check.feed(wire.receive(min(_READ, end - check.position)))
    return watch.figures(rounds, len(messages))


def requester(job: Job) -> None:
    """Send a message, wait for its echo, as often as told."""
    messages = payloads(job.size)
    watch = Stopwatch.for_rounds(job.rounds)
    with connected(job.endpoint) as sock:
        wire = Wire.over(sock)
        for index in range(job.rounds):
            watch.round_begins(index)
            for message in messages:
                wire.send(message)
                assert wire.receive(job.size) == message
        finish(watch.figures(job.rounds, len(messages)))


def replier(job: Job) -> None:
    """Send back what arrives."""
    with accepted(job) as wire:
        for _ in range(job.rounds * ROUND):
            wire.send(wire.receive(job.size))
        finish({})


ROLES: Final[dict[str, Role]] = {
    "sender": sender,
    "receiver": receiver,
    "requester": requester,
    "replier": replier,
}
