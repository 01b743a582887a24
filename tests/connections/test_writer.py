"""The writing half of a link, where several writers let a flood fill their batches together."""

from __future__ import annotations

import pytest
import trio

from trio_mq import Pub, Sub


@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("turns", range(4))
async def test_a_writer_writes_although_the_one_that_looked_for_it_has_ended(
    lost: int, turns: int
) -> None:
    """Whichever of the two that is, and whenever it ends."""
    async with Pub(linger=0) as pub, Sub(topics=b"") as one, Sub(topics=b"") as two:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for number, sub in enumerate((one, two), start=1):
            await sub.connect(endpoint)
            await pub.wait_for_subscribers(number)
        for number in range(300):
            pub.send_nowait(b"%d" % number)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        pub.peers[lost].disconnect()
        kept = (two, one)[lost]
        for number in range(300):
            assert await kept.receive() == (b"%d" % number,)


async def test_writers_that_gather_are_all_done_when_the_flood_is() -> None:
    """Nobody waits for more that does not come."""
    async with (
        Pub(on_full="block") as pub,
        Sub(topics=b"") as one,
        Sub(topics=b"") as two,
        Sub(topics=b"") as three,
    ):
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for sub in (one, two, three):
            await sub.connect(endpoint)
        await pub.wait_for_subscribers(3)
        for number in range(3000):
            await pub.send(b"%d" % number)
            if number % 1000 == 999:
                for sub in (one, two, three):
                    for expected in range(number - 999, number + 1):
                        assert await sub.receive() == (b"%d" % expected,)
