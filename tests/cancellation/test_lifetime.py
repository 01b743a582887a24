"""From ``__aenter__`` to after ``__aexit__``: who owns what, and what leaves with which error."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing

from tests.cancellation.cuts import every_cut
from tests.joined import WAYS, bind, connect, join
from trio_mq import (
    Context,
    InternalError,
    ListeningStopped,
    Pub,
    Pull,
    Push,
    Socket,
    TooManySockets,
    TooManyThreads,
)
from trio_mq._connections.dialer import Dialer

over_each_way = pytest.mark.parametrize("way", WAYS)


def tasks_below(nursery: trio.Nursery) -> int:
    """Count the tasks in a nursery, at any depth."""
    return sum(
        1 + sum(tasks_below(inner) for inner in task.child_nurseries)
        for task in nursery.child_tasks
    )


# -- what leaves the block --


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bare"),
        ExceptionGroup("own", [ValueError("inside")]),
        ExceptionGroup("own", [ExceptionGroup("nested", [ValueError("deep")]), KeyError("two")]),
        KeyboardInterrupt(),
    ],
    ids=["bare", "group", "nested groups", "interrupt"],
)
async def test_the_very_exception_of_the_body_leaves_the_block(error: BaseException) -> None:
    """The same object, not a copy, not in a group of ours, from sockets inside sockets."""
    with pytest.raises(type(error)) as caught:
        async with Push(), Pull(bind="inproc://any"):
            raise error
    assert caught.value is error


async def test_an_exception_leaves_bare_though_the_block_is_cancelled_too() -> None:
    """A ``finally`` that fails after the cancellation is what the caller sees."""
    error = ValueError("in the finally")
    with trio.CancelScope() as scope, pytest.raises(ValueError, match="finally") as caught:  # noqa: PT012  # leaving raises
        async with Pull(bind="inproc://any") as pull:
            scope.cancel()
            try:
                await pull.receive()
            finally:
                raise error
    assert caught.value is error


async def test_cancellation_of_the_block_is_caught_by_the_scope_around_it() -> None:
    """And what is after the scope runs."""
    with trio.CancelScope() as scope:
        async with Pull(bind="inproc://any") as pull:
            scope.cancel()
            await pull.receive()
    assert scope.cancelled_caught


async def test_a_shielded_finally_still_sends_while_the_body_is_cancelled() -> None:
    """The socket outlives the cancellation of the body until the body is over."""
    async with Pull(bind="tcp://127.0.0.1:*") as pull:
        with trio.CancelScope() as scope:
            async with Push(connect=pull.endpoints[0].endpoint) as push:
                await push.wait_for_peers()
                try:
                    scope.cancel()
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.testing.wait_all_tasks_blocked(0.001)
                        assert len(push.peers) == 1
                        await push.send(b"good-bye")
                        await push.drain()
        assert await pull.receive() == (b"good-bye",)


async def test_an_internal_crash_leaves_as_internal_error_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The body is cancelled, whatever it was doing, and the crash is named."""
    crash = ZeroDivisionError("a bug")

    async def run(dial: Dialer) -> None:
        raise crash

    monkeypatch.setattr(Dialer, "run", run)
    with pytest.raises(InternalError, match="Push crashed") as caught:
        async with Push(connect="tcp://127.0.0.1:9"):
            await trio.sleep_forever()
    assert caught.value.__cause__ is crash


async def test_what_waits_when_an_internal_crash_ends_the_tasks_is_dropped_and_counted() -> None:
    """It does not go back to be sent to another peer, when there will be none."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def crash(push: Push) -> None:
        async with push:
            push.send_nowait(b"waits")
            assert push._opened is not None
            push._opened.scope.spawn(fail, "a bug")
            await trio.sleep_forever()

    push = Push(connect="inproc://nobody", linger=0)
    with pytest.raises(InternalError):
        await crash(push)
    figures = push.statistics()
    assert (figures.waiting_to_send, sum(figures.dropped_outgoing.values())) == (0, 1)


async def test_an_internal_crash_does_not_hide_the_exception_of_the_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two things went wrong, and both are told."""

    async def run(dial: Dialer) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Dialer, "run", run)
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012  # leaving raises
        async with Push(connect="tcp://127.0.0.1:9"):
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("in the finally")
    assert {type(error) for error in caught.value.exceptions} == {InternalError, ValueError}


# -- one block --


async def test_a_socket_is_good_for_one_block() -> None:
    """Also after an end, and inside itself."""
    push = Push()
    async with push:
        with pytest.raises(RuntimeError, match="used before"):
            await push.__aenter__()
    with pytest.raises(RuntimeError, match="used before"):
        await push.__aenter__()


async def test_a_socket_that_was_never_entered_refuses_calls_and_can_be_closed() -> None:
    """Nothing is open yet, so nothing warns when it is forgotten."""
    pull = Pull()
    with pytest.raises(RuntimeError, match="async with"):
        await pull.receive()
    await pull.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await pull.receive()
    with pytest.raises(RuntimeError, match="used before"):
        await pull.__aenter__()


async def test_an_endpoint_that_cannot_be_bound_leaves_bare_and_nothing_open() -> None:
    """The first endpoint was bound already; its listener must not stay."""
    async with Pull(bind="inproc://taken"):
        with pytest.raises(OSError, match="inproc://taken"):
            async with Pull(bind=("tcp://127.0.0.1:*", "inproc://taken")):
                pytest.fail("it was entered")


async def test_entering_cut_anywhere_leaves_nothing_behind() -> None:
    """No task, no descriptor, no name, no place in the context."""
    for cut in every_cut():
        context = Context()

        async def enter(context: Context = context) -> None:
            async with (
                Pull(bind=("inproc://here", "tcp://127.0.0.1:*"), context=context) as pull,
                Push(connect=pull.endpoints[1].endpoint, context=context) as push,
            ):
                await push.send(b"1")
                await pull.receive()

        async with trio.open_nursery() as nursery:
            await cut.run(enter)
            assert (tasks_below(nursery), context.sockets) == (0, 0), cut
        async with Pull(bind="inproc://here", context=context):
            pass


# -- closing --


async def test_aclose_from_another_task_ends_calls_and_not_the_body() -> None:
    """Blocked calls raise, later ones too, and the body goes on."""
    went_on = False
    async with Pull(bind="inproc://any") as pull, trio.open_nursery() as nursery:
        nursery.start_soon(close_when_blocked, pull)
        with pytest.raises(trio.ClosedResourceError):
            await pull.receive()
        with pytest.raises(trio.ClosedResourceError):
            await pull.receive()
        with pytest.raises(trio.ClosedResourceError):
            pull.receive_nowait()
        with pytest.raises(trio.ClosedResourceError):
            await pull.bind("inproc://another")
        with pytest.raises(trio.ClosedResourceError):
            await pull.wait_for_peers()
        await trio.lowlevel.checkpoint()
        went_on = True
    assert went_on


async def close_when_blocked(socket: Socket) -> None:
    """Close a socket when nothing else can happen any more."""
    await trio.testing.wait_all_tasks_blocked()
    await socket.aclose()


async def test_iteration_ends_with_closed_resource_error_as_receive_does() -> None:
    """There is no end of the channel: endpoints could be added at any time."""
    async with Pull(bind="inproc://any") as pull, trio.open_nursery() as nursery:
        nursery.start_soon(close_when_blocked, pull)
        with pytest.raises(trio.ClosedResourceError):  # noqa: PT012  # leaving raises
            async for _ in pull:
                pytest.fail("nobody sent")


async def test_closing_is_idempotent() -> None:
    """In the block, twice, and again after it: the end of its endpoint is told once."""
    async with Pull(bind="inproc://any") as pull:
        with pull.events() as events:
            await pull.aclose()
            await pull.aclose()
            told = [type(event) async for event in events]
        with pytest.raises(trio.ClosedResourceError):
            await pull.receive()
    await pull.aclose()
    assert told == [ListeningStopped]
    assert (pull.endpoints, pull.peers) == ((), ())


@pytest.mark.parametrize("linger", [0, 2.0, float("inf")], ids=str)
async def test_closing_waits_for_linger_and_no_longer(
    linger: float, autojump_clock: trio.testing.MockClock
) -> None:
    """The receiver never reads; virtual time tells how long the sender waited."""
    async with Pull(receive_hwm=1) as pull:
        with trio.move_on_after(100):
            async with Push(linger=linger) as push:
                await join(pull, push, "inproc")
                await push.send_many([b"1", b"2", b"3"])
                start = trio.current_time()
        assert trio.current_time() - start == min(linger, 100)
        assert sum(push.statistics().dropped_outgoing.values()) == 2


@pytest.mark.parametrize("way", ["inproc", "memory"])
async def test_closing_waits_no_longer_than_it_must(
    way: str, autojump_clock: trio.testing.MockClock
) -> None:
    """What was accepted is received in full although the sender has left its block."""
    async with Pull(receive_hwm=1) as pull, trio.open_nursery() as nursery:
        received: list[bytes] = []

        async def collect() -> None:
            async for message in pull:
                await trio.sleep(1)
                received.append(bytes(message))
                if len(received) == 3:
                    break

        nursery.start_soon(collect)
        async with Push(linger=1000) as push:
            await join(pull, push, way)
            await push.send_many([b"1", b"2", b"3"])
        assert trio.current_time() < 10
    assert received == [b"1", b"2", b"3"]


async def test_cancelling_the_linger_drops_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And says how many messages that were."""
    async with Pull(receive_hwm=1) as pull:
        with trio.move_on_after(5):
            async with Push(linger=1000) as push:
                await join(pull, push, "inproc")
                await push.send_many([b"1", b"2", b"3"])
        assert trio.current_time() == 5
        assert sum(push.statistics().dropped_outgoing.values()) == 2


async def test_an_exception_drops_what_waits_after_one_attempt_to_write(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """No linger, whatever the option says."""
    async with Pull(receive_hwm=1) as pull:
        with pytest.raises(ValueError, match="body"):  # noqa: PT012  # leaving raises
            async with Push(linger=1000) as push:
                await join(pull, push, "inproc")
                await push.send_many([b"1", b"2", b"3"])
                raise ValueError("body")
        assert trio.current_time() == 0


async def test_an_exception_still_hands_the_kernel_what_it_takes_at_once() -> None:
    """One non-blocking write per peer: over tcp that is nearly always everything."""
    async with Pull() as pull:
        with pytest.raises(ValueError, match="body"):  # noqa: PT012  # leaving raises
            async with Push() as push:
                await join(pull, push, "tcp")
                assert await push.send_many([b"1", b"2", b"3"]) == 3
                raise ValueError("body")
        assert [bytes(await pull.receive()) for _ in range(3)] == [b"1", b"2", b"3"]


@over_each_way
async def test_leaving_with_unread_input_is_clean(way: str) -> None:
    """The messages are dropped and counted, and the sender's end is orderly."""
    async with Push(linger=1) as push:
        async with Pull() as pull:
            listener = await bind(push, way)
            await connect(pull, push, listener)
            await push.send_many([b"1", b"2"])
            await push.drain()
            await trio.testing.wait_all_tasks_blocked(0.001)
        figures = pull.statistics()
        dropped = sum(figures.dropped_incoming.values())
        assert figures.decoded == figures.delivered + dropped
        assert figures.waiting_to_receive == 0


async def test_a_hundred_nested_sockets_leave_nothing_behind() -> None:
    """No task after the block, and no warning when they are collected."""
    context = Context()
    async with trio.open_nursery() as nursery:
        sockets = [Pub(bind=f"inproc://{number}", context=context) for number in range(100)]
        for socket in sockets:
            await socket.__aenter__()
        assert context.sockets == 100
        for socket in reversed(sockets):
            await socket.__aexit__(None, None, None)
        assert (tasks_below(nursery), context.sockets) == (0, 0)
    del sockets, socket
    gc.collect()


# -- runs and threads --


async def test_a_call_from_another_thread_is_refused() -> None:
    """It would race with everything; the text says what to do instead."""
    async with Push(connect="inproc://any") as push:

        def call() -> None:
            with pytest.raises(RuntimeError, match=r"from_thread\.run"):
                push.send_nowait(b"1")

        await trio.to_thread.run_sync(call)


async def test_a_socket_of_another_run_is_refused() -> None:
    """A run in another thread can't use our socket either."""
    async with Push(connect="inproc://any") as push:

        async def call() -> None:
            with pytest.raises(RuntimeError, match="another thread"):
                await push.send(b"1")

        await trio.to_thread.run_sync(trio.run, call)


async def test_an_inproc_name_of_another_run_is_refused_with_the_way_out() -> None:
    """Messages can't pass between runs without a kernel."""
    context = Context()

    async def other() -> None:
        with pytest.raises(RuntimeError, match="tcp://"):
            async with Push(connect="inproc://mine", context=context):
                pytest.fail("it was entered")

    async with Pull(bind="inproc://mine", context=context):
        await trio.to_thread.run_sync(trio.run, other)
    assert context.sockets == 0


async def test_the_context_counts_open_sockets() -> None:
    """One too many is refused, when it is made and when it is entered; a closed one frees it."""
    context = Context(max_sockets=1)
    early = Pull(context=context)
    async with Pull(context=context):
        with pytest.raises(TooManySockets):
            Pull(context=context)
        with pytest.raises(TooManySockets):
            await early.__aenter__()
    async with Pull(context=context):
        assert context.sockets == 1


async def test_the_context_counts_threads_with_open_sockets() -> None:
    """Several sockets of one thread are one thread."""
    context = Context(max_threads=1)

    def another_thread() -> None:
        with pytest.raises(TooManyThreads):
            Pull(context=context)

    async with Pull(context=context), Pull(context=context):
        await trio.to_thread.run_sync(another_thread)
