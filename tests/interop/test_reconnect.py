"""A program dies and comes back: the other end goes on, and knows what it lost."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.conftest import Programs
from tests.interop.libzmq import Libzmq, LibzmqSocket
from trio_mq import ConnectionOptions

TCP: Final = "tcp://127.0.0.1:*"
SOON: Final = ConnectionOptions(reconnect_interval=0.01, reconnect_interval_max=0.05)

#: Milliseconds, for libzmq.
THEIRS_SOON: Final[dict[str, bytes | int]] = {"RECONNECT_IVL": 10}


async def gone(events: trio_mq.EventStream) -> trio_mq.Disconnected:
    """Wait until a peer is gone."""
    async for event in events:
        if isinstance(event, trio_mq.Disconnected):
            return event
    raise AssertionError("the socket was closed")


@pytest.fixture(params=["tcp", "ipc"])
async def address(request: pytest.FixtureRequest, libzmq: Libzmq, folder: Path) -> str:
    """Return an endpoint that can be bound again and again, also after a kill."""
    if request.param == "ipc":
        return f"ipc://{folder}/meeting"
    finder = await libzmq.open("PAIR")
    endpoint = await finder.bind(TCP)
    await finder.unbind(endpoint)
    return endpoint


async def restarted(programs: Programs, kind: str, address: str, **options: int) -> LibzmqSocket:
    """Start a libzmq program that binds, as a supervisor would after the one before died."""
    theirs = await (await programs.start()).open(kind, **options)
    await theirs.bind(address)
    return theirs


# -- libzmq binds, and is killed --


async def test_a_push_goes_on_when_libzmq_was_killed_and_restarted(
    programs: Programs, address: str
) -> None:
    """What was sent meanwhile waits for the next program."""
    first = await restarted(programs, "PULL", address)
    async with trio_mq.Push(connect=address, **SOON) as push:
        await push.send(b"before")
        assert await first.receive() == (b"before",)
        with push.events() as events:
            await first.program.kill()
            await gone(events)
        await push.send(b"meanwhile")
        second = await restarted(programs, "PULL", address)
        await push.send(b"after")
        assert await second.receive_many(2) == [(b"meanwhile",), (b"after",)]
        figures = assert_accounted_for(push)
        assert (figures.reconnects, figures.written) == (1, 3)


async def test_a_sub_subscribes_again_when_libzmq_was_killed_and_restarted(
    programs: Programs, address: str
) -> None:
    """To what it wants by then."""
    first = await restarted(programs, "XPUB", address)
    async with trio_mq.Sub(topics=["a", "b"], connect=address, **SOON) as sub:
        await first.receive_many(2)
        with sub.events() as events:
            await first.program.kill()
            await gone(events)
        sub.unsubscribe("a")
        sub.subscribe("c")
        second = await restarted(programs, "XPUB", address)
        assert sorted(await second.receive_many(2)) == [(b"\x01b",), (b"\x01c",)]
        await second.send(b"c!")
        assert await sub.receive() == (b"c!",)


async def test_thousands_of_subscriptions_are_restored_after_a_kill(
    programs: Programs, address: str
) -> None:
    """More than the high-water mark of either end, in the order in which they were made."""
    topics = [b"%d" % number for number in range(5000)]
    expected = [(b"\x01" + topic,) for topic in topics]
    first = await restarted(programs, "XPUB", address)
    async with trio_mq.Sub(topics=topics, connect=address, **SOON) as sub:
        assert await first.receive_many(5000) == expected
        with sub.events() as events:
            await first.program.kill()
            await gone(events)
        second = await restarted(programs, "XPUB", address)
        assert await second.receive_many(5000) == expected


async def test_a_request_to_a_killed_libzmq_raises_and_the_next_one_works(
    programs: Programs, address: str
) -> None:
    """The request was written: only its asker can know whether it may be asked twice."""
    first = await restarted(programs, "REP", address)
    async with trio_mq.Req(connect=address, **SOON) as req:
        await req.send(b"lost")
        assert await first.receive() == (b"lost",)
        await first.program.kill()
        with pytest.raises(trio_mq.PeerLost):
            await req.receive()
        second = await restarted(programs, "REP", address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(second.echo, 1)
            assert await req.request(b"again") == (b"again",)


async def test_a_router_names_a_restarted_libzmq_dealer_as_before(programs: Programs) -> None:
    """The name is free as soon as the kernel has told us of the end."""
    async with trio_mq.Router() as router:
        endpoint = await router.bind(TCP)
        for _ in range(3):
            theirs = await (await programs.start()).open("DEALER", ROUTING_ID=b"worker")
            await theirs.connect(endpoint)
            await theirs.send(b"here")
            assert await router.receive() == (b"worker", b"here")
            await router.send([b"worker", b"go"])
            assert await theirs.receive() == (b"go",)
            with router.events() as events:
                await theirs.program.kill()
                await gone(events)
        assert_accounted_for(router)


async def test_what_a_killed_libzmq_had_not_read_goes_to_another_worker(
    programs: Programs,
) -> None:
    """All but what the kernel had taken already."""
    async with trio_mq.Push(send_hwm=None) as push:
        endpoint = await push.bind(TCP)
        first = await (await programs.start()).open("PULL", RCVHWM=1)
        await first.connect(endpoint)
        await push.wait_for_peers()
        body = bytes(100_000)
        for number in range(200):
            await push.send([b"%d" % number, body])
        with push.events() as events:
            await first.program.kill()
            await gone(events)
        taken = push.statistics().written
        second = await (await programs.start()).open("PULL", RCVHWM=0)
        await second.connect(endpoint)
        rest = [int(number) for number, _ in await second.receive_many(200 - taken)]
        assert rest == list(range(taken, 200))
        assert_accounted_for(push)


async def test_an_xpub_sees_a_killed_libzmq_subscriber_unsubscribe(programs: Programs) -> None:
    """The end of a connection is the end of its subscriptions."""
    theirs = await (await programs.start()).open("SUB", SUBSCRIBE=b"a")
    async with trio_mq.XPub() as xpub:
        await theirs.connect(await xpub.bind(TCP))
        assert await xpub.receive() == (b"\x01a",)
        await theirs.program.kill()
        assert await xpub.receive() == (b"\x00a",)


# -- we bind, and go away --


async def test_libzmq_finds_us_again_when_we_were_restarted(libzmq: Libzmq, address: str) -> None:
    """It dials again after our normal end, and nothing is lost either way."""
    theirs = await libzmq.open("DEALER", **THEIRS_SOON)
    await theirs.connect(address)
    for life in range(3):
        async with trio_mq.Dealer(bind=address) as dealer:
            await dealer.wait_for_peers()
            await theirs.send(b"to life %d" % life)
            assert await dealer.receive() == (b"to life %d" % life,)
            await dealer.send(b"from life %d" % life)
        assert await theirs.receive() == (b"from life %d" % life,)


async def test_a_libzmq_subscriber_gets_its_topics_from_our_next_life(
    libzmq: Libzmq, address: str
) -> None:
    """It subscribes anew at each connection."""
    theirs = await libzmq.open("SUB", SUBSCRIBE=b"a", **THEIRS_SOON)
    await theirs.connect(address)
    for life in range(3):
        async with trio_mq.Pub(bind=address) as pub:
            await theirs.meet_peer()
            await pub.wait_for_subscribers(topic="a")
            await pub.send(b"a%d" % life)
        assert await theirs.receive() == (b"a%d" % life,)


async def test_what_libzmq_queued_while_we_were_away_arrives(libzmq: Libzmq, address: str) -> None:
    """It keeps its queue after our plain end."""
    theirs = await libzmq.open("PUSH", **THEIRS_SOON)
    await theirs.connect(address)
    async with trio_mq.Pull(bind=address) as pull:
        await theirs.send(b"first")
        assert await pull.receive() == (b"first",)
    await theirs.events("DISCONNECTED")
    await theirs.send_many([(b"second",), (b"third",)])
    async with trio_mq.Pull(bind=address) as pull:
        assert await pull.receive() == (b"second",)
        assert await pull.receive() == (b"third",)


async def test_libzmq_comes_back_after_we_disconnected_it(libzmq: Libzmq) -> None:
    """`Peer.disconnect` is no refusal: libzmq dials again."""
    theirs = await libzmq.open("DEALER", **THEIRS_SOON)
    async with trio_mq.Dealer() as dealer:
        await theirs.connect(await dealer.bind(TCP))
        await dealer.wait_for_peers()
        with dealer.events() as events:
            dealer.peers[0].disconnect("a test")
            assert (await gone(events)).reason == "a test"
        await theirs.events("DISCONNECTED")  # what it writes before it knows is lost
        await theirs.send(b"still here")
        assert await dealer.receive() == (b"still here",)
