"""RFC 31, the PAIR socket type: one test for each demand, in our words."""

from __future__ import annotations

import trio

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, bounce, eventually, fill, next_of, stuff, would_block
from trio_mq import DropReason, Pair


async def test_a_pair_sends_and_receives(place: str) -> None:
    """It may both send and receive messages."""
    async with Pair() as one, Pair(connect=await one.bind(place)) as other:
        await bounce(one, other)
        await bounce(other, one)


async def test_a_second_peer_is_turned_away(place: str) -> None:
    """It may be connected to at most one PAIR peer."""
    async with Pair() as one:
        endpoint = await one.bind(place)
        async with Pair(connect=endpoint) as first, Pair() as second:
            await one.wait_for_peers()
            with one.events() as events:
                await second.connect(endpoint)
                refused = await next_of(events, trio_mq.HandshakeFailed)
            assert refused.reason == "pair-occupied"
            assert not second.peers
            await bounce(one, first)


async def test_the_next_peer_is_welcome_when_the_first_has_left(place: str) -> None:
    """It may be connected to at most one peer at a time."""
    async with Pair() as one:
        endpoint = await one.bind(place)
        for _ in range(3):
            async with Pair(connect=endpoint) as other:
                await bounce(other, one)
                (connection,) = one.peers
            await connection.wait_closed()


async def test_a_pair_that_hung_up_is_welcome_again(place: str) -> None:
    """It may be connected to at most one peer: the same one can come back at once."""
    async with Pair() as one, Pair(connect=await one.bind(place)) as other:
        await bounce(other, one)
        (connection,) = one.peers
        other.peers[0].disconnect()
        await connection.wait_closed()
        await bounce(other, one)


async def test_a_pair_changes_nothing_in_what_it_passes(place: str) -> None:
    """It shall not filter or modify outgoing or incoming messages in any way."""
    frames = (b"", b"\0\1", b"x" * 70_000, b"", b"")
    async with Pair() as one, Pair(connect=await one.bind(place)) as other:
        await one.send(frames)
        await other.send(frames)
        assert await one.receive() == await other.receive() == frames


async def test_the_two_directions_are_queued_independently(place: str) -> None:
    """It shall maintain a double queue for its peer."""
    async with Pair(**NARROW) as one, Pair(connect=await one.bind(place), **NARROW) as other:
        await stuff(one)
        for number in range(10):
            await other.send(b"%d" % number)
            assert await one.receive() == (b"%d" % number,)


async def test_a_connecting_pair_has_a_queue_before_the_connection(unbound: str) -> None:
    """It shall create a queue when initiating a connection, whether or not it is established."""
    async with Pair(connect=unbound, send_hwm=2) as one, Pair() as other:
        assert fill(one, b"early") == 2
        await other.bind(unbound)
        assert [await other.receive() for _ in range(2)] == [(b"early",)] * 2


async def test_a_connecting_pair_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with Pair(connect=unbound) as one:
        async with Pair(bind=unbound) as other:
            await bounce(one, other)
            (connection,) = one.peers
        await connection.wait_closed()
        one.send_nowait(b"while you were out")
        async with Pair(bind=unbound) as other:
            assert await other.receive() == (b"while you were out",)


async def test_what_waits_for_a_departed_peer_is_discarded(place: str) -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Pair(**NARROW) as one:
        async with Pair(connect=await one.bind(place), **NARROW):
            await stuff(one)
            (connection,) = one.peers
        await connection.wait_closed()
        assert one.statistics().waiting_to_send == 0
        assert one.statistics().dropped == {DropReason.PEER_LEFT: 1}


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_what_a_departed_peer_sent_stays_readable(place: str) -> None:
    """If an accepted peer disconnects, its queue shall be destroyed."""
    async with Pair() as one:
        async with Pair(connect=await one.bind(place)) as other:
            await other.send(b"my last words")
            await one.wait_for_peers()
            (connection,) = one.peers
        await connection.wait_closed()
        assert one.receive_nowait() == (b"my last words",)


async def test_the_queues_have_limits_that_can_be_set() -> None:
    """It should constrain incoming and outgoing queue sizes to a configurable limit."""
    async with (
        Pair(bind="inproc://p", send_hwm=3, linger=0) as one,
        Pair(connect="inproc://p", receive_hwm=4, linger=0) as other,
    ):
        assert fill(one, b"x") == 3 + 4
        assert other.statistics().waiting_to_receive == 4


async def test_a_full_peer_is_not_available(place: str) -> None:
    """It shall consider its peer as available only when its queue has room, and else block."""
    async with Pair(**NARROW) as one, Pair(connect=await one.bind(place), **NARROW):
        await stuff(one)
        assert would_block(lambda: one.send_nowait(b"full"))


async def test_a_pair_without_a_peer_would_block(place: str) -> None:
    """It shall block on sending, or return a suitable error, when it has no available peer."""
    async with Pair() as one:
        await one.bind(place)
        assert would_block(lambda: one.send_nowait(b"nobody"))


async def test_a_pair_whose_peer_is_full_accepts_nothing() -> None:
    """It shall not accept further messages when it has no available peer."""
    async with (
        Pair(bind="inproc://p", send_hwm=1, linger=0) as one,
        Pair(connect="inproc://p", receive_hwm=1),
    ):
        assert fill(one, b"x") == 2
        with trio.move_on_after(0) as scope:
            await one.send(b"one too many")
        assert scope.cancelled_caught
        assert one.statistics().accepted == 2


async def test_a_message_that_waited_for_room_is_delivered(place: str) -> None:
    """It shall not discard messages that it cannot queue."""
    async with (
        Pair(**NARROW) as one,
        Pair(connect=await one.bind(place), **NARROW) as other,
        trio.open_nursery() as nursery,
    ):
        await stuff(one)
        nursery.start_soon(one.send, b"the last")
        await eventually(lambda: one.statistics().tasks_waiting_send == 1)
        assert [len(bytes(await other.receive())) for _ in range(3)] == [len(LARGE)] * 2 + [8]


async def test_every_message_of_the_peer_is_delivered(place: str) -> None:
    """It shall receive incoming messages from its single peer, and deliver them."""
    async with Pair() as one, Pair(connect=await one.bind(place)) as other:
        for number in range(100):
            await other.send(b"%d" % number)
        assert [bytes(await one.receive()) for _ in range(100)] == [b"%d" % n for n in range(100)]
