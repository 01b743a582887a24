"""What a message costs in steps: bytecodes and calls, by layer and by function.

Times change with whatever else the machine does; counts don't. So a change that should spare work
is counted first and timed afterwards. From the root of the checkout::

    python -m benchmarks.steps                   # a round trip, by layer
    python -m benchmarks.steps receive --all     # a small message that is received, by function
    PYTHONPATH=../old python benchmarks/steps.py round-trip    # the same of another checkout

A bytecode is a step of Python's interpreter, of one Python version; a call is a function that is
entered, or a coroutine that goes on. What C code does costs steps of neither kind. Both ends are in
one process, and are counted together in a round trip.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count as count_up
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

import attrs
import trio

import trio_mq
from trio_mq._waiting import current_slice

#: Messages before counting begins, and those that are counted.
_WARM_UP: Final = 100
_COUNTED: Final = 1000
#: Requests that are out at once, where many are.
_AT_ONCE: Final = 100

_TRIO_MQ: Final = PurePath(trio_mq.__file__).parent
_TRIO: Final = PurePath(trio.__file__).parent

Work = Callable[["Steps", int], Awaitable[None]]


class Row(NamedTuple):
    """What one layer, or one function, takes of each message."""

    name: str
    bytecodes: float
    calls: float


@attrs.define
class Steps:
    """The bytecodes and calls of each function, while `counting`."""

    _bytecodes: Counter[CodeType] = attrs.field(factory=Counter)
    _calls: Counter[CodeType] = attrs.field(factory=Counter)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what every task of this thread does, but for the frames that are running now."""
        before = sys.gettrace()
        # CPython 3.12 tells of bytecodes only if some frame had asked for them when tracing began.
        here = inspect.currentframe()
        assert here is not None  # CPython has frames
        here.f_trace_opcodes = True
        sys.settrace(self._entered)
        try:
            yield
        finally:
            sys.settrace(before)

    def _entered(self, frame: FrameType, event: str, arg: object) -> Any:  # noqa: ANN401, ARG002  # sys.settrace has it so
        self._calls[frame.f_code] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, arg: object) -> Any:  # noqa: ANN401, ARG002  # as above
        if event == "opcode":
            self._bytecodes[frame.f_code] += 1
        return self._stepped

    def rows(self, messages: int, name: Callable[[CodeType], str]) -> list[Row]:
        """Return what each message took, under the names of layers or functions, largest first."""
        bytecodes: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for code, count in self._bytecodes.items():
            bytecodes[name(code)] += count
        for code, count in self._calls.items():
            calls[name(code)] += count
        return [
            Row(each, count / messages, calls[each] / messages)
            for each, count in bytecodes.most_common()
        ]


def layer_of(code: CodeType) -> str:
    """Return the layer that a function belongs to: a package of ours, trio, or another's."""
    path = PurePath(code.co_filename)
    if path.is_relative_to(_TRIO_MQ):
        part = path.relative_to(_TRIO_MQ).parts[0]
        return f"trio_mq.{part.removesuffix('.py')}"
    if path.is_relative_to(_TRIO):
        return "trio"
    if code.co_filename.startswith("<attrs generated"):
        return "made by attrs"
    return "this program" if path == PurePath(__file__) else path.parent.name or "others"


def function_of(code: CodeType) -> str:
    """Return the name of a function with its file."""
    return f"{PurePath(code.co_filename).name}:{code.co_qualname}"


# -- what is counted ------------------------------------------------------------------------------


async def round_trip(steps: Steps, count: int) -> None:
    """One request and its reply after the other, over tcp."""
    async with _asking() as req:
        for _ in range(_WARM_UP):
            await req.request(b"request")
        with steps.counting():
            for _ in range(count):
                await req.request(b"request")


async def turns(steps: Steps, count: int) -> None:
    """The same, where requests are sent and replies received."""
    async with _asking() as req:
        for _ in range(_WARM_UP):
            await req.send(b"request")
            await req.receive()
        with steps.counting():
            for _ in range(count):
                await req.send(b"request")
                await req.receive()


@asynccontextmanager
async def _asking() -> AsyncIterator[trio_mq.Req]:
    async def answer() -> None:
        while True:
            await rep.receive()
            await rep.send(b"reply")

    async with (
        trio_mq.Rep(bind="tcp://127.0.0.1:*") as rep,
        trio_mq.Req(connect=rep.endpoints[0].endpoint) as req,
        trio.open_nursery() as nursery,
    ):
        # What counts takes longer than what is counted. So each look at the clock finds it a little
        # later: enough for a message to go alone, and too little to end a time slice.
        current_slice().clock = count_up(0.0, 30e-6).__next__
        nursery.start_soon(answer)
        yield req
        nursery.cancel_scope.cancel()


async def requests(steps: Steps, count: int) -> None:
    """A request and its reply where a hundred are out at once, and a function answers them."""
    _stop_the_clock()

    async def answer(request: trio_mq.Request) -> trio_mq.Message:
        return request.message

    async def ask(times: int) -> None:
        for _ in range(times):
            await req.request(bytes(16))

    async with (
        trio_mq.Router(bind="tcp://127.0.0.1:*") as router,
        trio_mq.Req(connect=router.endpoints[0].endpoint, correlate=True) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(router.serve, answer)
        await req.request(bytes(16))
        with steps.counting():
            async with trio.open_nursery() as asking:
                for task in range(_AT_ONCE):
                    # All of them together make so many.
                    asking.start_soon(ask, (count + task) // _AT_ONCE)
        nursery.cancel_scope.cancel()


async def send(steps: Steps, count: int) -> None:
    """Messages of 16 bytes that are accepted, with the writer's share."""
    await _stream(steps, count, sends=True)


async def receive(steps: Steps, count: int) -> None:
    """Messages of 16 bytes that have arrived, with the reader's share."""
    await _stream(steps, count, sends=False)


async def _stream(steps: Steps, count: int, *, sends: bool) -> None:
    _stop_the_clock()
    async with (
        trio_mq.Pull(bind="tcp://127.0.0.1:*") as pull,
        trio_mq.Push(connect=pull.endpoints[0].endpoint) as push,
    ):
        for _ in range(_WARM_UP):
            await push.send(bytes(16))
            await pull.receive()
        with steps.counting() if sends else _not_counting():
            for _ in range(count):
                await push.send(bytes(16))
            await push.drain()
        while pull.statistics().waiting_to_receive < count:
            await trio.lowlevel.checkpoint()
        with _not_counting() if sends else steps.counting():
            for _ in range(count):
                await pull.receive()


def _stop_the_clock() -> None:
    """Let time slices be ended by their number of messages: to be counted makes a task slow."""
    current_slice().clock = lambda: 0.0


@contextmanager
def _not_counting() -> Iterator[None]:
    yield


async def publish(steps: Steps, count: int) -> None:
    """One small message that is published to ten subscribers, with their receiving it."""
    await _publish(steps, count, [b""] * 10, [bytes(16)])


async def topics(steps: Steps, count: int) -> None:
    """One small message that one of ten subscribers gets, with its receiving it."""
    names = [b"topic-%d" % number for number in range(10)]
    await _publish(steps, count, names, [name + bytes(9) for name in names])


async def _publish(
    steps: Steps, count: int, subscriptions: list[bytes], messages: list[bytes]
) -> None:
    _stop_the_clock()
    async with (
        trio_mq.Pub(bind="tcp://127.0.0.1:*", on_full="block") as pub,
        trio.open_nursery() as nursery,
    ):
        for topic in subscriptions:
            nursery.start_soon(_subscribe, pub.endpoints[0].endpoint, topic)
        await pub.wait_for_subscribers(len(subscriptions))
        for number in range(_WARM_UP):
            await pub.send(messages[number % len(messages)])
        with steps.counting():
            for number in range(count):
                await pub.send(messages[number % len(messages)])
            await pub.drain()
        nursery.cancel_scope.cancel()


async def _subscribe(endpoint: str, topic: bytes) -> None:
    async with trio_mq.Sub(connect=endpoint, topics=[topic]) as sub:
        async for _ in sub:
            pass


WORKS: Final[dict[str, Work]] = {
    "round-trip": round_trip,
    "turns": turns,
    "requests": requests,
    "send": send,
    "receive": receive,
    "publish": publish,
    "topics": topics,
}


def count(work: str, messages: int = _COUNTED) -> Steps:
    """Do a work and return what it took."""
    steps = Steps()
    trio.run(WORKS[work], steps, messages)
    return steps


def main(arguments: list[str] | None = None) -> None:
    """Count one work and print what a message takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("work", nargs="?", choices=WORKS, default="round-trip")
    parser.add_argument("--all", action="store_true", help="by function, not by layer")
    parser.add_argument("--messages", type=int, default=_COUNTED, help="how many are counted")
    chosen = parser.parse_args(arguments)
    steps = count(chosen.work, chosen.messages)
    rows = steps.rows(chosen.messages, function_of if chosen.all else layer_of)
    rows.insert(0, Row("all", sum(row.bytecodes for row in rows), sum(row.calls for row in rows)))
    print(f"{'bytecodes':>10} {'calls':>8}  {chosen.work}, each")
    for row in rows:
        print(f"{row.bytecodes:10.1f} {row.calls:8.2f}  {row.name}")


if __name__ == "__main__":
    main()
