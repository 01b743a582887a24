"""The body of a frame that arrives in pieces: whole, whatever the pieces, and held once."""

from __future__ import annotations

import tracemalloc

import pytest

from trio_mq.zmtp.torn_frame import TornFrame

MIB = 1024 * 1024


def gather(body: bytes, piece: int, *, offset: int = 0) -> bytes:
    """Feed a body in pieces of a size, each at some offset in its chunk, and return what came."""
    torn = TornFrame(len(body))
    for start in range(0, len(body), piece):
        chunk = bytes(offset) + body[start : start + piece]
        assert torn.fill(chunk, offset) == len(chunk)
        assert torn.filled + torn.missing == len(body)
    assert torn.missing == 0
    return torn.body()


@pytest.mark.parametrize("piece", [1, 7, 4095, 4096, 300_000, MIB, 3 * MIB])
@pytest.mark.parametrize("size", [0, 1, 4096, 65 * 4096, 5 * MIB])
def test_the_pieces_make_the_body(size: int, piece: int) -> None:
    """Few or many, small or large, with and without something before them in their chunk."""
    size = min(size, 20_000 * piece)
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert gather(body, piece) == body
    assert gather(body, piece, offset=9) == body


def test_what_follows_the_body_in_the_last_chunk_is_left() -> None:
    """It belongs to the next frame."""
    torn = TornFrame(3)
    assert torn.fill(b"..ab", 2) == 4
    assert torn.fill(b"cdef", 0) == 1
    assert torn.body() == b"abc"


def test_a_promise_reserves_nothing() -> None:
    """Only what arrived takes memory, and not much more of it than has arrived."""
    tracemalloc.start()
    try:
        torn = TornFrame(1 << 50)
        assert tracemalloc.get_traced_memory()[0] < 4096
        for _ in range(50_000):
            torn.fill(b"x", 0)
        assert tracemalloc.get_traced_memory()[0] < 2 * 50_000
    finally:
        tracemalloc.stop()


def test_a_body_that_came_alone_is_handed_out_as_it_came() -> None:
    """To copy a megabyte takes longer than all else that is done with it."""
    body = bytes(MIB)
    torn = TornFrame(MIB)
    torn.fill(body, 0)
    assert torn.body() is body
