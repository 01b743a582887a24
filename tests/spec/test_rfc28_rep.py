"""RFC 28, the REP socket type: one test for each demand, in our words."""

from __future__ import annotations

import pytest

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, arrived, exchange, opened
from tests.spec.raw_peer import raw_client
from trio_mq import Dealer, DropReason, Rep, Req


async def test_a_rep_may_have_req_and_dealer_peers(place: str) -> None:
    """It may be connected to any number of REQ or DEALER peers."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with Req(connect=endpoint) as req, Dealer(connect=endpoint) as dealer:
            await exchange(req, rep)
            await dealer.send([b"", b"from a dealer"])
            assert await rep.receive() == (b"from a dealer",)
            await rep.send(b"to a dealer")
            assert await dealer.receive() == (b"", b"to a dealer")


async def test_a_rep_changes_nothing_in_what_it_passes(place: str) -> None:
    """It shall not filter or modify outgoing or incoming messages in any way."""
    frames = (b"", b"\0\1\2", b"", b"x" * 300, b"")
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        await req.send(frames)
        assert await rep.receive() == frames
        await rep.send(frames[::-1])
        assert await req.receive() == frames[::-1]


async def test_a_second_request_is_received_only_after_the_reply(place: str) -> None:
    """It shall receive and then send exactly one message at a time."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with Req(connect=endpoint) as one, Req(connect=endpoint) as two:
            await one.send(b"one")
            await two.send(b"two")
            await rep.receive()
            with pytest.raises(trio_mq.StateError):
                await rep.receive()
            await rep.send(b"answered")
            assert len(await rep.receive()) == 1


async def test_a_reply_is_sent_only_after_a_request(place: str) -> None:
    """It shall wait for a single reply: one for each request, and none without."""
    async with Rep() as rep, Req(connect=await rep.bind(place)) as req:
        with pytest.raises(trio_mq.StateError):
            await rep.send(b"unasked")
        await exchange(req, rep)
        with pytest.raises(trio_mq.StateError):
            rep.send_nowait(b"once more")


async def test_a_reply_on_the_wire_has_the_envelope_of_the_request() -> None:
    """The format on the wire: identities, an empty frame, and the data."""
    async with Rep() as rep, raw_client(await rep.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"DEALER")
        await peer.send(b"\1\1X" + b"\1\2YZ" + b"\1\0" + b"\0\3ask")
        assert await rep.receive() == (b"ask",)
        await rep.send([b"an", b"swer"])
        await peer.expect(b"\1\1X" + b"\1\2YZ" + b"\1\0" + b"\1\2an" + b"\0\4swer")


async def test_requests_of_all_clients_are_received_in_turn(place: str) -> None:
    """It shall receive incoming messages from its peers using a fair-queuing strategy."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with opened([Dealer(connect=endpoint) for _ in range(3)]) as dealers:
            for number, dealer in enumerate(dealers):
                for _ in range(3):
                    await dealer.send([b"", b"%d" % number])
            await arrived(rep, 9)
            for _ in range(3):
                assert sorted(await serve(rep, 3)) == [b"0", b"1", b"2"]


async def serve(rep: Rep, count: int) -> list[bytes]:
    """Answer so many requests, and return them."""
    served = []
    for _ in range(count):
        served.append(bytes(await rep.receive()))
        await rep.send(b"done")
    return served


@pytest.mark.parametrize("envelope", [(b"",), (b"A", b""), (b"X", b"YY", b"")])
async def test_the_envelope_is_kept_for_the_reply(place: str, envelope: tuple[bytes, ...]) -> None:
    """It shall remove and store the envelope, pass the rest, and put it in front of the reply."""
    async with Rep() as rep, Dealer(connect=await rep.bind(place)) as dealer:
        await dealer.send([*envelope, b"A", b"B"])
        assert await rep.receive() == (b"A", b"B")
        await rep.send(b"C")
        assert await dealer.receive() == (*envelope, b"C")


async def test_the_reply_goes_to_the_peer_that_asked(place: str) -> None:
    """It shall deliver this message back to the originating peer."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with opened([Req(connect=endpoint) for _ in range(4)]) as reqs:
            for number, req in enumerate(reqs):
                await req.send(b"%d" % number)
            for _ in reqs:
                await rep.send(b"for " + bytes(await rep.receive()))
            for number, req in enumerate(reqs):
                assert await req.receive() == (b"for %d" % number,)


@departs(Departure.DROPS_ARE_VISIBLE)
async def test_a_reply_to_a_peer_that_has_left_is_discarded(place: str) -> None:
    """It shall silently discard the reply if the originating peer is no longer connected."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with Req(connect=endpoint) as req:
            await req.send(b"bye")
            _, peer = await rep.receive_from()
        await peer.wait_closed()
        await rep.send(b"too late")
        assert rep.statistics().dropped == {DropReason.UNROUTABLE: 1}
        async with Req(connect=endpoint) as another:
            await exchange(another, rep)


async def test_a_peer_that_reads_nothing_does_not_block_a_reply(place: str) -> None:
    """It shall not block on sending: a reply for a full queue is dropped, and counted."""
    async with (
        Rep(send_hwm=1, linger=0) as rep,
        Dealer(connect=await rep.bind(place), receive_hwm=1, linger=0) as dealer,
    ):
        replies = 0
        while not rep.statistics().dropped:
            await dealer.send([b"", b"again"])
            await rep.receive()
            rep.send_nowait(LARGE)
            replies += 1
        assert rep.statistics().dropped == {DropReason.HIGH_WATER_MARK: 1}
        assert await dealer.receive() == (b"", LARGE)


async def test_a_message_without_a_delimiter_is_no_request(place: str) -> None:
    """The format on the wire: without an empty frame there is no way back, and no request."""
    async with Rep() as rep, Dealer(connect=await rep.bind(place)) as dealer:
        await dealer.send([b"no", b"delimiter"])
        await dealer.send([b"", b"proper"])
        assert await rep.receive() == (b"proper",)
        await rep.send(b"reply")
        assert rep.statistics().dropped == {DropReason.MALFORMED: 1}
