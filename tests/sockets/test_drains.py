"""Drains end when what they wait for is gone, whichever way it went."""

from __future__ import annotations

import trio
import trio.testing

from trio_mq import Req


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
