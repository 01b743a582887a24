"""ZMTP clients of a few lines on non-blocking sockets: cheap enough to stand for ten thousand.

What is measured with them is the server alone: the same clients meet every library.
"""

from __future__ import annotations

import gc
import itertools
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import attrs

from benchmarks.job import Figures, Job, Role, descriptors_wanted, finish
from benchmarks.loops.addresses import connected
from benchmarks.loops.ring import ByteCheck, payloads, publications, wanted_by
from benchmarks.loops.stopwatch import Stopwatch

#: Signature, version 3.0, the NULL mechanism, not a server, filler (RFC 23).
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
#: Handshakes on their way at once: fewer than the backlog of 100 that libzmq listens with.
_HANDSHAKES: Final = 64
#: Connections that talk among the idle ones, and messages of each burst on one of them.
ACTIVE: Final = 8
BURST: Final = 64
_READ: Final = 256 * 1024


def _short_frame(flags: int, body: bytes) -> bytes:
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body


def _ready_command(socket_type: bytes) -> bytes:
    name, value = b"Socket-Type", len(socket_type).to_bytes(4, "big") + socket_type
    return _short_frame(4, b"\x05READY" + bytes((len(name),)) + name + value)


def _frame_end(data: bytes, start: int) -> int | None:
    """Return where the frame that starts there ends, if all of it is here."""
    if len(data) < start + 2:
        return None
    if not data[start] & 2:
        end = start + 2 + data[start + 1]
    elif len(data) < start + 9:
        return None
    else:
        end = start + 9 + int.from_bytes(data[start + 1 : start + 9], "big")
    return end if len(data) >= end else None


@attrs.define(eq=False)
class Connection:
    """One connection: what has been received of the handshake."""

    sock: socket.socket
    arrived: bytearray = attrs.field(factory=bytearray)

    def start(self, socket_type: bytes) -> None:
        """Send our whole side of the handshake at once: NULL leaves nothing to wait for."""
        self.sock.sendall(_GREETING + _ready_command(socket_type))

    def is_ready(self) -> bool:
        """Read what is there; the peer's READY, and nothing after it, ends the handshake."""
        piece = self.sock.recv(_READ)
        if not piece:
            raise ConnectionError("the server refused a connection")
        self.arrived += piece
        return _frame_end(bytes(self.arrived), 64) is not None


@contextmanager
def many_connections(job: Job, socket_type: bytes) -> Iterator[list[Connection]]:
    """Connect and handshake ``job.connections`` times, a bounded number at once."""
    descriptors_wanted(job.connections)
    with ExitStack() as stack:
        connections: list[Connection] = []
        waiting: dict[int, Connection] = {}
        poll = select.poll()
        while len(connections) < job.connections or waiting:
            while len(connections) < job.connections and len(waiting) < _HANDSHAKES:
                connection = Connection(stack.enter_context(connected(job.endpoint)))
                connection.start(socket_type)
                connections.append(connection)
                waiting[connection.sock.fileno()] = connection
                poll.register(connection.sock, select.POLLIN)
            for number, _ in poll.poll():
                if waiting[number].is_ready():
                    poll.unregister(number)
                    del waiting[number]
        yield connections


# ------------------------------------------------------------------------------- a crowd of DEALERs


def crowd(job: Job) -> None:
    """Connect many times, stay idle on most, and exchange messages on a few of them."""
    with _crowded(job) as (_, figures):
        finish(figures)


def clients(job: Job) -> None:
    """Do as the crowd, and then hang up when the server does, as a client of libzmq does."""
    with _crowded(job) as (connections, figures):
        _hang_up(connections)
        finish(figures)


@contextmanager
def _crowded(job: Job) -> Iterator[tuple[list[Connection], Figures]]:
    messages = payloads(job.size)
    bursts = [
        b"".join(_short_frame(0, message) for message in messages[start : start + BURST])
        for start in range(0, len(messages), BURST)
    ]
    before = time.perf_counter()
    with many_connections(job, b"DEALER") as connections:
        seconds = time.perf_counter() - before
        active = connections[:: max(1, len(connections) // ACTIVE)][:ACTIVE]
        figures = _exchange(active, bursts, job.rounds)
        yield connections, {**figures, "connects_per_second": job.connections / seconds}


def _hang_up(connections: Sequence[Connection]) -> None:
    """Close each connection when the server has ended it."""
    there = {connection.sock.fileno(): connection.sock for connection in connections}
    # Not `poll`, which looks at all of them each time.
    with select.epoll(len(there)) as poll:
        for number in there:
            poll.register(number, select.EPOLLIN)
        while there:
            for number, _ in poll.poll():
                with suppress(ConnectionError):
                    if there[number].recv(_READ):
                        continue
                poll.unregister(number)
                there.pop(number).close()


def _exchange(active: Sequence[Connection], bursts: Sequence[bytes], rounds: int) -> Figures:
    """Send a burst on each connection at once, and read the echoes of all."""
    pairs = list(zip(itertools.cycle(active), bursts, strict=False))
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        for connection, burst in pairs:
            connection.sock.sendall(burst)
        for connection, burst in pairs:
            echo = bytearray()
            while len(echo) < len(burst):
                echo += connection.sock.recv(len(burst) - len(echo))
            assert echo == burst, "an echo came back changed"
    return watch.figures(rounds, len(bursts) * BURST)


# ------------------------------------------------------------------------------------- subscribers


def subscriptions_of(subscriber: int, job: Job) -> list[bytes]:
    """Return the topics of one subscriber, those that match last."""
    idle = [b"never-%06d" % number for number in range(job.idle_subscriptions)]
    return [*idle, wanted_by(subscriber, one_topic=job.one_topic)]


def subscribers(job: Job) -> None:
    """Subscribe on many connections, then read and check whatever arrives on each."""
    with many_connections(job, b"SUB") as connections:
        checks = [_expected_by(number, job) for number in range(job.connections)]
        for number, connection in enumerate(connections):
            topics = subscriptions_of(number, job)
            connection.sock.sendall(b"".join(_short_frame(0, b"\x01" + topic) for topic in topics))
        gc.collect()
        finish(_read_rounds(connections, checks, job))


def _expected_by(subscriber: int, job: Job) -> ByteCheck:
    wanted = wanted_by(subscriber, one_topic=job.one_topic)
    round_of_messages = [m for m in publications(job.size) if m.startswith(wanted)]
    return ByteCheck.of([_short_frame(0, message) for message in round_of_messages])


def _read_rounds(
    connections: Sequence[Connection], checks: Sequence[ByteCheck], job: Job
) -> Figures:
    """Read until everyone has every round; the clock follows the first subscriber."""
    watch = Stopwatch.for_rounds(job.rounds)
    poll = select.poll()
    pending = {}
    for connection, check in zip(connections, checks, strict=True):
        poll.register(connection.sock, select.POLLIN)
        pending[connection.sock.fileno()] = (connection, check)
    round_bytes = len(checks[0].cycle)
    started = False
    while pending:
        for number, _ in poll.poll():
            connection, check = pending[number]
            check.feed(connection.sock.recv(min(_READ, len(check.cycle))))
            if check.position == len(check.cycle) * job.rounds:
                poll.unregister(number)
                del pending[number]
        if not started and checks[0].position >= watch.warm_up * round_bytes:
            watch.round_begins(watch.warm_up)
            started = True
    return watch.figures(job.rounds, len(publications(job.size)))


ROLES: Final[dict[str, Role]] = {"crowd": crowd, "clients": clients, "subscribers": subscribers}
