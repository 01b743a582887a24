"""Options of libzmq that change what is said or who is heard, at either end."""

from __future__ import annotations

from typing import Final

import pytest
import trio
import trio.testing

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Libzmq, LibzmqError
from tests.interop.pairs import Link, join
from tests.interop.test_reconnect import gone

TCP: Final = "tcp://127.0.0.1:*"
each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)

# -- requests with numbers --


@pytest.mark.parametrize("server", [trio_mq.Rep, trio_mq.Router])
@each_link
async def test_a_libzmq_req_that_correlates_gets_its_replies(
    libzmq: Libzmq, link: Link, server: type[trio_mq.Rep | trio_mq.Router]
) -> None:
    """Its number stands before the delimiter, and goes back as it came."""
    theirs = await libzmq.open("REQ", REQ_CORRELATE=1)
    async with server() as ours, trio.open_nursery() as nursery:
        await join(ours, theirs, link, TCP)
        requests = [(b"%d" % number,) for number in range(10)]

        async def serve() -> None:
            for _ in requests:
                await ours.send(await ours.receive())

        nursery.start_soon(serve)
        assert await theirs.ask(requests) == requests


async def test_a_router_sees_the_number_of_a_libzmq_req(libzmq: Libzmq) -> None:
    """Four bytes between the routing id and the delimiter."""
    theirs = await libzmq.open("REQ", REQ_CORRELATE=1, ROUTING_ID=b"asker")
    async with trio_mq.Router() as router:
        await theirs.connect(await router.bind(TCP))
        await theirs.send(b"question")
        name, number, delimiter, body = await router.receive()
        assert (name, len(number), delimiter, body) == (b"asker", 4, b"", b"question")


async def test_a_relaxed_libzmq_req_may_change_its_mind(libzmq: Libzmq) -> None:
    """It asks twice before we answer, and takes the answer to the second question only."""
    theirs = await libzmq.open("REQ", REQ_RELAXED=1, REQ_CORRELATE=1)
    async with trio_mq.Rep() as rep:
        await theirs.connect(await rep.bind(TCP))
        await theirs.send(b"first")
        assert await rep.receive() == (b"first",)
        await theirs.send(b"second")
        await rep.send(b"to the first")
        assert await rep.receive() == (b"second",)
        await rep.send(b"to the second")
        assert await theirs.receive() == (b"to the second",)


@each_link
async def test_a_correlating_req_of_ours_is_understood_by_a_libzmq_rep(
    libzmq: Libzmq, link: Link
) -> None:
    """The number is part of the envelope that a REP sends back."""
    theirs = await libzmq.open("REP")
    async with trio_mq.Req(correlate=True) as req, trio.open_nursery() as nursery:
        await join(req, theirs, link, TCP)
        nursery.start_soon(theirs.echo, 10)
        for number in range(10):
            assert await req.request(b"%d" % number) == (b"%d" % number,)
        assert_accounted_for(req)


async def test_requests_at_the_same_time_find_their_replies_in_any_order(libzmq: Libzmq) -> None:
    """A ROUTER of libzmq answers the last one first."""
    theirs = await libzmq.open("ROUTER")
    replies: dict[int, tuple[bytes, ...]] = {}
    async with trio_mq.Req(correlate=True, connect=await theirs.bind(TCP)) as req:

        async def ask(number: int) -> None:
            replies[number] = await req.request(b"%d" % number)

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, number)
            await theirs.send_many(reversed(await theirs.receive_many(10)))
        assert replies == {number: (b"%d" % number,) for number in range(10)}


async def test_a_reply_with_an_old_number_is_not_taken_for_the_new_one(libzmq: Libzmq) -> None:
    """The late answer to an abandoned request is dropped."""
    theirs = await libzmq.open("ROUTER", ROUTER_MANDATORY=1)
    async with trio_mq.Req(correlate=True, connect=await theirs.bind(TCP)) as req:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(req.request, b"old")
            old = await theirs.receive()
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                new = await theirs.receive()
                await theirs.send_many([old, new])

            nursery.start_soon(answer)
            assert await req.request(b"new") == (b"new",)


# -- routers --


async def test_a_mandatory_router_of_ours_names_who_is_not_there(libzmq: Libzmq) -> None:
    """Until the libzmq peer of that name has come, and after it has gone."""
    theirs = await libzmq.open("DEALER", ROUTING_ID=b"dealer")
    async with trio_mq.Router(mandatory=True) as router:
        with pytest.raises(trio_mq.Unroutable, match="dealer"):
            await router.send([b"dealer", b"too early"])
        await theirs.connect(await router.bind(TCP))
        await router.wait_for_peers()
        await router.send([b"dealer", b"in time"])
        assert await theirs.receive() == (b"in time",)
        with router.events() as events:
            await theirs.close()
            await gone(events)
        with pytest.raises(trio_mq.Unroutable, match="dealer"):
            await router.send([b"dealer", b"too late"])


async def test_a_mandatory_libzmq_router_reaches_us_by_name_while_we_are_there(
    libzmq: Libzmq,
) -> None:
    """It refuses what it can't route: our end is seen."""
    theirs = await libzmq.open("ROUTER", ROUTER_MANDATORY=1)
    endpoint = await theirs.bind(TCP)
    with pytest.raises(LibzmqError, match="EHOSTUNREACH"):
        await theirs.send(b"ours", b"too early")
    async with trio_mq.Dealer(routing_id=b"ours", connect=endpoint) as dealer:
        await theirs.meet_peer()
        await theirs.send(b"ours", b"in time")
        assert await dealer.receive() == (b"in time",)
    await theirs.events("DISCONNECTED")
    with pytest.raises(LibzmqError, match="EHOSTUNREACH"):  # noqa: PT012  # it hears of it soon
        while True:
            await theirs.send(b"ours", b"too late")


async def test_a_second_libzmq_of_the_same_name_takes_over_where_that_is_allowed(
    libzmq: Libzmq,
) -> None:
    """``handover=True``: the newcomer gets what is sent to the name."""
    first = await libzmq.open("DEALER", ROUTING_ID=b"name")
    second = await libzmq.open("DEALER", ROUTING_ID=b"name")
    async with trio_mq.Router(handover=True) as router:
        endpoint = await router.bind(TCP)
        await first.connect(endpoint)
        await router.wait_for_peers()
        with router.events() as events:
            await second.connect(endpoint)
            await gone(events)
        await second.send(b"here")
        assert await router.receive() == (b"name", b"here")
        await router.send([b"name", b"hello"])
        assert await second.receive() == (b"hello",)


async def test_a_second_libzmq_of_the_same_name_is_refused_while_the_first_lives(
    libzmq: Libzmq,
) -> None:
    """The first answers our PING; the event says why the second was turned away."""
    first = await libzmq.open("DEALER", ROUTING_ID=b"name")
    second = await libzmq.open("DEALER", ROUTING_ID=b"name")
    async with trio_mq.Router() as router:
        endpoint = await router.bind(TCP)
        await first.connect(endpoint)
        await router.wait_for_peers()
        with router.events() as events:
            await second.connect(endpoint)
            async for event in events:
                if isinstance(event, trio_mq.HandshakeFailed):
                    assert event.reason == "routing-id-in-use"
                    break
        await router.send([b"name", b"hello"])
        assert await first.receive() == (b"hello",)


async def test_our_newcomer_takes_a_name_over_at_a_libzmq_router(libzmq: Libzmq) -> None:
    """``ROUTER_HANDOVER`` there; libzmq leaves our first one connected, and deaf."""
    theirs = await libzmq.open("ROUTER", ROUTER_HANDOVER=1)
    endpoint = await theirs.bind(TCP)
    async with trio_mq.Dealer(routing_id=b"name", connect=endpoint):
        await theirs.meet_peer()
        async with trio_mq.Dealer(routing_id=b"name", connect=endpoint) as second:
            await theirs.meet_peer()
            await theirs.send(b"name", b"hello")
            assert await second.receive() == (b"hello",)


@pytest.mark.parametrize("kind", ["DEALER", "ROUTER", "REQ"])
async def test_a_probe_of_libzmq_introduces_it_to_our_router(libzmq: Libzmq, kind: str) -> None:
    """An empty message, and the router can speak first."""
    theirs = await libzmq.open(kind, PROBE_ROUTER=1, ROUTING_ID=b"prober")
    async with trio_mq.Router() as router:
        await theirs.connect(await router.bind(TCP))
        assert await router.receive() == (b"prober", b"")


@pytest.mark.parametrize("kind", [trio_mq.Dealer, trio_mq.Router])
async def test_our_probe_introduces_us_to_a_libzmq_router(
    libzmq: Libzmq, kind: type[trio_mq.Dealer | trio_mq.Router]
) -> None:
    """At each connection, before anything else is said."""
    theirs = await libzmq.open("ROUTER")
    endpoint = await theirs.bind(TCP)
    async with kind(probe=True, routing_id=b"prober", connect=endpoint) as ours:
        assert await theirs.receive() == (b"prober", b"")
        if isinstance(ours, trio_mq.Dealer):
            await theirs.send(b"prober", b"hello")
            assert await ours.receive() == (b"hello",)


# -- where messages wait --


async def test_nothing_waits_for_an_absent_libzmq_with_immediate(libzmq: Libzmq) -> None:
    """All go to the one that is there."""
    absent = await libzmq.open("PULL")
    nowhere = await absent.bind(TCP)
    await absent.unbind(nowhere)
    theirs = await libzmq.open("PULL")
    async with trio_mq.Push(connect=nowhere, immediate=True) as push:
        await push.connect(await theirs.bind(TCP))
        for number in range(10):
            await push.send(b"%d" % number)
        assert await theirs.receive_many(10) == [(b"%d" % number,) for number in range(10)]
        assert assert_accounted_for(push).written == 10


async def test_an_immediate_libzmq_sends_all_to_us_while_another_is_absent(
    libzmq: Libzmq,
) -> None:
    """It waits for our handshake."""
    theirs = await libzmq.open("PUSH", IMMEDIATE=1)
    async with trio_mq.Pull() as pull:
        here = await pull.bind(TCP)
        absent = await pull.bind(TCP)
        await pull.unbind(absent)
        await theirs.connect(absent)
        await theirs.connect(here)
        await theirs.send_many([(b"%d" % number,) for number in range(10)])
        for number in range(10):
            assert await pull.receive() == (b"%d" % number,)


async def test_our_conflating_pull_keeps_the_last_of_what_libzmq_sent(libzmq: Libzmq) -> None:
    """And counts the others."""
    theirs = await libzmq.open("PUSH")
    async with trio_mq.Pull(conflate=True) as pull:
        await theirs.connect(await pull.bind(TCP))
        await theirs.send_many([(b"%d" % number,) for number in range(100)])
        while pull.statistics().decoded < 100:
            await trio.testing.wait_all_tasks_blocked()
        assert await pull.receive() == (b"99",)
        assert assert_accounted_for(pull).dropped == {trio_mq.DropReason.CONFLATED: 99}


async def test_our_conflating_push_sends_a_late_libzmq_the_last_message(libzmq: Libzmq) -> None:
    """What waited for it was replaced, again and again."""
    theirs = await libzmq.open("PULL")
    endpoint = await theirs.bind(TCP)
    await theirs.unbind(endpoint)
    async with trio_mq.Push(conflate=True, reconnect_interval=0.01) as push:
        await push.connect(endpoint)
        for number in range(100):
            await push.send(b"%d" % number)
        await theirs.bind(endpoint)
        assert await theirs.receive() == (b"99",)
        assert assert_accounted_for(push).dropped == {trio_mq.DropReason.CONFLATED: 99}


async def test_a_conflating_libzmq_gets_ever_newer_messages_of_ours(libzmq: Libzmq) -> None:
    """It need not see all of them, but the last."""
    theirs = await libzmq.open("PULL", CONFLATE=1)
    async with trio_mq.Push(connect=await theirs.bind(TCP)) as push:
        for number in range(100):
            await push.send(b"%d" % number)
        seen = [-1]
        while seen[-1] != 99:
            seen.append(int((await theirs.receive())[0]))
        assert seen == sorted(set(seen))


async def test_a_conflating_libzmq_push_sends_us_the_last_message(libzmq: Libzmq) -> None:
    """What waited for us was replaced at its end."""
    theirs = await libzmq.open("PUSH", CONFLATE=1, RECONNECT_IVL=10)
    async with trio_mq.Pull() as pull:
        endpoint = await pull.bind(TCP)
        await pull.unbind(endpoint)
        await theirs.connect(endpoint)
        await theirs.send_many([(b"%d" % number,) for number in range(100)])
        await pull.bind(endpoint)
        assert await pull.receive() == (b"99",)


# -- what its monitor sees --


async def test_the_monitor_of_libzmq_sees_us_come_and_go(libzmq: Libzmq) -> None:
    """Accepted, shaken hands, and a plain end: no failure of any kind."""
    theirs = await libzmq.open("PULL")
    endpoint = await theirs.bind(TCP)
    async with trio_mq.Push(connect=endpoint) as push:
        await push.send(b"hello")
        assert await theirs.receive() == (b"hello",)
    names = [name for name, _ in await theirs.events("DISCONNECTED")]
    assert names == ["LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED"]


async def test_the_monitor_of_a_connecting_libzmq_sees_us_come_and_go(libzmq: Libzmq) -> None:
    """Connected, shaken hands, and a plain end, after which it dials again."""
    theirs = await libzmq.open("PUSH")
    async with trio_mq.Pull() as pull:
        await theirs.connect(await pull.bind(TCP))
        await pull.wait_for_peers()
    names = [name for name, _ in await theirs.events("CONNECT_RETRIED")]
    assert names == [
        "CONNECT_DELAYED",
        "CONNECTED",
        "HANDSHAKE_SUCCEEDED",
        "DISCONNECTED",
        "CONNECT_RETRIED",
    ]


async def test_libzmq_hears_the_hello(libzmq: Libzmq) -> None:
    """It is an ordinary message on the wire, and the first."""
    router = await libzmq.open("ROUTER")
    endpoint = await router.bind("tcp://127.0.0.1:*")
    async with trio_mq.Dealer(hello_message=b"hello", routing_id=b"ada") as dealer:
        await dealer.connect(endpoint)
        await dealer.send(b"first")
        assert await router.receive_many(2) == [(b"ada", b"hello"), (b"ada", b"first")]
