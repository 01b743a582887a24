"""What a reader of the code has to follow: moves between files, and calls, on five trips.

Run it with ``python -m benchmarks.trips``. A trip is traced line by line in all tasks, and a move
is a line of trio_mq that stands in another file than the line of trio_mq before it. The machine and
its load change nothing about that, so two revisions can be compared: `PYTHONPATH` says which one is
counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import attrs
import trio
import trio.testing

import trio_mq
from trio_mq.lowlevel import set_checkpoint_mode

PACKAGE: Final = str(Path(trio_mq.__file__).parent)


@attrs.define
class Trip:
    """What was counted on one trip."""

    moves: int = 0
    calls: int = 0
    _file: str = ""

    def trace(self, frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401  # as settrace
        """Count a call into the package, and follow its lines."""
        if event != "call" or not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        self.calls += 1
        return self._line

    def _line(self, frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401  # as settrace
        file = frame.f_code.co_filename
        if event == "line" and file != self._file:
            self.moves += 1
            self._file = file
        return self._line


@contextmanager
def traced() -> Iterator[Trip]:
    """Count what happens in the block, in a new time slice."""
    set_checkpoint_mode("sliced")
    trip, before = Trip(), sys.gettrace()
    sys.settrace(trip.trace)
    try:
        yield trip
    finally:
        sys.settrace(before)


async def rest() -> None:
    """Let everything come to rest, and the last write lie some time in the past."""
    await trio.testing.wait_all_tasks_blocked(0.05)


async def message_out() -> Trip:
    """From ``send`` to the kernel."""
    async with (
        trio_mq.Pull(bind="tcp://127.0.0.1:*") as pull,
        trio_mq.Push(connect=pull.endpoints[0].endpoint) as push,
    ):
        await push.send(b"first")
        await pull.receive()
        await rest()
        with traced() as trip:
            await push.send(b"x")
        await pull.receive()
    return trip


def send_when_told(endpoint: str, told: threading.Event, over: threading.Event) -> None:
    """Send two messages, from a thread that is not traced, and stay until it is over."""

    async def send() -> None:
        async with trio_mq.Push(connect=endpoint) as push:
            await push.send(b"first")
            await trio.to_thread.run_sync(told.wait)
            await push.send(b"x")
            await trio.to_thread.run_sync(over.wait)

    trio.run(send)


async def message_in() -> Trip:
    """From the kernel to a task that waits in ``receive``."""
    told, over = threading.Event(), threading.Event()
    async with trio_mq.Pull(bind="tcp://127.0.0.1:*") as pull, trio.open_nursery() as nursery:
        endpoint = pull.endpoints[0].endpoint
        nursery.start_soon(trio.to_thread.run_sync, send_when_told, endpoint, told, over)
        await pull.receive()
        await rest()
        with traced() as trip:
            told.set()
            await pull.receive()
        over.set()
    return trip


async def subscription() -> Trip:
    """From ``subscribe`` to a publisher that knows it."""
    async with (
        trio_mq.Pub(bind="tcp://127.0.0.1:*") as pub,
        trio_mq.Sub(connect=pub.endpoints[0].endpoint) as sub,
    ):
        await pub.wait_for_peers()
        await sub.wait_for_peers()
        await rest()
        with traced() as trip:
            sub.subscribe("topic")
            await pub.wait_for_subscribers(1)
    return trip


async def request() -> Trip:
    """A ``request``, the ``receive`` and ``send`` of a Rep, and the reply."""

    async def serve(rep: trio_mq.Rep) -> None:
        while True:
            await rep.send(await rep.receive())

    async with (
        trio_mq.Rep(bind="tcp://127.0.0.1:*") as rep,
        trio_mq.Req(connect=rep.endpoints[0].endpoint) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(serve, rep)
        for _ in range(3):
            await req.request(b"first")
        await rest()
        with traced() as trip:
            await req.request(b"x")
        nursery.cancel_scope.cancel()
    return trip


async def failed_dial() -> Trip:
    """From ``connect`` to the event that says why it failed."""
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        async with trio_mq.Push(linger=0) as push:
            with push.events() as events, traced() as trip:
                await push.connect(endpoint)
                await events.receive()
    return trip


TRIPS: Final[dict[str, Callable[[], Awaitable[Trip]]]] = {
    "a message out": message_out,
    "a message in": message_in,
    "a subscription": subscription,
    "a request and its reply": request,
    "a failed dial": failed_dial,
}


async def count(name: str) -> Trip:
    """Count one trip, the second time that it is made: the first loads modules."""
    await TRIPS[name]()
    return await TRIPS[name]()


def main() -> None:
    """Print a line for each trip."""
    for name in TRIPS:
        trip = trio.run(count, name)
        print(f"{name:24} {trip.moves:4} moves {trip.calls:4} calls")


if __name__ == "__main__":
    main()
