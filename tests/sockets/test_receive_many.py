"""`receive_many` takes whole batches at once: all of them, each once, in order and in the books."""

from __future__ import annotations

import random
from typing import Final

import pytest
import trio

from tests.joined import join
from trio_mq import Pull, Push

COUNT: Final = 700


async def send_all(push: Push, messages: list[bytes]) -> None:
    """Send in as many calls as it takes."""
    while messages:
        messages = messages[await push.send_many(messages) :]


@pytest.mark.parametrize("hwm", [16, 1000])
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_is_asked_for_the_messages_come_in_order(seed: int, hwm: int) -> None:
    """Less than there is, just that, and more; and `receive` goes on where it has stopped."""
    chance = random.Random(seed)
    sent = [b"%d" % number for number in range(COUNT)]
    received: list[bytes] = []
    async with (
        Pull(receive_hwm=hwm) as pull,
        Push(send_hwm=hwm) as push,
        trio.open_nursery() as nursery,
    ):
        await join(pull, push, "inproc")
        nursery.start_soon(send_all, push, sent)
        while len(received) < COUNT:
            most = chance.choice([1, 2, 3, hwm - 1, hwm, hwm + 1, chance.randrange(1, 2 * hwm)])
            messages = await pull.receive_many(max=most)
            assert 1 <= len(messages) <= most
            received += [message[0] for message in messages]
            assert pull.statistics().delivered == len(received)
            if len(received) < COUNT and chance.random() < 0.3:
                received += [(await pull.receive())[0]]
    assert received == sent
