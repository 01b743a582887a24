"""How much each read asks for, as a function of what the last ones brought."""

from __future__ import annotations

import pytest

from trio_mq._connections.read_size import (
    FEW_BYTES,
    HEADER_BYTES,
    LARGE_FRAME,
    MANY_BYTES,
    MOST_BYTES,
    ReadSize,
)


@pytest.fixture
def size() -> ReadSize:
    """Return the sizes of a connection on which much comes."""
    size = ReadSize()
    while size.next(0, alone=True) < MANY_BYTES:
        size.learn(size.next(0, alone=True))
    return size


def test_a_read_that_was_filled_makes_the_next_one_larger() -> None:
    """By steps, up to half a megabyte."""
    size = ReadSize()
    asked = []
    for _ in range(4):
        asked.append(size.next(0, alone=True))
        size.learn(asked[-1])
    assert asked == [FEW_BYTES, 8 * FEW_BYTES, MANY_BYTES, MANY_BYTES]


def test_many_small_reads_in_a_row_make_the_next_one_smaller(size: ReadSize) -> None:
    """A large one between them is the sign of a stream of large messages."""
    for _ in range(15):
        size.learn(1)
    size.learn(MANY_BYTES)
    for _ in range(15):
        size.learn(1)
    assert size.next(0, alone=True) == MANY_BYTES
    size.learn(1)
    assert size.next(0, alone=True) == MANY_BYTES // 8


def test_a_large_frame_is_read_alone_and_then_the_header_behind_it(size: ReadSize) -> None:
    """The rest of it too, however small, and then the next one in the same way."""
    assert size.next(LARGE_FRAME + 1, alone=True) == LARGE_FRAME + 1
    assert size.next(1, alone=True) == 1
    assert size.next(0, alone=True) == HEADER_BYTES
    assert size.body_follows(LARGE_FRAME + 1)
    assert size.next(3 * MOST_BYTES, alone=True) == MOST_BYTES
    assert not size.body_follows(2 * MOST_BYTES)


@pytest.mark.parametrize("missing", [0, 1, LARGE_FRAME])
def test_behind_a_large_frame_smaller_ones_are_read_together(size: ReadSize, missing: int) -> None:
    """The header says so, or nothing is known of it yet."""
    size.next(LARGE_FRAME + 1, alone=True)
    assert size.next(0, alone=True) == HEADER_BYTES
    assert not size.body_follows(missing)
    assert size.next(missing, alone=True) == MANY_BYTES


def test_headers_do_not_make_reads_smaller(size: ReadSize) -> None:
    """Each is small because it was to be."""
    for _ in range(20):
        size.next(LARGE_FRAME + 1, alone=True)
        size.learn(MANY_BYTES // 10)
        size.learn(size.next(0, alone=True))
    assert size.wanted == MANY_BYTES


def test_the_rest_of_a_frame_is_asked_for_where_little_comes() -> None:
    """One read more is dearer than the memory."""
    assert ReadSize().next(FEW_BYTES + 1, alone=True) == MANY_BYTES


def test_a_stream_that_is_not_the_kernels_is_asked_for_much_all_the_time(size: ReadSize) -> None:
    """Whatever is missing of which frame."""
    for missing in (LARGE_FRAME + 1, 3 * MOST_BYTES, 1, 0):
        assert size.next(missing, alone=False) == MANY_BYTES
        assert not size.body_follows(missing)


def test_a_promise_of_a_peer_that_has_sent_little_is_not_believed_at_once() -> None:
    """Its header may lie, and a read takes the memory that it asks for."""
    assert ReadSize().next(3 * MOST_BYTES, alone=True) == MANY_BYTES
