"""RFC 30, the PUSH socket type: one test for each demand, in our words."""

from __future__ import annotations

import trio

from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, eventually, fill, opened, stuff, would_block
from trio_mq import DropReason, Pull, Push


async def test_a_push_may_have_any_number_of_pull_peers(place: str) -> None:
    """It may be connected to any number of PULL peers."""
    async with Push() as push:
        endpoint = await push.bind(place)
        async with opened([Pull(connect=endpoint) for _ in range(5)]) as pulls:
            await push.wait_for_peers(5)
            for _ in pulls:
                await push.send(b"work")
            for pull in pulls:
                assert await pull.receive() == (b"work",)


def test_a_push_only_sends() -> None:
    """It shall only send messages."""
    assert not issubclass(Push, trio.abc.ReceiveChannel)
    assert not hasattr(Push, "receive")


async def test_outgoing_messages_are_not_modified(place: str) -> None:
    """It shall not filter or modify outgoing messages in any way."""
    frames = (b"", b"\0\1", b"x" * 70_000, b"", b"")
    async with Push() as push, Pull(connect=await push.bind(place)) as pull:
        await push.send(frames)
        assert await pull.receive() == frames


async def test_each_peer_has_a_queue_of_its_own() -> None:
    """It shall maintain an outgoing message queue for each connected peer."""
    async with Push(bind="inproc://p", send_hwm=3, linger=0) as push:
        pulls = [Pull(connect="inproc://p", receive_hwm=1) for _ in range(2)]
        async with opened(pulls):
            assert fill(push, b"x") == (3 + 1) * 2
            assert [peer.queued_messages for peer in push.peers] == [3, 3]


async def test_a_connecting_push_has_a_queue_before_the_connection(unbound: str) -> None:
    """It shall create this queue when initiating a connection, established or not."""
    async with Push(connect=unbound, send_hwm=3) as push, Pull() as pull:
        assert fill(push, b"early") == 3
        await pull.bind(unbound)
        assert [await pull.receive() for _ in range(3)] == [(b"early",)] * 3


async def test_a_connecting_push_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with Push(connect=unbound) as push:
        async with Pull(bind=unbound) as pull:
            await push.send(b"one")
            await pull.receive()
            (connection,) = push.peers
        await connection.wait_closed()
        await push.send(b"two")
        async with Pull(bind=unbound) as pull:
            assert await pull.receive() == (b"two",)


@departs(Departure.UNWRITTEN_GOES_TO_OTHERS)
async def test_what_a_departed_peer_was_not_sent_goes_to_the_next(place: str) -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Push(**NARROW) as push:
        endpoint = await push.bind(place)
        async with Pull(connect=endpoint, **NARROW):
            await push.send([b"seen", LARGE])
            await push.send([b"unseen", LARGE])
            (connection,) = push.peers
        await connection.wait_closed()
        assert push.statistics().waiting_to_send == 1
        async with Pull(connect=endpoint) as pull:
            assert (await pull.receive())[0] == b"unseen"


async def test_a_push_without_requeue_discards_what_a_departed_peer_was_not_sent(
    place: str,
) -> None:
    """If an accepted peer disconnects, the messages in its queue shall be discarded."""
    async with Push(requeue=False, **NARROW) as push:
        async with Pull(connect=await push.bind(place), **NARROW):
            await stuff(push)
            (connection,) = push.peers
        await connection.wait_closed()
        assert push.statistics().waiting_to_send == 0
        assert push.statistics().dropped == {DropReason.PEER_LEFT: 1}


async def test_the_queues_have_limits_that_can_be_set() -> None:
    """It should constrain queue sizes to a configurable limit."""
    async with Push(connect="inproc://p", send_hwm=7, linger=0) as push:
        assert fill(push, b"x") == 7
        await push.connect("inproc://q", send_hwm=2)
        assert fill(push, b"x") == 2


async def test_a_peer_with_a_full_queue_is_not_available(place: str) -> None:
    """It shall consider a peer as available only when it has an outgoing queue with room."""
    async with Push(**NARROW) as push:
        endpoint = await push.bind(place)
        async with Pull(connect=endpoint, **NARROW), Pull() as quick:
            await stuff(push)
            await quick.connect(endpoint, wait=True)
            for number in range(5):
                await push.send(b"%d" % number)
                assert await quick.receive() == (b"%d" % number,)


async def test_messages_go_to_the_available_peers_in_turn(place: str) -> None:
    """It shall route outgoing messages to available peers using a round-robin strategy."""
    async with Push() as push:
        endpoint = await push.bind(place)
        async with opened([Pull() for _ in range(3)]) as pulls:
            for count, pull in enumerate(pulls, 1):
                await pull.connect(endpoint)
                await push.wait_for_peers(count)
            for number in range(6):
                await push.send(b"%d" % number)
            received = [[bytes(await pull.receive()) for _ in range(2)] for pull in pulls]
    assert received == [[b"0", b"3"], [b"1", b"4"], [b"2", b"5"]]


async def test_a_push_without_available_peers_would_block(place: str) -> None:
    """It shall block on sending, or return a suitable error, when it has no available peers."""
    async with Push() as push:
        await push.bind(place)
        assert would_block(lambda: push.send_nowait(b"nobody"))


async def test_a_push_whose_peers_are_full_accepts_nothing() -> None:
    """It shall not accept further messages when it has no available peers."""
    async with (
        Push(bind="inproc://p", send_hwm=1, linger=0) as push,
        Pull(connect="inproc://p", receive_hwm=1),
    ):
        assert fill(push, b"x") == 2
        with trio.move_on_after(0) as scope:
            await push.send(b"one too many")
        assert scope.cancelled_caught
        assert push.statistics().accepted == 2


async def test_a_message_that_waited_for_room_is_delivered(place: str) -> None:
    """It shall not discard messages that it cannot queue."""
    async with (
        Push(**NARROW) as push,
        Pull(connect=await push.bind(place), **NARROW) as pull,
        trio.open_nursery() as nursery,
    ):
        await stuff(push)
        nursery.start_soon(push.send, b"the last")
        await eventually(lambda: push.statistics().tasks_waiting_send == 1)
        assert [len(bytes(await pull.receive())) for _ in range(3)] == [len(LARGE)] * 2 + [8]
        assert not push.statistics().dropped
