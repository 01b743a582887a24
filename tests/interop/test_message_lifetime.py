"""What has waited too long never reaches a libzmq program, and what it gets is whole and once."""

from __future__ import annotations

from tests.interop.libzmq import Libzmq
from tests.spec.meeting import eventually, reserved_tcp
from trio_mq import DropReason, Push, Sender
from trio_mq.testing import assert_nothing_lost


def expired(socket: Sender) -> int:
    """Return how many messages were dropped for their age."""
    return socket.statistics().dropped_outgoing.get(DropReason.EXPIRED, 0)


async def test_a_program_that_comes_late_gets_nothing_old(libzmq: Libzmq) -> None:
    """What was sent before is dropped and not kept for it."""
    with reserved_tcp() as endpoint:
        async with Push(
            connect=endpoint, message_lifetime=0.05, reconnect_interval_max=0.1, linger=0
        ) as push:
            await push.send_many([b"old"] * 3)
            await eventually(lambda: expired(push) == 3)
            pull = await libzmq.open("PULL")
            await pull.bind(endpoint)
            await push.wait_for_peers(1)
            while not push.statistics().written:  # a busy machine may let some of these expire
                await push.send(b"new")
                await push.drain()
            assert await pull.receive() == (b"new",)
            assert_nothing_lost(push, allow=[DropReason.EXPIRED])


async def test_a_program_that_is_frozen_gets_what_had_begun_and_nothing_that_waited(
    libzmq: Libzmq,
) -> None:
    """The kernel's buffers are full, and the rest grows old with us.

    libzmq reads on by itself afterwards: its mark is above what there is.
    """
    pull = await libzmq.open("PULL")
    endpoint = await pull.bind("tcp://127.0.0.1:*")
    async with Push(message_lifetime=0.05) as push:
        await push.connect(endpoint, wait=True)
        libzmq.stop()
        for number in range(100):
            await push.send([b"%d" % number, bytes(300_000)])
        await eventually(lambda: push.statistics().waiting_to_send <= 1)
        libzmq.resume()
        await eventually(lambda: push.statistics().waiting_to_send == 0)
        written = push.statistics().written
        received = [int(number) for number, _ in await pull.receive_many(written)]
        assert sorted(set(received)) == received
        assert expired(push) == 100 - written > 0
        assert_nothing_lost(push, allow=[DropReason.EXPIRED])
