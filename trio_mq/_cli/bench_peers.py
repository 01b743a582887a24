"""The two ends of each measurement, in each library; each runs in a process of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

import trio

from trio_mq import Pull, Push, Rep, Req

#: Messages between two looks at the clock.
_ROUND: Final = 100


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _trio_pull(_endpoint: str, _size: int, seconds: float) -> None:
    async def main() -> None:
        async with Pull() as pull:
            _say(await pull.bind("tcp://127.0.0.1:*"))
            await pull.receive()
            begun, count, elapsed = time.perf_counter(), 0, 0.0
            while elapsed < seconds:
                count += len(await pull.receive_many())
                elapsed = time.perf_counter() - begun
            _say(count / elapsed)

    trio.run(main)


def _trio_push(endpoint: str, size: int, _seconds: float) -> None:
    async def main() -> None:
        async with Push(connect=endpoint) as push:
            message = bytes(size)
            while True:
                await push.send(message)

    trio.run(main)


def _trio_req(endpoint: str, size: int, _seconds: float) -> None:
    async def main() -> None:
        async with Req(connect=endpoint) as req:
            message = bytes(size)
            while True:
                await req.request(message)

    trio.run(main)


def _trio_rep(_endpoint: str, _size: int, seconds: float) -> None:
    async def main() -> None:
        async with Rep() as rep:
            _say(await rep.bind("tcp://127.0.0.1:*"))
            await rep.send(await rep.receive())
            begun, count, elapsed = time.perf_counter(), 0, 0.0
            while elapsed < seconds:
                for _ in range(_ROUND):
                    await rep.send(await rep.receive())
                count += _ROUND
                elapsed = time.perf_counter() - begun
            _say(count / elapsed)

    trio.run(main)


def _zmq_count(answer: bool) -> Callable[[str, int, float], None]:  # noqa: FBT001  # one of two
    def count_messages(_endpoint: str, _size: int, seconds: float) -> None:
        import zmq  # noqa: PLC0415  # only where it is asked for

        with zmq.Context() as context, context.socket(zmq.REP if answer else zmq.PULL) as socket:
            socket.bind("tcp://127.0.0.1:*")
            _say(socket.get_string(zmq.LAST_ENDPOINT))
            first = socket.recv()
            if answer:
                socket.send(first)
            begun, count, elapsed = time.perf_counter(), 0, 0.0
            while elapsed < seconds:
                for _ in range(_ROUND):
                    message = socket.recv()
                    if answer:
                        socket.send(message)
                count += _ROUND
                elapsed = time.perf_counter() - begun
            _say(count / elapsed)
            socket.linger = 0

    return count_messages


def _zmq_send(ask: bool) -> Callable[[str, int, float], None]:  # noqa: FBT001  # one of two
    def send_messages(endpoint: str, size: int, _seconds: float) -> None:
        import zmq  # noqa: PLC0415  # only where it is asked for

        with zmq.Context() as context, context.socket(zmq.REQ if ask else zmq.PUSH) as socket:
            socket.connect(endpoint)
            message = bytes(size)
            while True:
                socket.send(message)
                if ask:
                    socket.recv()

    return send_messages


PEERS: Final[dict[tuple[str, str, str], Callable[[str, int, float], None]]] = {
    ("trio_mq", "messages", "count"): _trio_pull,
    ("trio_mq", "messages", "send"): _trio_push,
    ("trio_mq", "round-trips", "count"): _trio_rep,
    ("trio_mq", "round-trips", "send"): _trio_req,
    ("pyzmq", "messages", "count"): _zmq_count(answer=False),
    ("pyzmq", "messages", "send"): _zmq_send(ask=False),
    ("pyzmq", "round-trips", "count"): _zmq_count(answer=True),
    ("pyzmq", "round-trips", "send"): _zmq_send(ask=True),
}
"""What each process does, by library, work and role: it gets an endpoint, a size and seconds."""
