"""How long a small request waits beside large boxes in the same program, and what it costs.

A program sends large messages to itself under CURVE, in several streams, and now and then asks
itself a small question in the clear. It does so in turn with the boxes in threads, as they are, and
in trio's own thread. From the root of the checkout::

    python -m benchmarks.boxes
    python -m benchmarks.boxes --size 262144 --streams 1 --requests 2000
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

import trio

from benchmarks.loops import keys
from trio_mq import Pull, Push, Rep, Req, auth
from trio_mq._connections import elsewhere

#: Seconds between two small questions.
_PAUSE: Final = 0.002
_ANYWHERE: Final = "tcp://127.0.0.1:*"
#: More bytes than a box has: all are worked on in trio's thread.
_NEVER: Final = 1 << 62


class Figures(NamedTuple):
    """What one run has found."""

    p50: float
    p99: float
    per_second: float
    cpu_seconds: float

    def __str__(self) -> str:
        return (
            f"a small request {1e3 * self.p50:6.2f} ms, p99 {1e3 * self.p99:6.2f} ms; "
            f"{self.per_second:6.0f} messages/s, {1e3 * self.cpu_seconds:5.2f} ms of CPU each"
        )


class _Run:
    """One run: what was received, and how long each question took."""

    def __init__(self, size: int) -> None:
        self._body = bytes(size)
        self._received = 0
        self._waited: list[float] = []

    async def measure(self, streams: int, requests: int) -> Figures:
        async with AsyncExitStack() as stack:
            ends = [await self._open_stream(stack) for _ in range(streams)]
            rep = await stack.enter_async_context(Rep(linger=0))
            req = await stack.enter_async_context(Req(linger=0))
            await req.connect(await rep.bind(_ANYWHERE), wait=True)
            nursery = await stack.enter_async_context(trio.open_nursery())
            for push, pull in ends:
                nursery.start_soon(self._send, push)
                nursery.start_soon(self._receive, pull)
            nursery.start_soon(rep.serve, lambda request: request.message)
            began, cpu = time.perf_counter(), time.process_time()
            await self._ask(req, requests)
            cpu, took = time.process_time() - cpu, time.perf_counter() - began
            nursery.cancel_scope.cancel()
        waited = statistics.quantiles(self._waited, n=100)
        received = max(1, self._received)
        return Figures(waited[49], waited[98], received / took, cpu / received)

    async def _open_stream(self, stack: AsyncExitStack) -> tuple[Push, Pull]:
        server = auth.CurveServer(auth.CurveKeys(secret=keys.SERVER_SECRET))
        client = auth.CurveClient(server=keys.SERVER_PUBLIC)
        pull = Pull(mechanism=server, authenticator=auth.ALLOW_ANY, linger=0, receive_hwm=8)
        push = Push(mechanism=client, linger=0, send_hwm=8)
        await stack.enter_async_context(pull)
        await stack.enter_async_context(push)
        await push.connect(await pull.bind(_ANYWHERE), wait=True)
        return push, pull

    async def _send(self, push: Push) -> None:
        while True:
            await push.send(self._body)

    async def _receive(self, pull: Pull) -> None:
        async for _ in pull:
            self._received += 1

    async def _ask(self, req: Req, requests: int) -> None:
        for _ in range(requests):
            asked = time.perf_counter()
            await req.request(b"small")
            self._waited.append(time.perf_counter() - asked)
            await trio.sleep(_PAUSE)


def measure(size: int, streams: int, requests: int, *, threads: bool) -> Figures:
    """Run it once; with boxes in threads, or in trio's own."""
    before = elsewhere.LARGE
    if not threads:
        elsewhere.LARGE = _NEVER  # type: ignore[misc]  # for this run
    try:
        return trio.run(_Run(size).measure, streams, requests)
    finally:
        elsewhere.LARGE = before  # type: ignore[misc]  # as it was


def main() -> None:
    """Measure both in turn, and print each run and the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=1024 * 1024, help="bytes of a large message")
    parser.add_argument("--streams", type=int, default=4, help="connections that carry them")
    parser.add_argument("--requests", type=int, default=500, help="small ones, in each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    given = parser.parse_args()
    runs: dict[bool, list[Figures]] = {True: [], False: []}
    for _ in range(given.rounds):
        for threads, found in runs.items():
            found.append(measure(given.size, given.streams, given.requests, threads=threads))
    for threads, found in runs.items():
        print("boxes in threads" if threads else "boxes in trio's thread")
        for figures in found:
            print(f"    {figures}")
        print(f"    {Figures(*map(statistics.median, zip(*found, strict=True)))}   median")


if __name__ == "__main__":
    main()
