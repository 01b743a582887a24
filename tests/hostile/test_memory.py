"""Peers that make us hold much: each keeps within its marks, and all together must not matter."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from contextlib import AsyncExitStack
from typing import Final

import attrs
import pytest
import trio
import trio.testing

from tests.hostile.arena import PATIENCE
from tests.hostile.test_hogs import connect, next_end
from tests.hostile.wire import frame, hello, message
from tests.joined import MemoryListener
from tests.spec.meeting import next_of
from trio_mq import (
    Disconnected,
    Limits,
    Message,
    Options,
    Pull,
    Push,
    Req,
    Router,
    SubscriptionAdded,
    XPub,
)
from trio_mq._pipes import budget

MIB: Final = 2**20
BUDGET: Final = 4 * MIB
LIMITS: Final = Limits(receive_budget=BUDGET)
SIZE: Final = MIB // 4
#: What each connection may bring beyond the budget.
SMALL: Final = budget.SMALL_READ


async def visit(endpoint: str, said: bytes) -> None:
    """Say something, and leave when it has been read."""
    async with await connect(endpoint) as stream:
        await stream.send_all(said)
        await stream.send_eof()
        async for _ in stream:
            pass


async def test_the_messages_of_those_who_left_are_bounded() -> None:
    """A place is free for the next one, and what waits is bounded nevertheless."""
    said = hello(b"PUSH") + message(bytes(SIZE)) * 4
    listener = MemoryListener()
    async with Pull(linger=0, max_peers=1, limits=LIMITS) as pull:
        await pull.bind("memory", listener=listener)
        for visits in range(1, 9):
            with pull.events() as events:
                stream = await listener.dial()
                await stream.write_all(said)
                await stream.shutdown_write()
                await trio.testing.wait_all_tasks_blocked()
                if pull.statistics().reading_stopped:
                    break
                await next_end(events)
            assert visits < 8
        assert pull.statistics().receive_budget_used <= BUDGET + SIZE
        for _ in range(4 * visits):
            assert len((await pull.receive())[0]) == SIZE
        assert pull.statistics().receive_budget_used == 0


async def test_many_that_are_here_are_bounded_and_nothing_is_lost() -> None:
    """The budget is kept at every moment, also by the count of the interpreter itself."""
    visitors = 30
    said = hello(b"PUSH") + message(bytes(SIZE)) * 4
    async with Pull(linger=0, limits=LIMITS) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        tracemalloc.start()
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(visitors):
                    nursery.start_soon(visit, endpoint, said)
                for _ in range(4 * visitors):
                    assert len((await pull.receive())[0]) == SIZE
                    held = pull.statistics().receive_budget_used
                    assert held <= BUDGET + SIZE + visitors * SMALL
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # 30 MiB were sent; what is counted twice for a moment, when a frame is put together, and
        # the objects of thirty connections at both ends are in the margin.
        assert peak < 3 * BUDGET
        assert pull.statistics().receive_budget_used == 0


async def test_who_waits_for_room_is_heard_in_turn() -> None:
    """Of many that send without end, none has to wait for the end of another."""
    names = [b"%d" % index for index in range(10)]
    heard: Counter[bytes] = Counter()

    async def flood(name: bytes) -> None:
        async with await connect(endpoint) as stream:
            await stream.send_all(hello(b"PUSH"))
            while True:
                await stream.send_all(message(name, bytes(SIZE)))

    async with Pull(linger=0, limits=LIMITS) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(flood, name)
            await pull.wait_for_peers(len(names))
            while len(heard) < len(names) or min(heard.values()) < 5:
                heard[(await pull.receive())[0]] += 1
                assert heard.total() < 5 * 20 * len(names)
            nursery.cancel_scope.cancel()


async def test_unfinished_messages_stop_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small messages pass at once, and a large one when the silent have been turned out."""
    monkeypatch.setattr(budget, "_PATIENCE", 0.05)
    unfinished = hello(b"PUSH") + frame(2, bytes(2 * MIB))[: MIB + MIB // 2]
    async with Pull(linger=0, limits=LIMITS) as pull, AsyncExitStack() as strangers:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        with pull.events() as events:
            for _ in range(3):
                stranger = await strangers.enter_async_context(await connect(endpoint))
                with trio.move_on_after(0.2):  # the last one has no room
                    await stranger.send_all(unfinished)
            async with Push(linger=0, connect=endpoint) as good:
                for size in (1, 1000, MIB):
                    await good.send(bytes(size))
                    assert len((await pull.receive())[0]) == size
            assert (await next_end(events)).reason == "receive-budget"
        assert pull.statistics().receive_budget_used <= BUDGET


async def test_a_message_larger_than_the_budget_comes_through() -> None:
    """It exceeds it, alone."""
    async with Pull(linger=0, limits=Limits(receive_budget=1000)) as pull:
        async with Push(linger=0, connect=await pull.bind("tcp://127.0.0.1:*")) as push:
            for _ in range(3):
                await push.send(bytes(MIB))
            for _ in range(3):
                assert len((await pull.receive())[0]) == MIB
        assert pull.statistics().receive_budget_used == 0


async def test_a_closed_budget_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """In the statistics and, once a minute, in the log."""
    limits = Limits(receive_budget=1000)
    async with Pull(linger=0, limits=limits) as pull, Push(linger=0) as push:
        await push.connect(await pull.bind("inproc://told"))
        for _ in range(20):
            await push.send(bytes(100))
        assert pull.statistics().reading_stopped
        (record,) = caplog.records
        assert "Limits.receive_budget" in record.getMessage()
        for _ in range(20):
            await pull.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert not pull.statistics().reading_stopped


async def test_requests_pass_where_a_budget_was_used_up_and_is_free_again() -> None:
    """A Router that is flooded by one serves another when it has received what waits."""
    async with Router(linger=0, limits=LIMITS) as router, trio.open_nursery() as nursery:
        endpoint = await router.bind("tcp://127.0.0.1:*")

        async def flood() -> None:
            async with await connect(endpoint) as stream:
                await stream.send_all(hello(b"DEALER"))
                for _ in range(64):
                    await stream.send_all(message(b"x", bytes(SIZE)))
                await trio.sleep_forever()

        async def serve() -> None:
            async for name, *request in router:
                if request[0] == b"":
                    await router.send([name, *request])

        nursery.start_soon(flood)
        await router.wait_for_peers(1)
        async with Req(linger=0, connect=endpoint) as req:
            nursery.start_soon(serve)
            assert await req.request(b"question") == (b"question",)
        nursery.cancel_scope.cancel()


async def test_what_the_departed_left_undecoded_is_bounded_and_complete() -> None:
    """There is no room for messages, so it is kept as it came; then none for that either."""
    count, visitors = 40, 40
    said = hello(b"PUSH") + message(bytes(1000)) * count
    limits = Limits(receive_budget=MIB)
    async with Pull(linger=0, receive_hwm=1, limits=limits) as pull, AsyncExitStack() as strangers:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        for _ in range(visitors):
            stranger = await strangers.enter_async_context(await connect(endpoint))
            await stranger.send_all(said)
            await stranger.send_eof()
        with trio.fail_after(PATIENCE):
            while not pull._members.budget.full:
                await trio.testing.wait_all_tasks_blocked(0.01)
        # Some are known to be gone; the rest of the others is with the kernel.
        assert 0 < len(pull.peers) < visitors
        for _ in range(count * visitors):
            # One look at a stream reads up to a sixteenth of what is left.
            bound = MIB + MIB // 16 + visitors * SMALL
            assert pull.statistics().receive_budget_used <= bound
            with trio.fail_after(PATIENCE):
                assert len((await pull.receive())[0]) == 1000
        with trio.fail_after(PATIENCE):
            for peer in pull.peers:
                await peer.wait_closed()
        assert pull.statistics().receive_budget_used == 0


async def test_nobody_is_accepted_while_the_budget_is_closed() -> None:
    """Who comes waits at the door, and gets in when something was received."""
    async with Pull(linger=0, limits=LIMITS) as pull:
        listener = MemoryListener()
        await pull.bind("memory", listener=listener)
        stream = await listener.dial()
        await stream.write_all(hello(b"PUSH") + message(bytes(BUDGET)) * 2)
        await trio.testing.wait_all_tasks_blocked()
        assert pull.statistics().reading_stopped
        for _ in range(3):
            stream = await listener.dial()
            await stream.write_all(hello(b"PUSH"))
        await trio.testing.wait_all_tasks_blocked()
        # One was being accepted when it closed.
        assert len(pull.peers) <= 2
        for _ in range(2):
            await pull.receive()
        await pull.wait_for_peers(4)


async def test_a_reply_that_nobody_has_claimed_counts() -> None:
    """Until it is received, or dropped with its socket."""
    async with Router(linger=0, bind="inproc://replies") as router:
        async with Req(linger=0, connect="inproc://replies") as req:
            for claimed in (True, False):
                await req.send(b"question")
                name, *envelope, _ = await router.receive()
                await router.send([name, *envelope, bytes(SIZE)])
                await trio.testing.wait_all_tasks_blocked()
                assert req.statistics().receive_budget_used > SIZE
                if claimed:
                    assert len((await req.receive())[0]) == SIZE
                    assert req.statistics().receive_budget_used == 0
        assert req.statistics().receive_budget_used == 0


async def test_the_news_of_those_who_left_are_bounded() -> None:
    """Subscribers come and go, and the program of the XPub, which is told all, receives nothing."""
    most = 64 * 1024
    limits = Limits(receive_budget=most)
    async with XPub(linger=0, verbose="all", limits=limits) as xpub:
        endpoint = await xpub.bind("tcp://127.0.0.1:*")
        visitors = 0
        with xpub.events() as events:
            while not xpub.statistics().reading_stopped:
                async with await connect(endpoint) as stream:
                    await stream.send_all(hello(b"SUB") + message(b"\1topic"))
                    await next_of(events, SubscriptionAdded)
                visitors += 1
                # Whose news were the last that there was room for keeps its place.
                if not xpub.statistics().reading_stopped:
                    await next_of(events, Disconnected)
        assert visitors <= most // budget.NEWS_OF_A_PEER
        news = [await xpub.receive() for _ in range(2 * visitors)]
        assert news == [Message(b"\1topic"), Message(b"\0topic")] * visitors
        await trio.testing.wait_all_tasks_blocked()
        figures = xpub.statistics()
        assert (figures.receive_budget_used, figures.reading_stopped) == (0, False)


def test_few_peers_with_small_marks_have_a_small_budget() -> None:
    """Who sets both expects that their product bounds what waits, and what is set is kept."""
    options = Options(max_peers=4, receive_hwm_bytes=4 * MIB)
    assert 32 * MIB <= budget.budget_of(options) <= 34 * MIB  # type: ignore[operator]
    assert budget.budget_of(Options(max_peers=1, receive_hwm_bytes=1)) == 8 * MIB
    assert budget.budget_of(Options()) == Limits().receive_budget
    unlimited = Options(max_peers=4, receive_hwm_bytes=None)
    assert budget.budget_of(unlimited) == Limits().receive_budget
    assert budget.budget_of(attrs.evolve(options, limits=LIMITS)) == BUDGET
