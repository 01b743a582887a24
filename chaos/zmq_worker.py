"""A worker with libzmq: the same roles as `chaos.worker`, but for the proxy."""

from __future__ import annotations

import itertools
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import zmq

from chaos.records import QUIET, log, publication, stamp

_context: Final[zmq.Context[zmq.Socket[bytes]]] = zmq.Context()
_ending = False


def _open(kind: int, endpoint: str) -> zmq.Socket[bytes]:
    opened = _context.socket(kind)
    opened.setsockopt(zmq.LINGER, 0)
    opened.setsockopt(zmq.RCVHWM, 50)
    opened.setsockopt(zmq.RECONNECT_IVL, 50)
    opened.setsockopt(zmq.HANDSHAKE_IVL, 2000)
    opened.setsockopt(zmq.RCVTIMEO, 100)
    if kind == zmq.SUB:
        opened.setsockopt(zmq.SUBSCRIBE, sys.argv[3].encode())
    if endpoint.startswith("bind:"):
        opened.bind(endpoint.removeprefix("bind:"))
    elif kind == zmq.PUB:
        opened.bind(endpoint)
    else:
        opened.connect(endpoint)
    return opened


def _arrivals(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """Yield what arrives; after SIGTERM, for as long as something comes."""
    last = time.monotonic()
    while not (_ending and time.monotonic() - last > QUIET):
        try:
            message = socket.recv_multipart()
        except zmq.Again:
            continue
        last = time.monotonic()
        yield message


def pull(endpoint: str) -> None:
    """Write down what arrives."""
    for (message,) in _arrivals(_open(zmq.PULL, endpoint)):
        log(message[:8])


def rep(endpoint: str) -> None:
    """Answer each request with itself, after a moment."""
    socket = _open(zmq.REP, endpoint)
    for request in _arrivals(socket):
        time.sleep(random.random() * 0.03)
        socket.send_multipart([b"re:", *request])


def sub(endpoint: str, topic: str) -> None:
    """Write down what is published."""
    for name, record in _arrivals(_open(zmq.SUB, endpoint)):
        if name != topic.encode():
            raise AssertionError(f"{name!r} was not asked for")
        log(record)


def pub(endpoint: str) -> None:
    """Publish numbers of this life on two topics."""
    life = stamp()
    socket = _open(zmq.PUB, endpoint)
    for number in itertools.count():
        if _ending:
            break
        socket.send_multipart([b"a" if number % 2 else b"b", publication(life, number)])
        time.sleep(0.001)


ROLES: Final[dict[str, Callable[..., None]]] = {
    role.__name__: role for role in (pull, rep, sub, pub)
}


def _end(_signal: int, _frame: FrameType | None) -> None:
    global _ending  # noqa: PLW0603  # a program of one page
    _ending = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    ROLES[sys.argv[1]](*sys.argv[2:])
