"""Fair-queue: turns, room that opens, and whose message it was."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_mq import Pull, Push, proxy


async def test_messages_are_taken_from_each_sender_in_turn() -> None:
    """A sender with much to say can't starve the others."""
    async with (
        Pull(bind="inproc://turns") as pull,
        Push(connect="inproc://turns") as noisy,
        Push(connect="inproc://turns") as quiet,
    ):
        await noisy.send_many([b"n1", b"n2", b"n3"])
        await quiet.send_many([b"q1", b"q2"])
        taken = [bytes(await pull.receive()) for _ in range(5)]
    assert taken == [b"n1", b"q1", b"n2", b"q2", b"n3"]


async def test_receive_from_names_the_sender_of_each_message() -> None:
    """Also where taking it leaves only one other sender with messages."""
    async with (
        Pull(bind="inproc://who") as pull,
        Push(connect="inproc://who") as first,
        Push(connect="inproc://who") as second,
    ):
        one, two = pull.peers
        await first.send(b"1")
        await second.send_many([b"2", b"2"])
        taken = [await pull.receive_from() for _ in range(3)]
    assert [bytes(message) for message, _ in taken] == [b"1", b"2", b"2"]
    assert [peer for _, peer in taken] == [one, two, two]


async def test_a_message_put_back_is_still_its_senders_and_the_next_one() -> None:
    """A proxy with a full sink looks at the next message and leaves it where it was."""
    async with (
        Pull(bind="inproc://front") as front,
        Push(bind="inproc://back") as back,
        Push(connect="inproc://front") as first,
        Push(connect="inproc://front") as second,
    ):
        one, two = front.peers
        await first.send(b"1")
        await second.send_many([b"2", b"2"])
        with trio.move_on_after(0):
            await proxy(front, back)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(proxy, front, back)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        taken = [await front.receive_from() for _ in range(3)]
    assert [bytes(message) for message, _ in taken] == [b"1", b"2", b"2"]
    assert [peer for _, peer in taken] == [one, two, two]


@pytest.mark.parametrize("endpoint", ["inproc://bytes", "tcp://127.0.0.1:*"])
async def test_a_byte_limit_that_one_batch_reaches_alone_does_not_stop_the_flow(
    endpoint: str,
) -> None:
    """The sender's link paused while the batch was already being taken."""
    sizes: list[int] = []

    async def collect() -> None:
        while len(sizes) < 4:
            sizes.append(len(bytes(await pull.receive())))

    async with (
        Pull(bind=endpoint, receive_hwm_bytes=100) as pull,
        Push(connect=pull.endpoints[0].endpoint) as push,
        trio.open_nursery() as nursery,
    ):
        await push.wait_for_peers()
        nursery.start_soon(collect)
        await trio.testing.wait_all_tasks_blocked()
        await push.send_many([bytes(10), bytes(100), bytes(5), bytes(1)])
    assert sizes == [10, 100, 5, 1]


async def test_a_queue_for_one_message_goes_on_after_the_message_was_put_back() -> None:
    """Its link pauses while the queue is full with what a proxy has looked at."""
    async with (
        Pull(bind="inproc://narrow", receive_hwm=1) as front,
        Push(bind="inproc://sink") as back,
        Push(connect="inproc://narrow") as push,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(proxy, front, back)
        await push.send_many([b"1", b"2", b"3"])
        await trio.testing.wait_all_tasks_blocked()
        async with Pull(connect="inproc://sink") as sink:
            assert [bytes(await sink.receive()) for _ in range(3)] == [b"1", b"2", b"3"]
        nursery.cancel_scope.cancel()
