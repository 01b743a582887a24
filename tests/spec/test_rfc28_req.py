"""RFC 28, the REQ socket type: one test for each demand, in our words."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import eventually, exchange, opened, would_block
from tests.spec.raw_peer import raw_client
from trio_mq import DropReason, Rep, Req, Router


async def test_a_req_may_have_rep_and_router_peers(place: str) -> None:
    """It may be connected to any number of REP or ROUTER peers."""
    async with Req() as req, Rep(connect=await req.bind(place)) as rep:
        await req.wait_for_peers()
        async with Router(connect=req.endpoints[0].endpoint) as router:
            await req.wait_for_peers(2)
            await exchange(req, rep)
            await req.send(b"next")
            me, delimiter, _ = await router.receive()
            await router.send([me, delimiter, b"routed"])
            assert await req.receive() == (b"routed",)


async def test_a_second_request_waits_for_the_reply_to_the_first(place: str) -> None:
    """It shall send and then receive exactly one message at a time: no second send."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        await req.send(b"one")
        with pytest.raises(trio_mq.StateError):
            await req.send(b"two")
        await rep.receive()
        await rep.send(b"ONE")
        assert await req.receive() == (b"ONE",)
        await exchange(req, rep, b"two")


async def test_a_reply_is_received_only_after_a_request(place: str) -> None:
    """It shall send and then receive exactly one message at a time: no receive first."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        with pytest.raises(trio_mq.StateError):
            await req.receive()
        await exchange(req, rep)
        with pytest.raises(trio_mq.StateError):
            req.receive_nowait()


async def test_a_request_on_the_wire_is_a_delimiter_and_the_data() -> None:
    """The format on the wire: an empty frame, then the frames that the application sees."""
    async with Req() as req, raw_client(await req.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"REP")
        await req.wait_for_peers()
        await req.send([b"A", b"", b"BC"])
        await peer.expect(b"\1\0" + b"\1\1A" + b"\1\0" + b"\0\2BC")
        await peer.send(b"\1\0" + b"\1\1X" + b"\0\2YZ")
        assert await req.receive() == (b"X", b"YZ")


async def test_an_outgoing_message_gets_an_empty_frame_in_front(place: str) -> None:
    """It shall prefix the outgoing message with an empty delimiter frame."""
    async with Router() as router, Req(connect=await router.bind(place)) as req:
        await req.send([b"hello", b"world"])
        assert (await router.receive())[1:] == (b"", b"hello", b"world")


async def test_requests_go_to_the_peers_in_turn(place: str) -> None:
    """It shall route outgoing messages to connected peers using a round-robin strategy."""
    async with Req() as req:
        endpoint = await req.bind(place)
        async with opened([Rep(), Rep(), Rep()]) as reps:
            for count, rep in enumerate(reps, 1):
                await rep.connect(endpoint)
                await req.wait_for_peers(count)
            for rep in reps * 2:
                await exchange(req, rep)


async def test_a_request_without_peers_would_block(place: str) -> None:
    """It shall block on sending, or return a suitable error, when it has no connected peers."""
    async with Req() as req:
        await req.bind(place)
        assert would_block(lambda: req.send_nowait(b"nobody"))


async def test_a_request_that_waited_for_a_peer_is_sent_to_it(place: str) -> None:
    """It shall not discard messages that it cannot send to a connected peer."""
    async with Req() as req, Rep() as rep, trio.open_nursery() as nursery:
        endpoint = await req.bind(place)
        nursery.start_soon(req.send, b"patience")
        await trio.testing.wait_all_tasks_blocked()
        await rep.connect(endpoint)
        assert await rep.receive() == (b"patience",)
        await rep.send(b"rewarded")


async def test_a_request_to_an_endpoint_that_is_not_there_yet_is_kept(unbound: str) -> None:
    """It shall not discard messages: what was sent before the connection is sent with it."""
    async with Req(connect=unbound) as req, Rep() as rep:
        await req.send(b"early")
        await rep.bind(unbound)
        assert await rep.receive() == (b"early",)
        await rep.send(b"bird")
        assert await req.receive() == (b"bird",)


async def test_a_reply_from_a_peer_that_was_not_asked_is_discarded(place: str) -> None:
    """It shall accept an incoming message only from the last peer that it sent a request to."""
    async with Req(routing_id=b"me") as req:
        endpoint = await req.bind(place)
        async with Router(connect=endpoint) as asked, Router() as other:
            await req.wait_for_peers(1)
            await other.connect(endpoint, wait=True)
            await req.send(b"question")
            await asked.receive()
            await other.send([b"me", b"", b"forged"])
            await eventually(lambda: bool(req.statistics().dropped))
            await asked.send([b"me", b"", b"true"])
            assert await req.receive() == (b"true",)


async def test_a_reply_with_the_right_id_from_a_peer_that_was_not_asked_is_discarded(
    place: str,
) -> None:
    """It shall accept a message only from the last peer asked, whatever others know."""
    async with Req(routing_id=b"me", correlate=True) as req:
        endpoint = await req.bind(place)
        async with Router(connect=endpoint) as asked, Router() as other:
            await req.wait_for_peers(1)
            await other.connect(endpoint, wait=True)
            await req.send(b"question")
            _, number, *_ = await asked.receive()
            await other.send([b"me", number, b"", b"forged"])
            await eventually(lambda: bool(req.statistics().dropped))
            await asked.send([b"me", number, b"", b"true"])
            assert await req.receive() == (b"true",)


@departs(Departure.DROPS_ARE_VISIBLE)
async def test_what_other_peers_send_is_discarded_and_counted(place: str) -> None:
    """It shall discard silently any messages received from other peers."""
    async with Req(routing_id=b"me") as req, Router() as router:
        await router.connect(await req.bind(place), wait=True)
        with req.events() as events:
            await router.send([b"me", b"", b"unasked"])
            dropped = await events.receive()
        assert isinstance(dropped, trio_mq.Dropped)
        assert dropped.reason is DropReason.FILTERED
        assert req.statistics().dropped_incoming == {DropReason.FILTERED: 1}


async def test_a_late_reply_is_not_taken_for_the_next_one(place: str) -> None:
    """It shall accept a message only from the last peer asked: the one before is another."""
    async with Req(routing_id=b"me") as req:
        endpoint = await req.bind(place)
        async with Router(connect=endpoint) as first, Router() as second:
            await req.wait_for_peers(1)
            await second.connect(endpoint, wait=True)
            for router, reply in ((first, b"1"), (second, b"2")):
                await req.send(b"?")
                await router.receive()
                await first.send([b"me", b"", b"1"])
                await router.send([b"me", b"", reply])
                assert await req.receive() == (reply,)


@departs(Departure.PEER_LOST_IS_RAISED)
async def test_a_req_whose_peer_leaves_says_so_and_goes_on(place: str) -> None:
    """No demand of the RFC: what becomes of a request whose peer has left."""
    async with Req() as req:
        endpoint = await req.bind(place)
        async with Rep(connect=endpoint) as rep:
            await req.send(b"are you there?")
            await rep.receive()
        with pytest.raises(trio_mq.PeerLost):
            await req.receive()
        async with Rep(connect=endpoint) as another:
            await exchange(req, another)
