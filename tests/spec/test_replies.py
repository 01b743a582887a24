"""What ties a reply to its request: the form of requests, by partner, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.meeting import eventually, next_of
from tests.spec.raw_peer import RawPeer, raw_client, raw_server
from trio_mq import DropReason, PeerLost, Rep, Req, Router
from trio_mq.testing import Host, Network, RawPeer as Scripted
from trio_mq.zmtp import RemoteProtocolError

TCP = "tcp://127.0.0.1:*"


async def plain_request(peer: RawPeer, body: bytes) -> None:
    """Read a request as a REQ of libzmq sends it."""
    await peer.expect(b"\1\0" + bytes((0, len(body))) + body)


async def numbered_request(peer: RawPeer, body: bytes) -> bytes:
    """Read a request that has an id, and return that."""
    data = await peer.receive(6 + 2 + 2 + len(body))
    assert data[:2] == b"\1\4"
    assert data[6:] == b"\1\0" + bytes((0, len(body))) + body
    return data[2:6]


def reply(body: bytes, request_id: bytes = b"") -> bytes:
    """Return a reply as it is on the wire."""
    envelope = b"\1\4" + request_id if request_id else b""
    return envelope + b"\1\0" + bytes((0, len(body))) + body


async def abandoned(req: Req, peer: RawPeer, body: bytes) -> None:
    """Make a plain request, and give it up once the peer has it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(req.request, body)
        await plain_request(peer, body)
        nursery.cancel_scope.cancel()


# -- a Rep of ours --


async def test_requests_to_a_rep_of_ours_are_out_together(place: str) -> None:
    """All that ten tasks ask is there while the first is being answered."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        replies: set[bytes] = set()

        async def ask(number: int) -> None:
            replies.add(bytes(await req.request(b"%d" % number)))

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, number)
            request = await rep.receive()
            await eventually(lambda: req.statistics().written == 10)
            await rep.send(request)
            for _ in range(9):
                await rep.send(await rep.receive())
        assert replies == {b"%d" % number for number in range(10)}


async def test_who_repeats_ids_gets_them_while_a_plain_request_is_unanswered() -> None:
    """A lone request looks as one of libzmq does; an abandoned one is told by lacking an id."""
    async with (
        raw_server() as server,
        Req(connect=server.endpoint, linger=0) as req,
        server.accept() as peer,
    ):
        await peer.shake_hands(b"REP", X_Correlate=b"1")
        await abandoned(req, peer, b"1")
        await req.send(b"2")
        number = await numbered_request(peer, b"2")
        await peer.send(reply(b"to 1") + reply(b"to 2", number))
        assert await req.receive() == (b"to 2",)
        assert req.statistics().dropped_incoming == {DropReason.FILTERED: 1}
        await req.send(b"3")
        await plain_request(peer, b"3")
        await peer.send(reply(b"to 3"))
        assert await req.receive() == (b"to 3",)


async def test_an_idle_service_is_preferred(place: str) -> None:
    """A request does not queue behind another while somebody has nothing to do."""
    async with Rep() as busy, Rep() as idle, Req() as req, trio.open_nursery() as nursery:
        await req.connect(await busy.bind(place), wait=True)
        nursery.start_soon(req.request, b"long")
        await busy.receive()
        await req.connect(await idle.bind(place.replace("meeting", "other")), wait=True)
        for _ in range(3):
            async with trio.open_nursery() as asking:
                asking.start_soon(req.request, b"short")
                await idle.send(await idle.receive())
        await busy.send(b"done")


@pytest.mark.parametrize(("service", "repeats"), [(Rep, True), (Router, False)])
async def test_a_rep_says_that_it_repeats_ids_and_a_router_does_not(
    place: str, service: type[Rep | Router], *, repeats: bool
) -> None:
    """It is no part of the metadata, which is the program's."""
    async with service(metadata={"X-Mine": b"1"}) as ours, Req() as req:
        await req.connect(await ours.bind(place), wait=True)
        assert req.peers[0].correlates is repeats
        assert req.peers[0].metadata == {"X-Mine": b"1"}


@pytest.mark.parametrize("name", ["X-Correlate", "X-CORRELATE"])
def test_a_program_cannot_say_it_for_us(name: str) -> None:
    """The name is the library's."""
    with pytest.raises(ValueError, match="the library's own"):
        Rep(metadata={name: b"1"})


# -- others that we dial --


async def test_who_does_not_announce_ids_gets_one_request_at_a_time() -> None:
    """As from a REQ of libzmq, byte for byte."""
    async with (
        raw_server() as server,
        Req(connect=server.endpoint, linger=0) as req,
        server.accept() as peer,
        trio.open_nursery() as nursery,
    ):
        await peer.shake_hands(b"REP")
        for body in (b"1", b"2"):
            nursery.start_soon(req.request, body)
            await trio.testing.wait_all_tasks_blocked()
        await plain_request(peer, b"1")
        assert req.statistics().written == 1
        await peer.send(reply(b"to 1"))
        await plain_request(peer, b"2")
        await peer.send(reply(b"to 2"))


async def test_with_correlate_false_nobody_gets_ids() -> None:
    """Whatever the service announces."""
    async with (
        raw_server() as server,
        Req(connect=server.endpoint, correlate=False) as req,
        server.accept() as peer,
        trio.open_nursery() as nursery,
    ):
        await peer.shake_hands(b"REP", X_Correlate=b"1")
        for _ in range(2):
            nursery.start_soon(req.request, b"same")
        for _ in range(2):
            await plain_request(peer, b"same")
            await peer.send(reply(b"reply"))


@pytest.mark.parametrize("announced", [{}, {"X_Correlate": b"1"}], ids=["plain", "correlates"])
async def test_a_request_that_is_abandoned_half_written_is_not_written_again(
    announced: dict[str, bytes],
) -> None:
    """Its reply would be taken for the next one's, on the connection that follows."""
    async with (
        raw_server() as server,
        Req(connect=server.endpoint, linger=0, reconnect_interval=0.001) as req,
    ):
        async with server.accept() as peer, trio.open_nursery() as nursery:
            await peer.shake_hands(b"REP", **announced)
            await req.wait_for_peers()
            nursery.start_soon(req.request, bytes(32 * 1024 * 1024))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        async with server.accept() as peer:
            await peer.shake_hands(b"REP", **announced)
            await req.send(b"next")
            await plain_request(peer, b"next")
            await peer.send(reply(b"to next"))
            assert await req.receive() == (b"to next",)


# -- services that dial us --


async def test_a_service_that_comes_back_gets_ids_if_it_may_owe_a_reply() -> None:
    """Its late reply, on the new connection, has none."""
    async with Req(linger=0) as req:
        endpoint = await req.bind(TCP)
        async with raw_client(endpoint) as peer:
            await peer.shake_hands(b"REP")
            await req.send(b"1")
            await plain_request(peer, b"1")
        with pytest.raises(PeerLost):
            await req.receive()
        async with raw_client(endpoint) as peer:
            await peer.shake_hands(b"REP")
            await req.send(b"2")
            number = await numbered_request(peer, b"2")
            await peer.send(reply(b"to 1") + reply(b"to 2", number))
            assert await req.receive() == (b"to 2",)


async def test_a_malformed_reply_settles_nothing(place: str) -> None:
    """It may be the reply to anything; the one to this request may come over another connection."""
    async with Req(routing_id=b"A") as req, Router(connect=await req.bind(place)) as router:
        await req.send(b"1")
        await router.receive()
        await router.send((b"A", b"no delimiter"))
        with pytest.raises(PeerLost):
            await req.receive()
        await req.send(b"2")
        *envelope, body = await router.receive()
        assert body == b"2"
        await router.send((b"A", b"", b"to 1"))
        await router.send((*envelope, b"to 2"))
        assert await req.receive() == (b"to 2",)


async def test_an_abandoned_request_does_not_cost_the_connection_of_a_service_that_dialled() -> (
    None
):
    """To end it would not end the debt; the next request has an id instead."""
    async with Req(linger=0) as req, raw_client(await req.bind(TCP)) as peer:
        await peer.shake_hands(b"REP")
        await req.wait_for_peers()
        await abandoned(req, peer, b"1")
        await req.send(b"2")
        number = await numbered_request(peer, b"2")
        await peer.send(reply(b"to 1") + reply(b"to 2", number))
        assert await req.receive() == (b"to 2",)


async def test_of_services_that_dialled_only_one_has_a_plain_request() -> None:
    """Any of them may be the other, come back before we saw it leave."""
    async with Req(linger=0) as req, trio.open_nursery() as nursery:
        endpoint = await req.bind(TCP)
        async with raw_client(endpoint) as one, raw_client(endpoint) as two:
            for count, peer in enumerate((one, two), 1):
                await peer.shake_hands(b"REP")
                await req.wait_for_peers(count)
            nursery.start_soon(req.request, b"1")
            await plain_request(one, b"1")
            await req.send(b"2")
            number = await numbered_request(two, b"2")
            await two.send(reply(b"to 1") + reply(b"to 2", number))
            assert await req.receive() == (b"to 2",)
            await one.send(reply(b"to 1"))


async def test_a_req_without_ids_cannot_bind() -> None:
    """It is refused where it is said, in either place."""
    with pytest.raises(ValueError, match="correlate=False can't bind"):
        Req(bind=TCP, correlate=False)
    async with Req(correlate=False) as req:
        with pytest.raises(ValueError, match="correlate=False can't bind"):
            await req.bind(TCP)


# -- Routers that know our name --


async def test_a_name_is_told_again_unless_a_reply_to_it_is_outstanding() -> None:
    """A Router sends that to whoever bears the name."""
    async with (
        raw_server() as server,
        Req(connect=server.endpoint, routing_id=b"me", linger=0, reconnect_interval=0.001) as req,
    ):
        for lost in (False, True):
            async with server.accept() as peer:
                await peer.shake_hands(b"ROUTER", Identity=b"")
                assert b"\x00\x00\x00\x02me" in peer.their_ready
                await req.send(b"1")
                await plain_request(peer, b"1")
                if not lost:
                    await peer.send(reply(b"to 1"))
                    assert await req.receive() == (b"to 1",)
        with pytest.raises(PeerLost):
            await req.receive()
        async with server.accept() as peer:
            await peer.shake_hands(b"ROUTER", Identity=b"")
            assert b"me" not in peer.their_ready
            await req.send(b"2")
            await plain_request(peer, b"2")
            await peer.send(reply(b"to 2"))
            assert await req.receive() == (b"to 2",)


async def test_of_routers_that_know_our_name_one_is_asked_at_a_time() -> None:
    """Two endpoints may be one Router; when the reply fails to come, none knows the name."""
    async with (
        raw_server() as one,
        raw_server() as two,
        Req(routing_id=b"me", linger=0, reconnect_interval=0.001) as req,
    ):
        await req.connect(one.endpoint)
        await req.connect(two.endpoint)
        async with one.accept() as first, two.accept() as second:
            for count, peer in enumerate((first, second), 1):
                await peer.shake_hands(b"ROUTER", Identity=b"")
                await req.wait_for_peers(count)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(req.request, b"1")
                await plain_request(first, b"1")
                with pytest.raises(trio.WouldBlock):
                    req.send_nowait(b"2")
                nursery.cancel_scope.cancel()
            await first.expect_end()
            await second.expect_end()
        async with two.accept() as second:
            await second.shake_hands(b"ROUTER", Identity=b"")
            assert b"me" not in second.their_ready


# -- what else is told --


@pytest.mark.parametrize("second", ["receive", "receive_nowait", "receive_from"])
async def test_a_reply_that_was_given_to_one_task_is_not_anothers(second: str) -> None:
    """Also before the first has run with it."""
    async with Req(bind="inproc://r") as req, Rep(connect="inproc://r") as rep:
        await req.send(b"question")
        async with trio.open_nursery() as nursery:
            got: list[object] = []

            @nursery.start_soon
            async def first() -> None:
                got.append(await req.receive())

            await trio.testing.wait_all_tasks_blocked()
            await rep.receive()
            # Without a checkpoint, at which the first task could run.
            rep.send_nowait(b"answer")
            call = getattr(req, second)
            with pytest.raises(trio.BusyResourceError):
                await call() if second != "receive_nowait" else call()
        assert got == [(b"answer",)]


async def test_peer_lost_names_the_endpoint_and_the_reason(place: str) -> None:
    """And the error that ended the connection, where there is one, is its cause."""
    async with Router() as router, Req(connect=await router.bind(place)) as req:
        await req.send(b"question")
        name, *_ = await router.receive()
        await router.send([name, b"no delimiter"])
        with pytest.raises(PeerLost, match="envelope: a reply without the empty frame") as caught:
            await req.receive()
        assert router.endpoints[0].endpoint in str(caught.value)
        assert isinstance(caught.value.__cause__, RemoteProtocolError)


async def test_what_is_no_request_is_counted_told_and_logged(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It has a reason of its own."""
    async with Rep() as rep, trio_mq.Dealer(connect=await rep.bind(place)) as dealer:
        await rep.wait_for_peers()
        with rep.events() as events, caplog.at_level(logging.WARNING, "trio_mq"):
            await dealer.send([b"no", b"delimiter"])
            await dealer.send([b"", b"proper"])
            assert await rep.receive() == (b"proper",)
            told = await next_of(events, trio_mq.Dropped)
        assert told.reason is DropReason.MALFORMED
        assert rep.statistics().dropped_incoming == {DropReason.MALFORMED: 1}
        assert "no request" in caplog.text


async def test_a_service_that_dialled_us_goes_on_with_ids_while_some_are_out() -> None:
    """A plain request beside them would be taken for the only one that it has."""
    async with (
        Req(bind="inproc://desk", linger=0) as req,
        Router(linger=0) as second,
        Router(connect="inproc://desk", linger=0) as first,
    ):
        await req.wait_for_peers(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(req.request, b"plain, to the first")
            plain = await first.receive()
            await second.connect("inproc://desk", wait=True)
            nursery.start_soon(req.request, b"with an id, to the second")
            numbered = await second.receive()
            await first.send([plain[0], b"", b"done"])
            await trio.testing.wait_all_tasks_blocked()
            await first.aclose()
            nursery.start_soon(req.request, b"to the second, which has work")
            beside = await second.receive()
            for request in (numbered, beside):
                await second.send([*request[:-1], b"done"])
    assert [len(plain), len(numbered), len(beside)] == [3, 4, 4]


async def test_a_name_that_was_told_too_late_is_taken_back_at_once(mq_network: Network) -> None:
    """The socket asks for a new connection while this one is just being made."""
    ours = mq_network.host("ours")
    name = b"me"
    async with (
        Scripted(bind="tcp://*:1", context=mq_network.host("first")) as first,
        Scripted(bind="tcp://*:1", context=mq_network.host("second")) as second,
        Req(context=ours, routing_id=name, reconnect_interval=1000, linger=0) as req,
    ):
        await req.connect("tcp://first:1")
        await first.greet("ROUTER")
        assert name in first.their_metadata
        await req.wait_for_peers()
        await req.connect("tcp://second:1")
        await second.accept()  # it is about to be told the name
        with trio.move_on_after(1):
            await req.request(b"nobody answers this")
        began = trio.current_time()
        for told in (True, False):
            await second.greet("ROUTER")
            assert (name in second.their_metadata) is told
            if told:
                await second.accept()
        assert trio.current_time() < began + 1


# -- a Rep that dials --


@pytest.fixture
def client(mq_network: Network) -> Host:
    """The host of a Rep's client, on a network that takes little at a time."""
    client = mq_network.host("client")
    mq_network.link(client, mq_network.host("service"), buffer=1000)
    return client


async def test_a_reply_that_its_connection_did_not_carry_goes_to_no_later_one(
    mq_network: Network, client: Host
) -> None:
    """The next one has asked something else, and would take it for the reply to that."""
    service = mq_network.host("service")
    async with (
        Scripted(bind="tcp://*:1", context=client) as raw,
        Rep(connect="tcp://client:1", context=service, reconnect_interval=0.01) as rep,
    ):
        await raw.greet("REQ")
        await raw.send_message(b"", b"first")
        assert await rep.receive() == (b"first",)
        await rep.send(b"to first" + bytes(10_000))
        rep.peers[0].disconnect()
        await raw.accept()
        await raw.greet("REQ")
        await raw.send_message(b"", b"second")
        assert await rep.receive() == (b"second",)
        await rep.send(b"to second")
        assert await raw.receive_message() == [b"", b"to second"]
        assert rep.statistics().dropped == {DropReason.PEER_LEFT: 1}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Rep.aclose, DropReason.PEER_LEFT),
        (partial(Rep.disconnect, endpoint="tcp://client:1"), DropReason.CLOSED),
    ],
)
async def test_a_rep_that_leaves_does_not_dial_again_for_a_reply(
    mq_network: Network,
    client: Host,
    end: Callable[[Rep], Awaitable[None]],
    reason: DropReason,
) -> None:
    """Others do, to write what waits; but no later connection has asked for it."""
    service = mq_network.host("service")
    async with (
        Scripted(bind="tcp://*:1", context=client) as raw,
        Rep(connect="tcp://client:1", context=service, linger=3600) as rep,
        trio.open_nursery() as nursery,
    ):
        await raw.greet("REQ")
        await raw.send_message(b"", b"first")
        assert await rep.receive() == (b"first",)
        await rep.send(b"to first" + bytes(10_000))
        (peer,), asked = rep.peers, trio.current_time()
        nursery.start_soon(end, rep)
        await trio.testing.wait_all_tasks_blocked()
        peer.disconnect()
    assert rep.statistics().dropped == {reason: 1}
    assert trio.current_time() < asked + 60
