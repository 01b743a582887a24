"""RFC 28, the ROUTER socket type: one test for each demand, in our words."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, arrived, opened, would_block
from trio_mq import Dealer, DropReason, Req, Router, Unroutable


async def test_a_router_may_have_req_dealer_and_router_peers(place: str) -> None:
    """It may be connected to any number of them, and may both send and receive."""
    async with Router(routing_id=b"hub") as hub:
        endpoint = await hub.bind(place)
        async with (
            Req(routing_id=b"req", connect=endpoint) as req,
            Dealer(routing_id=b"dealer", connect=endpoint) as dealer,
            Router(routing_id=b"router") as router,
        ):
            await router.connect(endpoint, wait=True)
            await hub.wait_for_peers(3)
            await req.send(b"1")
            await dealer.send(b"2")
            await router.send([b"hub", b"3"])
            received = {await hub.receive() for _ in range(3)}
            assert received == {(b"req", b"", b"1"), (b"dealer", b"2"), (b"router", b"3")}
            for message in received:
                await hub.send(message)
            assert (await req.receive(), await dealer.receive()) == ((b"1",), (b"2",))
            assert await router.receive() == (b"hub", b"3")


async def test_the_two_directions_are_queued_independently(place: str) -> None:
    """It shall maintain a double queue for each connected peer."""
    async with (
        Router(**NARROW) as router,
        Dealer(connect=await router.bind(place), routing_id=b"d", **NARROW) as dealer,
    ):
        await router.wait_for_peers()
        while not router.statistics().dropped:
            await router.send([b"d", LARGE])
        for number in range(5):
            await dealer.send(b"%d" % number)
            assert await router.receive() == (b"d", b"%d" % number)


async def test_a_connecting_router_has_a_queue_before_the_connection(unbound: str) -> None:
    """It shall create a queue when initiating a connection, whether or not it is established."""
    async with Router() as router, Dealer() as dealer:
        await router.connect(unbound, peer_routing_id=b"later")
        await router.send([b"later", b"is better"])
        await dealer.bind(unbound)
        assert await dealer.receive() == (b"is better",)


async def test_a_connecting_router_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with Router(mandatory=True) as router:
        async with Dealer(bind=unbound) as dealer:
            await router.connect(unbound, peer_routing_id=b"it", wait=True)
            (connection,) = router.peers
            await router.send([b"it", b"one"])
            assert await dealer.receive() == (b"one",)
        await connection.wait_closed()
        await router.send([b"it", b"two"])
        async with Dealer(bind=unbound) as dealer:
            assert await dealer.receive() == (b"two",)


async def test_what_waits_for_a_departed_peer_is_discarded(place: str) -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Router(**NARROW) as router:
        async with Dealer(connect=await router.bind(place), routing_id=b"d", **NARROW):
            await router.wait_for_peers()
            (connection,) = router.peers
            while not router.statistics().dropped:
                await router.send([b"d", LARGE])
        await connection.wait_closed()
        assert router.statistics().waiting_to_send == 0
        assert router.statistics().dropped[DropReason.PEER_LEFT] == 1


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_what_a_departed_peer_sent_stays_readable(place: str) -> None:
    """If an accepted peer disconnects, its queue shall be destroyed."""
    async with Router() as router:
        async with Dealer(connect=await router.bind(place), routing_id=b"d") as dealer:
            await dealer.send(b"my last words")
            await router.wait_for_peers()
            (connection,) = router.peers
        await connection.wait_closed()
        assert router.receive_nowait() == (b"d", b"my last words")


async def test_each_peer_has_an_identity_of_its_own(place: str) -> None:
    """It shall identify each double queue using a unique binary string."""
    async with Router() as router:
        endpoint = await router.bind(place)
        async with opened([Dealer(connect=endpoint) for _ in range(5)]) as dealers:
            for dealer in dealers:
                await dealer.send(b"who am I?")
            names = {(await router.receive())[0] for _ in dealers}
        assert len(names) == 5
        assert all(len(name) == 5 and name[0] == 0 for name in names)


@pytest.mark.parametrize("name", [b"A", b"name with \0 and \xff", bytes(range(1, 256))])
async def test_a_peer_can_choose_its_identity(place: str, name: bytes) -> None:
    """It should allow the peer to specify its identity through the Identity property."""
    async with (
        Router() as router,
        Dealer(connect=await router.bind(place), routing_id=name) as dealer,
    ):
        await dealer.send(b"hello")
        assert await router.receive() == (name, b"hello")


async def test_the_queues_have_limits_that_can_be_set() -> None:
    """It should constrain incoming and outgoing queue sizes to a configurable limit."""
    async with (
        Router(bind="inproc://r", send_hwm=3, linger=0) as router,
        Dealer(connect="inproc://r", routing_id=b"d", receive_hwm=4, linger=0) as dealer,
    ):
        for _ in range(10):
            await router.send([b"d", b"x"])
        assert router.statistics().waiting_to_send == 3
        assert dealer.statistics().waiting_to_receive == 4


async def test_messages_are_received_from_all_peers_in_turn(place: str) -> None:
    """It shall receive incoming messages from its peers using a fair-queuing strategy."""
    async with Router() as router:
        endpoint = await router.bind(place)
        names = [b"A", b"B", b"C"]
        async with opened([Dealer(connect=endpoint, routing_id=name) for name in names]) as dealers:
            for dealer in dealers:
                for _ in range(4):
                    await dealer.send(b"x")
            await arrived(router, 12)
            for _ in range(4):
                assert sorted([(await router.receive())[0] for _ in names]) == names


async def test_incoming_messages_get_the_identity_in_front(place: str) -> None:
    """It shall prefix each incoming message with the identity of the originating queue."""
    async with (
        Router() as router,
        Dealer(connect=await router.bind(place), routing_id=b"d") as dealer,
    ):
        await dealer.send([b"", b"A", b""])
        assert await router.receive() == (b"d", b"", b"A", b"")


async def test_the_first_frame_of_an_outgoing_message_is_removed(place: str) -> None:
    """It shall remove the first frame of each outgoing message, and route by it."""
    async with Router() as router:
        endpoint = await router.bind(place)
        names = [b"A", b"B", b"C"]
        async with opened([Dealer(connect=endpoint, routing_id=name) for name in names]) as dealers:
            await router.wait_for_peers(3)
            for name in names:
                await router.send([name, b"for " + name, b""])
            for name, dealer in zip(names, dealers, strict=True):
                assert await dealer.receive() == (b"for " + name, b"")


@departs(Departure.DROPS_ARE_VISIBLE)
async def test_a_message_to_nobody_is_dropped(place: str) -> None:
    """It shall silently drop the message if the queue does not exist, unless configured not to."""
    async with Router() as router:
        await router.bind(place)
        with router.events() as events:
            await router.send([b"nobody", b"hello?"])
            dropped = await events.receive()
        assert dropped == trio_mq.Dropped(peer=None, reason=DropReason.UNROUTABLE, count=1)
        assert router.statistics().dropped == {DropReason.UNROUTABLE: 1}


async def test_a_message_to_a_full_peer_is_dropped(place: str) -> None:
    """It shall silently drop the message if the queue is full, unless configured not to."""
    async with (
        Router(**NARROW) as router,
        Dealer(connect=await router.bind(place), routing_id=b"d", **NARROW) as dealer,
    ):
        await router.wait_for_peers()
        sent = 0
        while not router.statistics().dropped:
            await router.send([b"d", LARGE])
            sent += 1
        assert router.statistics().dropped == {DropReason.HIGH_WATER_MARK: 1}
        assert [await dealer.receive() for _ in range(sent - 1)] == [(LARGE,)] * (sent - 1)


async def test_a_mandatory_router_returns_an_error_instead(place: str) -> None:
    """It shall return an error, depending on configuration, in both cases."""
    async with (
        Router(mandatory=True, **NARROW) as router,
        Dealer(connect=await router.bind(place), routing_id=b"d", **NARROW) as dealer,
    ):
        with pytest.raises(Unroutable) as unknown:
            await router.send([b"nobody", b"hello?"])
        assert unknown.value.routing_id == b"nobody"
        await router.wait_for_peers()
        await router.send([b"d", LARGE])
        await arrived(dealer, 1)
        await router.send([b"d", LARGE])
        with pytest.raises(Unroutable) as full:
            router.send_nowait([b"d", LARGE])
        assert full.value.routing_id == b"d"
        assert not router.statistics().dropped


@departs(Departure.ROUTER_MAY_BLOCK)
async def test_a_router_that_blocks_holds_up_only_one_peer(place: str) -> None:
    """It shall not block on sending."""
    async with Router(on_full="block", **NARROW) as router:
        endpoint = await router.bind(place)
        async with (
            Dealer(connect=endpoint, routing_id=b"slow", **NARROW) as slow,
            Dealer(connect=endpoint, routing_id=b"quick") as quick,
            trio.open_nursery() as nursery,
        ):
            await router.wait_for_peers(2)
            for _ in range(3):
                nursery.start_soon(router.send, [b"slow", LARGE])
            await arrived(slow, 1)
            await trio.testing.wait_all_tasks_blocked()
            assert would_block(lambda: router.send_nowait([b"slow", b"no"]))
            await router.send([b"quick", b"yes"])
            assert await quick.receive() == (b"yes",)
            assert [await slow.receive() for _ in range(3)] == [(LARGE,)] * 3
