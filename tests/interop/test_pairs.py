"""Every pair of socket types that go together, each end binding and connecting, tcp and ipc."""

from __future__ import annotations

import pytest

from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Frames, Libzmq
from tests.interop.libzmq_worker import pattern
from tests.interop.pairs import (
    PAIRS,
    Conversation,
    Link,
    Pair,
    join,
    open_ours,
    open_theirs,
)

every_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)
each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)

MIB = 1024 * 1024
#: Around every place where the length of a frame is written differently, or a buffer ends.
SIZES = [0, 1, 255, 256, 65535, 65536, MIB, 16 * MIB]
SHAPES: list[Frames] = [
    (b"x",),
    (b"",),
    (b"one", b"two", b"three"),
    (b"", b""),
    (b"", b"between", b""),
    (b"\x00", b"\x01", b"\xff"),
    tuple(b"%d" % number for number in range(100)),
]


@every_pair
@each_link
async def test_messages_of_every_shape_arrive_whole(
    libzmq: Libzmq, place: str, pair: Pair, link: Link
) -> None:
    """Single frames, multipart, empty frames in every position."""
    theirs = await open_theirs(pair, libzmq)
    async with open_ours(pair) as ours:
        await join(ours, theirs, link, place)
        conversation = Conversation(pair, ours, theirs)
        await conversation.begin()
        for body in SHAPES:
            await conversation.exchange(body)
        assert_accounted_for(ours)


@every_pair
@each_link
async def test_frames_of_every_size_arrive_whole(
    libzmq: Libzmq, place: str, pair: Pair, link: Link
) -> None:
    """From nothing to 16 MiB."""
    theirs = await open_theirs(pair, libzmq)
    async with open_ours(pair) as ours:
        await join(ours, theirs, link, place)
        conversation = Conversation(pair, ours, theirs)
        await conversation.begin()
        for size in SIZES:
            await conversation.exchange((pattern(size),))
        assert_accounted_for(ours)
