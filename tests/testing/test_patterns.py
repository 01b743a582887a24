"""Every pattern over a network that goes wrong, and an hour of it in a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

import trio_mq
from trio_mq.testing import Host, Network, assert_nothing_lost

HOUR = 3600.0


@pytest.fixture
def lab(mq_network: Network) -> Host:
    """A host that connects."""
    return mq_network.host("lab")


@pytest.fixture
def field(mq_network: Network, lab: Host) -> Host:
    """A host that is connected to."""
    return mq_network.host("field")


@pytest.fixture
def debug_off() -> Iterator[None]:
    """Don't look at everything after each step where there are very many."""
    trio_mq.lowlevel.set_debug(False)
    yield
    trio_mq.lowlevel.set_debug(True)


async def flap(net: Network, seconds: float) -> None:
    """Cut the link for three seconds out of ten, for so long; then leave it healed."""
    until = trio.current_time() + seconds
    while trio.current_time() < until:
        await trio.sleep(7)
        net.cut("lab", "field")
        await trio.sleep(3)
        net.heal("lab", "field")


async def cut_for_a_while(net: Network) -> None:
    """Cut the link for so long that every connection ends; then heal it."""
    net.cut("lab", "field")
    await trio.sleep(300)
    net.heal("lab", "field")
    await trio.sleep(60)


async def test_an_hour_of_a_flapping_network_loses_nothing(
    mq_network: Network, lab: Host, field: Host, nursery: trio.Nursery
) -> None:
    """A message per second, through 360 cuts: all arrive, once and in order."""
    mq_network.link(lab, field, delay=0.05, jitter=0.01, rate=125_000, buffer=65_536)
    received: list[int] = []
    async with (
        trio_mq.Pull(bind="tcp://*:5555", context=field) as pull,
        trio_mq.Push(connect="tcp://field:5555", context=lab) as push,
    ):
        start = trio.current_time()
        nursery.start_soon(flap, mq_network, HOUR)
        nursery.start_soon(send_numbers, push, int(HOUR))
        while len(received) < HOUR:
            received.append(int(bytes(await pull.receive())))
        assert trio.current_time() - start >= HOUR - 1
        assert received == list(range(int(HOUR)))
        assert_nothing_lost(push, pull, among_themselves=True)
        assert sum("cut lab field" in line for line in mq_network.history) >= 300


async def send_numbers(push: trio_mq.Push, count: int) -> None:
    """Send a number per second."""
    for number in range(count):
        await push.send(b"%d" % number)
        await trio.sleep(1)


async def test_push_goes_on_after_a_cut(mq_network: Network, lab: Host, field: Host) -> None:
    """What waits for the connection is sent over the next one."""
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.send(b"before")
        assert await pull.receive() == (b"before",)
        await cut_for_a_while(mq_network)
        await push.send(b"after")
        assert await pull.receive() == (b"after",)
        assert push.statistics().reconnects == 1


async def test_subscriptions_come_back_after_a_cut(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """A Sub gets what it asked for over the next connection, and nothing else."""
    async with (
        trio_mq.Pub(bind="tcp://*:80", context=field) as pub,
        trio_mq.Sub(connect="tcp://field:80", context=lab, topics="a") as sub,
    ):
        await pub.wait_for_subscribers(1)
        await cut_for_a_while(mq_network)
        await pub.wait_for_subscribers(1)
        await pub.send(b"b: not for us")
        await pub.send(b"a: for us")
        assert await sub.receive() == (b"a: for us",)


async def test_a_request_in_a_cut_is_lost_and_the_next_one_answered(
    mq_network: Network, lab: Host, field: Host, nursery: trio.Nursery
) -> None:
    """`PeerLost` says so, once heartbeats have found it out."""
    async with (
        trio_mq.Rep(bind="tcp://*:80", context=field) as rep,
        trio_mq.Req(connect="tcp://field:80", context=lab, heartbeat_interval=1) as req,
    ):
        nursery.start_soon(echo, rep)
        assert await req.request(b"1") == (b"1",)
        mq_network.cut(lab, field)
        with pytest.raises(trio_mq.PeerLost):
            await req.request(b"2")
        mq_network.heal(lab, field)
        assert await req.request(b"3") == (b"3",)
        nursery.cancel_scope.cancel()


async def echo(rep: trio_mq.Rep) -> None:
    """Repeat what is asked."""
    async for request in rep:
        await rep.send(request)


async def test_a_router_knows_a_dealer_again_after_a_cut(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """By its own name, over the next connection."""
    async with (
        trio_mq.Router(bind="tcp://*:80", context=field) as router,
        trio_mq.Dealer(connect="tcp://field:80", context=lab, routing_id=b"ada") as dealer,
    ):
        await dealer.send(b"1")
        assert await router.receive() == (b"ada", b"1")
        await cut_for_a_while(mq_network)
        await dealer.send(b"2")
        assert await router.receive() == (b"ada", b"2")
        await router.send([b"ada", b"3"])
        assert await dealer.receive() == (b"3",)


async def test_nothing_is_left_of_a_thousand_connects(
    mq_network: Network, lab: Host, debug_off: None
) -> None:
    """No task, no connection, no socket; half of them end by a reset."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    endpoints = ["tcp://127.0.0.1:80", "ipc:///run/x"]
    async with trio_mq.Pull(bind=endpoints, context=lab) as pull:
        for number in range(1000):
            endpoint = endpoints[number // 2 % 2]
            async with trio_mq.Push(connect=endpoint, context=lab) as push:
                await push.send(b"%d" % number)
                assert await pull.receive() == (b"%d" % number,)
                if number % 2:
                    mq_network.reset(lab, lab)
    await trio.sleep(HOUR)
    assert (mq_network.connections, lab.sockets) == (0, 0)
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_nothing_is_left_of_connections_that_were_cut(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Kernels give up what programs have closed, even if nobody ever answers."""
    async with trio_mq.Pull(bind="tcp://*:80", context=field, linger=0) as pull:
        for number in range(20):
            async with trio_mq.Push(connect="tcp://field:80", context=lab, linger=0) as push:
                await push.send(b"%d" % number)
                assert await pull.receive() == (b"%d" % number,)
                mq_network.cut(lab, field)
                await push.send(b"never")
            assert mq_network.connections
            await trio.sleep(HOUR)
            assert mq_network.connections == 0
            mq_network.heal(lab, field)


async def test_a_large_message_goes_in_many_parts(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """Kernels that keep little take it piece by piece."""
    mq_network.link(lab, field, buffer=1_000, jitter=0.01)
    body = bytes(range(256)) * 1000
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.send(body)
        assert await pull.receive() == (body,)


async def test_what_is_written_before_the_close_arrives(
    mq_network: Network, lab: Host, field: Host
) -> None:
    """The end comes behind the last message."""
    mq_network.link(lab, field, delay=0.2, rate=100_000)
    async with trio_mq.Pull(bind="tcp://*:80", context=field) as pull:
        async with trio_mq.Push(connect="tcp://field:80", context=lab) as push:
            for _ in range(50):
                await push.send(bytes(1000))
        assert len([await pull.receive() for _ in range(50)]) == 50
        assert_nothing_lost(push, pull, among_themselves=True)


@pytest.mark.mq_network(seed=42)
async def test_two_hosts_behind_a_proxy_are_separate_failures(mq_network: Network) -> None:
    """A cut between two hosts leaves a third alone."""
    hub, left, right = map(mq_network.host, ("hub", "left", "right"))
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=hub) as pull,
        trio_mq.Push(connect="tcp://hub:80", context=left) as one,
        trio_mq.Push(connect="tcp://hub:80", context=right) as other,
    ):
        await pull.wait_for_peers(2)
        mq_network.cut(hub, left)
        await one.send(b"stuck")
        await other.send(b"through")
        assert await pull.receive() == (b"through",)
        assert mq_network.seed == 42
