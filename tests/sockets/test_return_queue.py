"""What a lost worker did not get goes to another one, in order, and is never sent twice."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_mq import Dealer, DropReason, Pull, Push

#: Large enough that the kernel's buffers hold a few of a hundred.
LARGE = bytes(256 * 1024)


def numbered(number: int) -> list[bytes]:
    """Return a large message with a number."""
    return [b"%03d" % number, LARGE]


@pytest.mark.parametrize("make", [Push, Dealer])
async def test_what_the_kernel_had_not_taken_goes_to_the_next_worker_in_order(
    make: type[Push | Dealer],
) -> None:
    """Written to the first and delivered to the second are all there is; none is in both."""
    taker = Pull if make is Push else Dealer
    async with make(bind="tcp://127.0.0.1:*", linger=0, send_buffer=64 * 1024) as sender:
        endpoint = sender.endpoints[0].endpoint
        async with taker(linger=0, receive_hwm=1) as stuck:
            await stuck.connect(endpoint, wait=True)
            for number in range(60):
                await sender.send(numbered(number))
            await trio.testing.wait_all_tasks_blocked(0.01)
        await until_no_peer(sender)
        written = sender.statistics().written
        assert 0 < written < 60
        assert sender.statistics().waiting_to_send == 60 - written
        async with taker(connect=endpoint, linger=0) as other:
            received = [int((await other.receive())[0]) for _ in range(60 - written)]
        assert received == list(range(written, 60))
        assert sender.statistics().written == 60


async def until_no_peer(socket: Push | Dealer) -> None:
    """Wait for the end of every connection."""
    for peer in socket.peers:
        await peer.wait_closed()


async def test_new_messages_wait_while_returned_ones_have_no_taker() -> None:
    """The return queue is served before anything new."""
    async with Push(bind="inproc://work", linger=0) as push:
        async with Pull(connect="inproc://work", receive_hwm=1):
            await push.send_many([b"1", b"2", b"3"])
        with pytest.raises(trio.WouldBlock):
            push.send_nowait(b"4")
        async with (
            Pull(connect="inproc://work") as pull,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(push.send, b"4")
            assert [bytes(await pull.receive()) for _ in range(3)] == [b"2", b"3", b"4"]


async def test_without_requeue_they_are_dropped_and_counted() -> None:
    """By the reason that their peer left."""
    async with Push(bind="inproc://work", requeue=False, linger=0) as push:
        async with Pull(connect="inproc://work", receive_hwm=1):
            await push.send_many([b"1", b"2", b"3"])
        assert push.statistics().dropped_outgoing == {DropReason.PEER_LEFT: 2}


async def test_a_drain_follows_messages_to_another_worker() -> None:
    """It ends when they were written there, not when they left the first queue."""
    async with Push(bind="inproc://work", linger=0) as push, trio.open_nursery() as nursery:
        drained = trio.Event()

        async def drain() -> None:
            await push.drain()
            drained.set()

        async with Pull(connect="inproc://work", receive_hwm=1):
            await push.send_many([b"1", b"2", b"3"])
            nursery.start_soon(drain)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert not drained.is_set()
        async with Pull(connect="inproc://work"):
            await drained.wait()
        assert push.statistics().written == 3
