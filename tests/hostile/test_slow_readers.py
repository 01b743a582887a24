"""F06: peers that shake hands and then never read."""

from __future__ import annotations

import contextlib
import math

import pytest
import trio

from tests.hostile.arena import PATIENCE, BadPeer
from tests.hostile.wire import hello, prop
from trio_mq import Dealer, DropReason, Pub, Push, Rep, Router, Socket

#: A few of these are more than the kernel keeps for us.
LARGE = bytes(1_000_000)
HWM = 5


async def knock(endpoint: str, said: bytes) -> BadPeer:
    """Connect, say something, and read nothing."""
    bad = BadPeer(await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2])))
    await bad.say(said)
    return bad


async def fill(ours: Push | Dealer) -> None:
    """Send until it would wait, the writer having done what it can."""
    with contextlib.suppress(trio.WouldBlock):
        while True:
            ours.send_nowait(LARGE)
            await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(("make", "theirs"), [(Push, b"PULL"), (Dealer, b"ROUTER")])
async def test_what_waits_is_bounded_and_sends_wait(
    make: type[Push | Dealer], theirs: bytes
) -> None:
    """The queue holds as much as its high-water mark says, the kernel the rest."""
    async with make(linger=0, send_hwm=HWM, send_buffer=10_000) as ours:
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), hello(theirs))
        async with bad.stream:
            await ours.wait_for_peers()
            await fill(ours)
            assert ours.statistics().waiting_to_send == HWM
            with trio.move_on_after(0.01) as patience:
                await ours.send(LARGE)
            assert patience.cancelled_caught


@pytest.mark.parametrize("linger", [0, 0.1])
async def test_closing_waits_no_longer_than_linger(linger: float) -> None:
    """However long the peer would go on not to read; what was left is told."""
    async with Push(linger=linger, send_hwm=HWM, send_buffer=10_000) as ours:
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), hello(b"PULL"))
        await ours.wait_for_peers()
        await fill(ours)
        began = trio.current_time()
        with trio.fail_after(PATIENCE):
            await ours.aclose()
        assert trio.current_time() - began >= linger
        assert ours.statistics().dropped[DropReason.CLOSED] == HWM
        await bad.leave()


async def test_f24_closing_without_end_can_be_cancelled() -> None:
    """``linger=math.inf`` waits for the peer, and for nobody else."""
    async with Push(linger=math.inf, send_hwm=HWM, send_buffer=10_000) as ours:
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), hello(b"PULL"))
        await ours.wait_for_peers()
        await fill(ours)
        with trio.move_on_after(0.05) as scope:
            await ours.aclose()
        assert scope.cancelled_caught
        assert ours.peers == ()
        await bad.leave()


async def test_f24_closing_writes_what_a_slow_peer_still_reads() -> None:
    """All of it, within the time that there is."""
    async with Push(linger=PATIENCE, send_buffer=10_000) as ours, trio.open_nursery() as nursery:
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), hello(b"PULL"))
        await ours.wait_for_peers()
        await ours.send(LARGE)
        await ours.send(LARGE)
        nursery.start_soon(ours.aclose)
        said = await bad.hear_all()
        await bad.leave()
    assert said.count(LARGE) == 2


def _drops(ours: Socket, reason: DropReason) -> int:
    return ours.statistics().dropped.get(reason, 0)


async def test_a_pub_drops_for_who_does_not_read() -> None:
    """And counts what."""
    async with Pub(linger=0, send_hwm=HWM, send_buffer=10_000) as ours:
        subscribed = hello(b"SUB") + b"\0\1\1"
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), subscribed)
        await ours.wait_for_subscribers()
        for _ in range(100):
            await ours.send(LARGE)
            await trio.testing.wait_all_tasks_blocked()
        assert ours.statistics().waiting_to_send == HWM
        assert _drops(ours, DropReason.HIGH_WATER_MARK) > 0
        await bad.leave()


async def test_a_router_drops_for_who_does_not_read() -> None:
    """And counts what."""
    async with Router(linger=0, send_hwm=HWM, send_buffer=10_000) as ours:
        named = hello(b"DEALER", prop(b"Identity", b"slow"))
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), named)
        await ours.wait_for_peers()
        for _ in range(100):
            await ours.send([b"slow", LARGE])
            await trio.testing.wait_all_tasks_blocked()
        assert ours.statistics().waiting_to_send == HWM
        assert _drops(ours, DropReason.HIGH_WATER_MARK) > 0
        await bad.leave()


async def test_a_rep_drops_replies_for_who_does_not_read() -> None:
    """A requester that never reads its replies keeps no other from getting theirs."""
    async with Rep(linger=0, send_hwm=HWM, send_buffer=10_000) as ours:
        asked = hello(b"DEALER") + b"\1\0\0\1?" * 100
        bad = await knock(await ours.bind("tcp://127.0.0.1:*"), asked)
        for _ in range(100):
            assert await ours.receive() == (b"?",)
            await ours.send(LARGE)
            await trio.testing.wait_all_tasks_blocked()
        assert ours.statistics().waiting_to_send == HWM
        assert _drops(ours, DropReason.HIGH_WATER_MARK) > 0
        await bad.leave()
