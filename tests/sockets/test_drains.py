"""Drains end when what they wait for is gone, whichever way it went."""

from __future__ import annotations

import trio
import trio.testing

from trio_mq import Pub, Req, Sub
from trio_mq.testing import Network


async def test_a_drain_does_not_wait_for_a_request_that_was_taken_back() -> None:
    """It was cancelled before it was written; one that was queued later is not counted for it."""
    async with Req(linger=0, correlate=True) as req, trio.open_nursery() as nursery:
        await req.connect("inproc://nobody-yet")
        drained = trio.Event()

        async def drain() -> None:
            await req.drain()
            drained.set()

        with trio.CancelScope() as first:
            async with trio.open_nursery() as asking:
                asking.start_soon(req.request, b"first")
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(drain)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(req.request, b"second")
                await trio.testing.wait_all_tasks_blocked()
                assert not drained.is_set()
                first.cancel()
        await drained.wait()
        nursery.cancel_scope.cancel()


async def test_a_drain_ends_when_what_it_waits_for_is_dropped_from_behind(
    mq_network: Network,
) -> None:
    """The oldest goes, but not what is being written."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        Pub(bind="tcp://*:5555", on_full="drop_oldest", send_hwm=3, context=lab, linger=0) as pub,
        Sub(connect="tcp://lab:5555", topics="", context=field) as sub,
        trio.open_nursery() as nursery,
    ):
        await pub.wait_for_subscribers(1)
        field.slow_reader()
        await pub.send(bytes(1_000_000))
        await trio.sleep(1.0)
        await pub.send_many([b"old", b"old"])
        drained = trio.Event()

        async def drain() -> None:
            await pub.drain()
            drained.set()

        nursery.start_soon(drain)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(20):
            await pub.send(b"new")
        await trio.sleep(1.0)
        assert not drained.is_set()
        field.slow_reader(None)
        await drained.wait()
        assert [len(await sub.receive()) for _ in range(3)] == [1, 1, 1]
