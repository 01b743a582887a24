"""Ctrl-C at any line: the program ends with KeyboardInterrupt, and every socket in order.

trio raises KeyboardInterrupt wherever the program is, unless the code there is protected. A socket
that was interrupted between two of its own lines would have queues and counters that don't agree,
or a waiting task that is not in its line any more. So a tracer sends the signal at the n-th line of
the library that runs, for many n, and then everything must add up.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Final

import pytest
import trio
import trio.testing

from trio_mq import Context, Pub, Pull, Push, Rep, Req, Socket, Sub, proxy
from trio_mq._waiting import Conditions

if TYPE_CHECKING:
    from _typeshed import TraceFunction

#: How many lines apart the interrupts are: prime, so that they fall on different lines of loops.
STRIDE: Final = 101
#: The program runs more lines of the library than these, or it does not do what it should.
FEWEST_LINES: Final = 5_000


class Interrupter:
    """Sends SIGINT at the n-th line of the library."""

    def __init__(self, line: int) -> None:
        self._left = line
        #: Where that was; empty: so many lines did not run.
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> Interrupter | None:
        """Count a line (the interface of `sys.settrace`)."""
        file = frame.f_code.co_filename
        if "trio_mq/" not in file or file.endswith("_debug.py"):
            return None  # the debug mode looks on, and is no part of what runs
        if event == "line":
            self._left -= 1
            if self._left == 0:
                self.where = f"{frame.f_code.co_qualname}, line {frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self


async def program(context: Context, sockets: list[Socket]) -> None:
    """Do a little of everything."""
    async with (
        Pull(bind="inproc://work", context=context, linger=0) as pull,
        Push(connect="inproc://work", context=context, linger=0) as push,
        Rep(bind="tcp://127.0.0.1:*", context=context, linger=0) as rep,
        Req(connect=rep.endpoints[0].endpoint, context=context, linger=0) as req,
        Pub(bind="inproc://news", context=context, linger=0) as pub,
        Sub(connect="inproc://news", topics="a", context=context, linger=0) as sub,
    ):
        sockets += [pull, push, rep, req, pub, sub]
        await push.send_many([b"1", b"2", b"3"])
        await pull.receive()
        await pull.receive_many()
        await req.send(b"question")
        await rep.receive()
        await rep.send(b"answer")
        await req.receive()
        sub.subscribe("b")
        await pub.send(b"b1")
        await sub.receive()


def run_interrupted(line: int) -> tuple[str, list[Socket], Context]:
    """Run the program with an interrupt at that line, and return where it was and what is left.

    Where it was is empty if the program ended before it had run so many lines.
    """
    interrupter, sockets, context = Interrupter(line), list[Socket](), Context()
    interrupted = False

    async def traced() -> None:
        sys.settrace(interrupter)
        try:
            await program(context, sockets)
        finally:
            sys.settrace(None)

    before = sys.gettrace()
    try:
        trio.run(traced)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        sys.settrace(before)
    assert interrupted == bool(interrupter.where), f"{interrupter.where}: {interrupted=}"
    return interrupter.where, sockets, context


def assert_adds_up(socket: Socket, where: str) -> None:
    """A closed socket has nothing left, and knows what became of everything."""
    figures = socket.statistics()
    dropped_out = sum(figures.dropped_outgoing.values())
    dropped_in = sum(figures.dropped_incoming.values())
    assert (figures.waiting_to_send, figures.waiting_to_send_bytes) == (0, 0), where
    assert (figures.waiting_to_receive, figures.waiting_to_receive_bytes) == (0, 0), where
    assert figures.accepted == figures.written + dropped_out, where
    assert figures.decoded == figures.delivered + dropped_in, where


@pytest.mark.parametrize("first", [1, 34, 67])
def test_an_interrupt_at_any_line_ends_the_program_in_order(first: int) -> None:
    """No other exception than KeyboardInterrupt, nothing half done, nothing left open."""
    # How many lines the program runs is a little different each time: it ends where it ends.
    for line in itertools.count(first, STRIDE):
        where, sockets, context = run_interrupted(line)
        if not where:
            break
        assert context.sockets == 0, where
        for socket in sockets:
            assert_adds_up(socket, where)
    assert line > FEWEST_LINES


def test_an_interrupt_of_a_blocked_call_leaves_the_block_bare() -> None:
    """The body waits for a message that never comes."""

    async def main() -> None:
        async with Pull(bind="inproc://any") as pull, trio.open_nursery() as nursery:
            nursery.start_soon(interrupt_when_blocked)
            await pull.receive()

    with pytest.raises(BaseExceptionGroup) as caught:  # of the program's own nursery
        trio.run(main)
    assert [type(error) for error in caught.value.exceptions] == [KeyboardInterrupt]


async def interrupt_when_blocked() -> None:
    """Send SIGINT when nothing else can happen any more."""
    await trio.testing.wait_all_tasks_blocked()
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_during_the_linger_ends_it() -> None:
    """Without a group, and with what waited dropped."""
    sockets: list[Socket] = []

    async def main() -> None:
        async with (
            Pull(bind="inproc://slow", receive_hwm=1),
            Push(connect="inproc://slow", linger=1000) as push,
        ):
            sockets.append(push)
            await push.send_many([b"1", b"2", b"3"])
            trio.lowlevel.spawn_system_task(interrupt_when_blocked)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert_adds_up(sockets[0], "linger")


def test_an_interrupt_of_the_programs_own_function_closes_the_socket() -> None:
    """Which makes its streams: what the program still does there is refused, and hangs nowhere."""
    sockets: list[Socket] = []

    async def open_stream() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal came late")

    async def main() -> None:
        async with Push(linger=0) as push:
            sockets.append(push)
            await push.connect("label", open_stream=open_stream)
            await push.send(b"never written")
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True), pytest.raises(trio.ClosedResourceError):
                    await push.send(b"too late")

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert_adds_up(sockets[0], "open_stream")


def test_an_interrupt_of_a_proxy_leaves_it_bare() -> None:
    """The nursery of its two directions is its own business."""

    async def main() -> None:
        async with Pull(bind="inproc://front") as front, Push(linger=0) as back:
            trio.lowlevel.spawn_system_task(interrupt_when_blocked)
            await proxy(front, back)

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)


def test_an_interrupt_of_a_waiting_call_leaves_nothing_behind() -> None:
    """The next wait of that task is not ended by what the interrupted one waited for."""
    line = "self._waiting[waiter] = "
    assert line in inspect.getsource(Conditions.wait_until)  # or the signal would never come

    def strike(frame: FrameType, event: str, _: object) -> TraceFunction:
        if event == "line" and line in source_line(frame):
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return strike

    async def main() -> None:
        async with Pull(bind="inproc://here") as pull:
            before = sys.gettrace()
            sys.settrace(strike)
            try:
                with pytest.raises(KeyboardInterrupt):
                    await pull.wait_for_peers()
            finally:
                sys.settrace(before)
            async with Push(connect="inproc://here") as push:
                await push.send(b"x")
                assert await pull.receive() == (b"x",)

    trio.run(main)


def source_line(frame: FrameType) -> str:
    """Return the line that a frame is about to run."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno)
