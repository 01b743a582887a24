"""RFC 28, the DEALER socket type: one test for each demand, in our words."""

from __future__ import annotations

import trio

from tests.spec.departures import Departure, departs
from tests.spec.meeting import (
    LARGE,
    NARROW,
    arrived,
    bounce,
    eventually,
    fill,
    opened,
    stuff,
    would_block,
)
from trio_mq import Dealer, Rep, Router


async def test_a_dealer_may_have_rep_and_router_peers_and_send_and_receive(place: str) -> None:
    """It may be connected to any number of REP or ROUTER peers, and may send and receive."""
    async with Dealer() as dealer:
        endpoint = await dealer.bind(place)
        async with Rep() as rep, Router() as router:
            await rep.connect(endpoint, wait=True)
            await router.connect(endpoint, wait=True)
            await dealer.wait_for_peers(2)
            await dealer.send([b"", b"to the rep"])
            await dealer.send(b"to the router")
            assert await rep.receive() == (b"to the rep",)
            name, text = await router.receive()
            await router.send([name, text.upper()])
            assert await dealer.receive() == (b"TO THE ROUTER",)


async def test_a_dealer_changes_nothing_in_what_it_passes(place: str) -> None:
    """It shall not filter or modify outgoing or incoming messages in any way."""
    frames = (b"", b"\0\1", b"x" * 70_000, b"", b"")
    async with Dealer() as one, Dealer(connect=await one.bind(place)) as two:
        await one.send(frames)
        await two.send(frames)
        assert await one.receive() == await two.receive() == frames


async def test_the_two_directions_are_queued_independently(place: str) -> None:
    """It shall maintain a double queue for each connected peer."""
    async with (
        Dealer(**NARROW) as dealer,
        Dealer(connect=await dealer.bind(place), **NARROW) as peer,
    ):
        await stuff(dealer)
        for number in range(10):
            await peer.send(b"%d" % number)
            assert await dealer.receive() == (b"%d" % number,)


async def test_a_connecting_dealer_has_a_queue_before_the_connection(unbound: str) -> None:
    """It shall create a queue when initiating a connection, whether or not it is established."""
    async with Dealer(connect=unbound) as dealer, Dealer() as peer:
        for number in range(3):
            dealer.send_nowait(b"%d" % number)
        await peer.bind(unbound)
        assert [bytes(await peer.receive()) for _ in range(3)] == [b"0", b"1", b"2"]


async def test_a_connecting_dealer_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with Dealer(connect=unbound) as dealer:
        async with Dealer(bind=unbound) as peer:
            await bounce(dealer, peer)
            (connection,) = dealer.peers
        await connection.wait_closed()
        dealer.send_nowait(b"while nobody is there")
        async with Dealer(bind=unbound) as peer:
            assert await peer.receive() == (b"while nobody is there",)


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_what_a_departed_peer_sent_stays_readable(place: str) -> None:
    """If an accepted peer disconnects, its queue shall be destroyed."""
    async with Dealer() as dealer:
        async with Dealer(connect=await dealer.bind(place)) as peer:
            await peer.send(b"my last words")
            await dealer.wait_for_peers()
            (connection,) = dealer.peers
        await connection.wait_closed()
        assert dealer.receive_nowait() == (b"my last words",)


@departs(Departure.UNWRITTEN_GOES_TO_OTHERS)
async def test_what_a_departed_peer_was_not_sent_goes_to_the_next() -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Dealer(bind="inproc://d") as dealer:
        async with Dealer(connect="inproc://d", receive_hwm=1):
            for number in range(3):
                await dealer.send(b"%d" % number)
        async with Dealer(connect="inproc://d") as another:
            assert await another.receive() == (b"1",)
            assert await another.receive() == (b"2",)


async def test_a_dealer_without_requeue_discards_what_a_departed_peer_was_not_sent() -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Dealer(bind="inproc://d", requeue=False) as dealer:
        async with Dealer(connect="inproc://d", receive_hwm=1):
            for number in range(3):
                await dealer.send(b"%d" % number)
        assert sum(dealer.statistics().dropped.values()) == 2
        assert dealer.statistics().waiting_to_send == 0


async def test_the_queues_have_limits_that_can_be_set() -> None:
    """It should constrain incoming and outgoing queue sizes to a configurable limit."""
    async with (
        Dealer(bind="inproc://d", send_hwm=3, linger=0) as dealer,
        Dealer(connect="inproc://d", receive_hwm=4, linger=0) as peer,
    ):
        assert fill(dealer, b"x") == 3 + 4
        assert dealer.statistics().waiting_to_send == 3
        assert peer.statistics().waiting_to_receive == 4


async def test_a_peer_with_a_full_queue_is_not_available(place: str) -> None:
    """It shall consider a peer as available only when it has an outgoing queue with room."""
    async with Dealer(**NARROW) as dealer:
        endpoint = await dealer.bind(place)
        async with Dealer(connect=endpoint, **NARROW), Dealer() as quick:
            await stuff(dealer)
            await quick.connect(endpoint, wait=True)
            for number in range(5):
                await dealer.send(b"%d" % number)
                assert await quick.receive() == (b"%d" % number,)


async def test_messages_go_to_the_available_peers_in_turn(place: str) -> None:
    """It shall route outgoing messages to available peers using a round-robin strategy."""
    async with Dealer() as dealer:
        endpoint = await dealer.bind(place)
        async with opened([Dealer() for _ in range(3)]) as peers:
            for count, peer in enumerate(peers, 1):
                await peer.connect(endpoint)
                await dealer.wait_for_peers(count)
            for number in range(6):
                await dealer.send(b"%d" % number)
            received = [[bytes(await peer.receive()) for _ in range(2)] for peer in peers]
        assert received == [[b"0", b"3"], [b"1", b"4"], [b"2", b"5"]]


async def test_a_dealer_without_available_peers_would_block(place: str) -> None:
    """It shall block on sending, or return a suitable error, when it has no available peers."""
    async with Dealer() as dealer:
        await dealer.bind(place)
        assert would_block(lambda: dealer.send_nowait(b"nobody"))
        assert dealer.statistics().accepted == 0


async def test_a_dealer_whose_peers_are_full_accepts_nothing() -> None:
    """It shall not accept further messages when it has no available peers."""
    async with (
        Dealer(bind="inproc://d", send_hwm=1, linger=0) as dealer,
        Dealer(connect="inproc://d", receive_hwm=1, linger=0),
    ):
        fill(dealer, b"x")
        accepted = dealer.statistics().accepted
        with trio.move_on_after(0) as scope:
            await dealer.send(b"one too many")
        assert scope.cancelled_caught
        assert dealer.statistics().accepted == accepted == 2


async def test_a_message_that_waited_for_room_is_delivered(place: str) -> None:
    """It shall not discard messages that it cannot queue."""
    async with (
        Dealer(**NARROW) as dealer,
        trio.open_nursery() as nursery,
        Dealer(connect=await dealer.bind(place), **NARROW) as peer,
    ):
        await stuff(dealer)
        nursery.start_soon(dealer.send, b"the last")
        await eventually(lambda: dealer.statistics().tasks_waiting_send == 1)
        received = [await peer.receive() for _ in range(3)]
        assert received == [(LARGE,), (LARGE,), (b"the last",)]


async def test_messages_are_received_from_all_peers_in_turn(place: str) -> None:
    """It shall receive incoming messages from its peers using a fair-queuing strategy."""
    async with Dealer() as dealer:
        endpoint = await dealer.bind(place)
        async with opened([Dealer(connect=endpoint) for _ in range(3)]) as peers:
            for number, peer in enumerate(peers):
                for _ in range(4):
                    await peer.send(b"%d" % number)
            await arrived(dealer, 12)
            turns = [sorted([bytes(await dealer.receive()) for _ in peers]) for _ in range(4)]
        assert turns == [[b"0", b"1", b"2"]] * 4


async def test_every_message_that_arrives_is_delivered(place: str) -> None:
    """It shall deliver incoming messages to its calling application."""
    async with Dealer() as dealer, Dealer(connect=await dealer.bind(place)) as peer:
        for number in range(100):
            await peer.send(b"%d" % number)
        received = [await dealer.receive() for _ in range(100)]
    assert received == [(b"%d" % number,) for number in range(100)]
