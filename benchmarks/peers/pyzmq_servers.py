"""The servers of the comparison on libzmq, with blocking calls: what trio_mq's are held against."""

from __future__ import annotations

import gc
import threading
import time
from typing import Final

import zmq

from benchmarks.job import Job, Role, descriptors_wanted, finish, ready, resident_bytes
from benchmarks.loops.blocking import receive_rounds, ring_for
from benchmarks.loops.cooperative import SOCKETS
from benchmarks.loops.ring import ROUND, publications


def router(job: Job) -> None:
    """Send every message back to whom it came from; note the memory when all have connected."""
    descriptors_wanted(job.connections)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger = 0
        socket.bind(job.endpoint)
        gc.collect()
        alone = resident_bytes()
        ready()
        first = socket.recv_multipart()
        crowded = resident_bytes()
        socket.send_multipart(first)
        for _ in range(job.rounds * ROUND - 1):
            socket.send_multipart(socket.recv_multipart())
        finish({"bytes_per_connection": (crowded - alone) / job.connections})


def closing(job: Job) -> None:
    """Send every message back, and close while all are connected."""
    descriptors_wanted(job.connections)
    with zmq.Context() as context:
        with context.socket(zmq.ROUTER) as socket:
            socket.linger = 0
            socket.bind(job.endpoint)
            ready()
            for _ in range(job.rounds * ROUND):
                socket.send_multipart(socket.recv_multipart())
            before = time.perf_counter()
        # libzmq closes in its own thread; the context waits for that.
        context.term()
        finish({"seconds_to_close": time.perf_counter() - before})


def publisher(job: Job) -> None:
    """Publish to all subscribers and wait for the slowest instead of dropping.

    An XPUB, which is a PUB that tells who has subscribed: nobody needs to sleep.
    """
    messages = publications(job.size)
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.bind(job.endpoint)
        ready()
        for _ in range(job.connections * (job.idle_subscriptions + 1)):
            socket.recv()
        for _ in range(job.rounds):
            for message in messages:
                socket.send(message)
        finish({})


def inproc(job: Job) -> None:
    """Send from one thread to another."""
    ring = ring_for(job)
    with (
        zmq.Context() as context,
        context.socket(zmq.PULL) as pull,
        context.socket(zmq.PUSH) as push,
    ):
        pull.bind(job.endpoint)
        push.connect(job.endpoint)

        def send_all() -> None:
            for _ in range(job.rounds):
                for message in ring.messages:
                    push.send(message)  # type: ignore[arg-type]

        thread = threading.Thread(target=send_all)
        thread.start()
        figures = receive_rounds(pull.recv, ring, job.rounds)
        thread.join()
        finish(figures)


def services(job: Job) -> None:
    """Answer small requests in one thread while another receives large messages."""
    with (
        zmq.Context() as context,
        context.socket(zmq.PULL) as pull,
        context.socket(zmq.REP) as rep,
    ):
        pull.bind(job.second_endpoint)
        pull.rcvhwm = 1
        rep.bind(job.endpoint)

        def swallow() -> None:
            while True:
                pull.recv()

        threading.Thread(target=swallow, daemon=True).start()
        ready()
        for _ in range(job.rounds * ROUND):
            rep.send(rep.recv())
        finish({})


def sockets(job: Job) -> None:
    """Open, bind and close sockets, each in a context of its own, as a small program does."""
    before = time.perf_counter()
    for _ in range(SOCKETS):
        with zmq.Context() as context, context.socket(zmq.PULL) as socket:
            socket.bind(job.endpoint)
    finish({"seconds_each": (time.perf_counter() - before) / SOCKETS})


ROLES: Final[dict[str, Role]] = {
    "router": router,
    "service": router,
    "closing": closing,
    "publisher": publisher,
    "inproc": inproc,
    "services": services,
    "sockets": sockets,
}
