"""Large frames are read by themselves: what each read asks for, and that nothing else changes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest
import trio

from tests.hostile import wire
from tests.joined import MemoryListener, bind
from trio_mq import Pull
from trio_mq._connections.read_size import HEADER_BYTES, MANY_BYTES
from trio_mq._transports.stream import SocketStream

KIB: Final = 1024
MIB: Final = 1024 * KIB


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return how much each read of a kernel's socket asks for, and how much it brings."""
    reads: list[tuple[int, int]] = []
    read_now = SocketStream.read_now

    def noted(stream: SocketStream, max_bytes: int) -> bytes | None:
        data = read_now(stream, max_bytes)
        if data:
            reads.append((max_bytes, len(data)))
        return data

    monkeypatch.setattr(SocketStream, "read_now", noted)
    return reads


async def exchange(
    pull: Pull, pieces: Sequence[bytes], expected: Sequence[bytes], *, way: str = "tcp"
) -> None:
    """Send pieces to a socket, and receive what they make."""
    listener: MemoryListener = await bind(pull, way)
    stream: trio.abc.SendStream
    if way == "tcp":
        port = int(pull.endpoints[0].endpoint.rpartition(":")[2])
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    else:
        stream = (await listener.dial())._stream

    async def send() -> None:
        for piece in (wire.hello(b"PUSH"), *pieces):
            await stream.send_all(piece)

    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for body in expected:
            assert await pull.receive() == body


async def test_each_large_frame_takes_reads_for_its_header_and_its_body_alone(
    reads: list[tuple[int, int]],
) -> None:
    """So a body that one read brings is handed out as it was read, and copied nowhere."""
    bodies = [bytes([number]) * MIB for number in range(6)]
    async with Pull(linger=0) as pull:
        await exchange(pull, [b"".join(map(wire.message, bodies))], bodies)
    after_headers = [
        after for before, (after, _) in pairwise(reads) if before == (HEADER_BYTES, HEADER_BYTES)
    ]
    # Half of the body, as long as no large read was filled.
    assert after_headers and set(after_headers) <= {MANY_BYTES, MIB}  # noqa: PT018  # one thought


async def test_frames_of_middle_size_are_read_together(reads: list[tuple[int, int]]) -> None:
    """There, to copy costs less than a read for each."""
    bodies = [bytes(MIB), *(bytes([number]) * (64 * KIB) for number in range(30))]
    async with Pull(linger=0) as pull:
        await exchange(pull, [b"".join(map(wire.message, bodies))], bodies)
    assert [asked for asked, _ in reads].count(HEADER_BYTES) <= 1


@pytest.mark.parametrize("way", ["tcp", "memory"])
@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_sizes_and_the_pieces_each_frame_arrives_whole(
    seed: int, way: str
) -> None:
    """Sizes are those at which reading changes; pieces end anywhere, in headers too."""
    chance = random.Random(seed)
    middle = 256 * KIB
    sizes = (0, 8, 248, 256, middle // 4, middle, middle + 8, 2 * middle, MIB, MIB + 8, 3 * MIB)
    bodies = [chance.randbytes(8) * (chance.choice(sizes) // 8) for _ in range(12)]
    said = b"".join(map(wire.message, bodies))
    cuts = sorted(chance.randrange(len(said)) for _ in range(20))
    ends = [end for cut in cuts for end in (cut, cut + chance.randrange(12))]
    bounds = sorted({0, len(said), *(end for end in ends if end < len(said))})
    pieces = [said[begin:end] for begin, end in pairwise(bounds)]
    async with Pull(linger=0) as pull:
        await exchange(pull, pieces, bodies, way=way)
