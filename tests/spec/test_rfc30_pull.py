"""RFC 30, the PULL socket type: one test for each demand, in our words."""

from __future__ import annotations

import trio

from tests.spec.departures import Departure, departs
from tests.spec.meeting import arrived, fill, opened
from trio_mq import Pull, Push


async def test_a_pull_may_have_any_number_of_push_peers(place: str) -> None:
    """It may be connected to any number of PUSH peers."""
    async with Pull() as pull:
        endpoint = await pull.bind(place)
        async with opened([Push(connect=endpoint) for _ in range(5)]) as pushes:
            for number, push in enumerate(pushes):
                await push.send(b"%d" % number)
            received = {bytes(await pull.receive()) for _ in pushes}
    assert received == {b"0", b"1", b"2", b"3", b"4"}


def test_a_pull_only_receives() -> None:
    """It shall only receive messages."""
    assert not issubclass(Pull, trio.abc.SendChannel)
    assert not hasattr(Pull, "send")


async def test_incoming_messages_are_not_modified(place: str) -> None:
    """It shall not filter or modify incoming messages in any way."""
    messages = [(b"",), (b"", b""), (b"\0", b"x" * 70_000, b""), (b"\xff" * 255,), (b"y" * 256,)]
    async with Pull() as pull, Push(connect=await pull.bind(place)) as push:
        for message in messages:
            await push.send(message)
        assert [await pull.receive() for _ in messages] == messages


async def test_each_peer_has_a_queue_of_its_own() -> None:
    """It shall maintain an incoming queue for each connected peer."""
    async with Pull(bind="inproc://p", receive_hwm=2) as pull:
        pushes = [Push(connect="inproc://p", send_hwm=1, linger=0) for _ in range(3)]
        async with opened(pushes):
            assert [fill(push, b"x") for push in pushes] == [2 + 1] * 3
            assert pull.statistics().waiting_to_receive == 2 * 3


async def test_a_connecting_pull_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall create this queue when initiating a connection, and maintain it."""
    async with Pull(connect=unbound) as pull:
        for text in (b"before", b"after"):
            async with Push(bind=unbound) as push:
                await push.send(text)
        assert [await pull.receive() for _ in range(2)] == [(b"before",), (b"after",)]


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_what_a_departed_peer_sent_stays_readable(place: str) -> None:
    """If an accepted peer disconnects, its queue shall be destroyed."""
    async with Pull() as pull:
        async with Push(connect=await pull.bind(place)) as push:
            await push.send(b"my last words")
            await pull.wait_for_peers()
            (connection,) = pull.peers
        await connection.wait_closed()
        assert pull.receive_nowait() == (b"my last words",)


async def test_the_queues_have_limits_that_can_be_set() -> None:
    """It should constrain incoming queue sizes to a configurable limit."""
    async with (
        Pull(bind="inproc://p", receive_hwm=5) as pull,
        Push(connect="inproc://p", send_hwm=1, linger=0) as push,
    ):
        assert fill(push, b"x") == 5 + 1
        assert pull.statistics().waiting_to_receive == 5


async def test_messages_are_received_from_all_peers_in_turn(place: str) -> None:
    """It shall receive incoming messages from its peers using a fair-queuing strategy."""
    async with Pull() as pull:
        endpoint = await pull.bind(place)
        async with opened([Push(connect=endpoint) for _ in range(3)]) as pushes:
            for number, push in enumerate(pushes):
                for _ in range(4):
                    await push.send(b"%d" % number)
            await arrived(pull, 12)
            turns = [sorted([bytes(await pull.receive()) for _ in pushes]) for _ in range(4)]
    assert turns == [[b"0", b"1", b"2"]] * 4


async def test_a_noisy_peer_does_not_starve_a_quiet_one(place: str) -> None:
    """It shall receive incoming messages from its peers using a fair-queuing strategy."""
    async with Pull() as pull:
        endpoint = await pull.bind(place)
        async with Push(connect=endpoint) as noisy, Push(connect=endpoint) as quiet:
            for _ in range(100):
                await noisy.send(b"noise")
            await arrived(pull, 100)
            await quiet.send(b"whisper")
            await arrived(pull, 101)
            assert b"whisper" in [bytes(await pull.receive()) for _ in range(2)]


async def test_every_message_that_arrives_is_delivered(place: str) -> None:
    """It shall deliver incoming messages to its calling application, in their order."""
    async with Pull() as pull, Push(connect=await pull.bind(place)) as push:
        for number in range(500):
            await push.send(b"%d" % number)
        received = [bytes(await pull.receive()) for _ in range(500)]
    assert received == [b"%d" % number for number in range(500)]
