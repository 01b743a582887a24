"""The floor under CURVE: PyNaCl's boxes over bare sockets, with no protocol but a count.

What goes over the wire for a message is its box, and many small ones go in one system call. So the
time is that of PyNaCl, and of as little Python around it as will do.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from nacl import bindings

from benchmarks.job import Figures, Job, Role, finish
from benchmarks.loops.addresses import connected
from benchmarks.loops.ring import Ring, as_is, payloads
from benchmarks.loops.stopwatch import Stopwatch

from .bare_sockets import Wire, accepted

_TAG: Final = 16
_PREFIX: Final = b"CurveZMQMESSAGEC"
_KEY: Final = bytes(range(32))
#: Bytes that are worth a system call.
_ENOUGH: Final = 64 * 1024
_READ: Final = 512 * 1024


def sender(job: Job) -> None:
    """Seal every message by itself, and send boxes together."""
    messages = payloads(job.size)
    seal, number = bindings.crypto_box_afternm, count(1)
    together = max(1, _ENOUGH // job.size)
    with connected(job.endpoint) as sock:
        wire = Wire.over(sock)
        for _ in range(job.rounds):
            for start in range(0, len(messages), together):
                boxes = [
                    seal(message, _PREFIX + next(number).to_bytes(8, "big"), _KEY)
                    for message in messages[start : start + together]
                ]
                wire.send(b"".join(boxes))
        finish({})


def receiver(job: Job) -> None:
    """Open every box."""
    ring = Ring.of(payloads(job.size), received=as_is)
    with accepted(job) as wire:
        finish(_receive_rounds(wire, ring, job.rounds, job.size + _TAG))


def _receive_rounds(wire: Wire, ring: Ring, rounds: int, size: int) -> Figures:
    open_box, number, boxes = bindings.crypto_box_open_afternm, count(1), _Boxes(wire, size)
    watch = Stopwatch.for_rounds(rounds)
    for index in range(rounds):
        watch.round_begins(index)
        for place, portion in enumerate(ring.portions):
            ring.check(
                place,
                [
                    open_box(boxes.next(), _PREFIX + next(number).to_bytes(8, "big"), _KEY)
                    for _ in portion
                ],
            )
    return watch.figures(rounds, len(ring.messages))


class _Boxes:
    """Boxes of one size, one after the other."""

    def __init__(self, wire: Wire, size: int) -> None:
        self._wire = wire
        self._size = size
        self._data = b""
        self._position = 0

    def next(self) -> bytes:
        """Return the next one."""
        start, end = self._position, self._position + self._size
        if end > len(self._data):
            pieces, held = [self._data[start:]], len(self._data) - start
            while held < self._size:
                pieces.append(self._wire.receive(_READ))
                held += len(pieces[-1])
            self._data, start, end = b"".join(pieces), 0, self._size
        self._position = end
        return self._data[start:end]


ROLES: Final[dict[str, Role]] = {"sender": sender, "receiver": receiver}
