"""Large frames are read by themselves: what each read asks for, and that nothing else changes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
import trio
import trio.testing

from tests.hostile import wire
from tests.joined import MemoryListener
from trio_mq import Pull

KIB = 1024
MIB = 1024 * KIB
HEADER = 9


class Overheard(trio.abc.Stream):
    """A stream that notes how much each read asked for."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.asked: list[int] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Note it, and read."""
        self.asked.append(max_bytes or 0)
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Pass it on."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Pass it on."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Pass it on."""
        await self._stream.aclose()


class OverheardListener(MemoryListener):
    """Accepts one connection, and overhears it."""

    overheard: Overheard

    async def accept(self) -> trio.abc.Stream:
        """Wait for the other end of a dialled stream."""
        self.overheard = Overheard(await super().accept())
        return self.overheard


async def exchange(pull: Pull, pieces: Sequence[bytes], expected: Sequence[bytes]) -> list[int]:
    """Send pieces, receive what they make, and return how much each read asked for."""
    listener = OverheardListener()
    await pull.bind("memory", listener=listener)
    stream = await listener.dial()

    async def send() -> None:
        for piece in pieces:
            await stream.write_all(piece)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for body in expected:
            assert await pull.receive() == body
    return listener.overheard.asked


async def test_each_large_frame_takes_a_read_for_its_header_and_one_for_its_body() -> None:
    """So the body is handed out as it was read, and copied nowhere."""
    bodies = [bytes([number]) * MIB for number in range(6)]
    async with Pull(linger=0) as pull:
        said = wire.hello(b"PUSH") + b"".join(map(wire.message, bodies))
        asked = await exchange(pull, [said], bodies)
    begun = asked.index(HEADER)  # the first frame begins in a read that does not know of it
    assert asked[begun : begun + 10] == [HEADER, MIB] * 5


async def test_frames_of_middle_size_are_read_together() -> None:
    """There, to copy costs less than a read for each."""
    bodies = [bytes([number]) * (64 * KIB) for number in range(30)]
    large = bytes(MIB)
    async with Pull(linger=0) as pull:
        said = wire.hello(b"PUSH") + b"".join(map(wire.message, [large, *bodies]))
        asked = await exchange(pull, [said], [large, *bodies])
    assert asked.count(HEADER) == 1
    assert len(asked) < 16


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_sizes_and_the_pieces_each_frame_arrives_whole(seed: int) -> None:
    """Sizes are those at which reading changes; pieces end anywhere, in headers too."""
    chance = random.Random(seed)
    sizes = (
        0,
        1,
        7,
        255,
        256,
        64 * KIB,
        256 * KIB,
        256 * KIB + 1,
        500 * KIB,
        MIB,
        MIB + 1,
        3 * MIB,
    )
    bodies = [chance.randbytes(8) * (chance.choice(sizes) // 8) for _ in range(12)]
    said = b"".join(map(wire.message, bodies))
    cuts = sorted(chance.randrange(len(said)) for _ in range(20))
    ends = [end for cut in cuts for end in (cut, cut + chance.randrange(12))]
    bounds = sorted({0, len(said), *(end for end in ends if end < len(said))})
    pieces = [said[begin:end] for begin, end in pairwise(bounds)]
    async with Pull(linger=0) as pull:
        await exchange(pull, [wire.hello(b"PUSH"), *pieces], bodies)
