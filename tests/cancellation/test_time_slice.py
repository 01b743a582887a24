"""Schedule points: where calls yield, in both modes, and how long they may go on without."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from tests.joined import WAYS, MemoryListener, connect, join
from tests.slices import count_messages_only, set_clock
from trio_mq import Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub, XSub, lowlevel

SLICE = 64

Call = Callable[[], Awaitable[object]]


async def assert_yields(call: Call) -> None:
    """Fail unless the call has both noticed cancellation and let other tasks run."""
    with trio.testing.assert_checkpoints():
        await call()


@pytest.mark.parametrize("way", WAYS)
async def test_in_the_strict_mode_every_call_of_a_pair_of_sockets_yields(way: str) -> None:
    """Also those that have nothing to wait for."""
    lowlevel.set_checkpoint_mode("always")
    async with Pull(linger=0) as pull, Push(linger=0) as push:
        await join(pull, push, way)
        for _ in range(2):
            await assert_yields(lambda: push.send(b"1"))
        await assert_yields(lambda: push.send_many([b"2", b"3", b"4"]))
        await assert_yields(lambda: push.send_many([]))
        await assert_yields(push.drain)
        await assert_yields(push.drain)
        await trio.testing.wait_all_tasks_blocked(0.001)
        await assert_yields(pull.receive)
        await assert_yields(pull.receive_from)
        await assert_yields(lambda: pull.receive_many(2))
        await assert_yields(pull.wait_for_peers)
        await assert_yields(lambda: pull.unbind(pull.endpoints[0].endpoint))
        await assert_yields(lambda: push.disconnect(push.endpoints[0].endpoint))
        await assert_yields(push.aclose)
        await assert_yields(push.aclose)


@pytest.mark.parametrize("endpoint", ["inproc://yields", "tcp://127.0.0.1:*"])
async def test_in_the_strict_mode_binding_and_connecting_yield(endpoint: str) -> None:
    """With and without waiting, and again."""
    lowlevel.set_checkpoint_mode("always")
    async with Pull(linger=0) as pull, Push(linger=0) as push, Push(linger=0) as other:
        await assert_yields(lambda: pull.bind(endpoint))
        resolved = pull.endpoints[0].endpoint
        await assert_yields(lambda: push.connect(resolved))
        await assert_yields(lambda: push.connect(resolved))
        await assert_yields(lambda: push.connect(resolved, wait=True))
        await assert_yields(lambda: other.connect(resolved, wait=True))


async def test_in_the_strict_mode_binding_a_listener_yields() -> None:
    """Any trio listener; there is nothing to wait for."""
    lowlevel.set_checkpoint_mode("always")
    async with Pull(linger=0) as pull, Push(linger=0) as push:
        listener = MemoryListener()
        await assert_yields(lambda: pull.bind("memory", listener=listener))
        await assert_yields(lambda: connect(push, pull, listener))


async def test_in_the_strict_mode_requests_and_replies_yield() -> None:
    """The calls in turns, and ``request``."""
    lowlevel.set_checkpoint_mode("always")
    async with Rep(bind="inproc://ask") as rep, Req(connect="inproc://ask") as req:
        await assert_yields(lambda: req.send(b"1"))
        await assert_yields(rep.receive)
        await assert_yields(lambda: rep.send(b"2"))
        await assert_yields(req.receive)


async def test_in_the_strict_mode_the_other_sockets_yield() -> None:
    """Each sends and receives with the same promise."""
    lowlevel.set_checkpoint_mode("always")
    async with (
        Router(bind="inproc://1") as router,
        Dealer(connect="inproc://1", routing_id=b"me") as dealer,
        Pair(bind="inproc://2") as one,
        Pair(connect="inproc://2") as two,
        Pub(bind="inproc://3") as pub,
        Sub(connect="inproc://3", topics="") as sub,
        XSub(connect="inproc://3") as xsub,
    ):
        await assert_yields(lambda: dealer.send(b"1"))
        await assert_yields(router.receive)
        await assert_yields(lambda: router.send((b"me", b"2")))
        await assert_yields(lambda: one.send(b"3"))
        await assert_yields(two.receive)
        await assert_yields(lambda: pub.send(b"4"))
        await assert_yields(sub.receive)
        await assert_yields(lambda: xsub.send(b"\x01topic"))
        await assert_yields(lambda: pub.wait_for_subscribers(2))


class Steps(trio.abc.Instrument):
    """Counts the steps of one task."""

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self._task = task
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count it."""
        self.count += task is self._task


async def longest_run(call: Call, times: int) -> int:
    """Return how many calls were made between two schedule points, at most."""
    steps = Steps(trio.lowlevel.current_task())
    trio.lowlevel.add_instrument(steps)
    longest = current = 0
    seen = steps.count
    for _ in range(times):
        await call()
        current += 1
        if steps.count != seen:
            seen, current = steps.count, 0
        longest = max(longest, current)
    trio.lowlevel.remove_instrument(steps)
    return longest


async def test_without_the_clock_a_slice_is_exactly_so_many_messages() -> None:
    """Sending and receiving alike."""
    async with Pull(bind="inproc://slice") as pull, Push(connect="inproc://slice") as push:
        count_messages_only()
        assert await longest_run(lambda: push.send(b"1"), 500) == SLICE - 1
        assert await longest_run(pull.receive, 500) == SLICE - 1


async def test_a_slice_is_shared_by_all_sockets_of_the_run() -> None:
    """A program that moves messages from one to another is held to the same bound."""
    async with (
        Pull(bind="inproc://from") as source,
        Push(connect="inproc://from") as filling,
        Push(connect="inproc://to") as sink,
        Pull(bind="inproc://to"),
    ):
        assert await filling.send_many([b"1"] * 200) == 200
        count_messages_only()

        async def move() -> None:
            await sink.send(await source.receive())

        assert await longest_run(move, 200) <= SLICE // 2


async def answer_at_once(rep: Rep) -> None:
    """Answer a request that is here: only the reply is an async call."""
    request = rep.receive_nowait()
    await rep.send(request)


async def test_a_reply_counts_though_its_request_was_not_waited_for() -> None:
    """A flood of requests, all taken without waiting, is answered in slices, too."""
    async with Rep(bind="inproc://flood") as rep, Dealer(connect="inproc://flood") as dealer:
        assert await dealer.send_many([(b"", b"1")] * 400) == 400
        count_messages_only()
        assert await longest_run(lambda: answer_at_once(rep), 200) == SLICE - 1
        set_clock(itertools.count().__next__)  # each look finds a second gone
        assert await longest_run(lambda: answer_at_once(rep), 200) == 0


async def test_requests_count_though_no_reply_is_received_between_them() -> None:
    """A program that asks with many sockets, before it receives from the first."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Rep(bind="inproc://asked"))
        asking = [Req(connect="inproc://asked") for _ in range(200)]
        for req in asking:
            await stack.enter_async_context(req)
        count_messages_only()
        turns = iter(asking)
        assert await longest_run(lambda: next(turns).send(b"1"), 200) == SLICE - 1


async def test_a_slice_ends_with_its_time_whatever_the_count() -> None:
    """Each look at this clock finds a second gone."""
    async with Pull(bind="inproc://time"), Push(connect="inproc://time") as push:
        now = 0.0

        def clock() -> float:
            nonlocal now
            now += 1
            return now

        set_clock(clock)
        assert await longest_run(lambda: push.send(b"1"), 20) == 0


async def test_the_strict_mode_is_of_one_run_and_can_be_left() -> None:
    """And an unknown mode is refused."""
    async with Pull(bind="inproc://mode"), Push(connect="inproc://mode") as push:
        count_messages_only()
        lowlevel.set_checkpoint_mode("always")
        assert await longest_run(lambda: push.send(b"1"), 20) == 0
        lowlevel.set_checkpoint_mode("sliced")
        assert await longest_run(lambda: push.send(b"1"), 20) > 0
        with pytest.raises(ValueError, match="sometimes"):
            lowlevel.set_checkpoint_mode("sometimes")  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
async def test_everybody_gets_on_while_a_flood_arrives(way: str) -> None:
    """Two producers, a consumer, and a bystander who only yields."""
    async with (
        Pull(linger=0) as pull,
        Push(linger=0) as one,
        Push(linger=0) as two,
        trio.open_nursery() as nursery,
    ):
        await join(pull, one, way)
        await two.connect("inproc://second")
        await pull.bind("inproc://second")
        progress = dict.fromkeys(["one", "two", "consumer", "bystander"], 0)

        async def keep(name: str, call: Call) -> None:
            while True:
                await call()
                progress[name] += 1

        count_messages_only()
        nursery.start_soon(keep, "one", lambda: one.send(b"1"))
        nursery.start_soon(keep, "two", lambda: two.send(b"2"))
        nursery.start_soon(keep, "consumer", pull.receive)
        for _ in range(300):
            await trio.lowlevel.checkpoint()
            progress["bystander"] += 1
        nursery.cancel_scope.cancel()
    assert min(progress.values()) >= 300, progress
