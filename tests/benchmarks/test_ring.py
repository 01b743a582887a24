from __future__ import annotations

import pytest

from benchmarks.loops.ring import ByteCheck, CorruptMessage, Received, Ring, as_tuple, payloads

SMALL = payloads(16)


@pytest.fixture
def arrived() -> list[Received]:
    """Return a round as a receiver collects it."""
    return list(SMALL)


def test_a_round_as_it_was_sent_passes(arrived: list[Received]) -> None:
    """What the receiver compares with is what the sender sends."""
    ring = Ring.of(SMALL)
    ring.check(0, arrived)
    assert len(set(ring.portions[0])) == len(arrived)


def test_a_lost_message_is_found(arrived: list[Received]) -> None:
    """The next one stands in its place."""
    del arrived[5]
    with pytest.raises(CorruptMessage):
        Ring.of(SMALL).check(0, [*arrived, SMALL[0]])


def test_two_messages_in_the_wrong_order_are_found(arrived: list[Received]) -> None:
    """Order is part of what is promised."""
    arrived[3], arrived[4] = arrived[4], arrived[3]
    with pytest.raises(CorruptMessage):
        Ring.of(SMALL).check(0, arrived)


def test_a_shortened_large_message_is_found() -> None:
    """Large messages are compared one by one, by their length and ends."""
    ring = Ring.of(payloads(8192))
    with pytest.raises(CorruptMessage):
        ring.check(1, [payloads(8192)[1][:-1]])


def test_a_large_message_in_the_place_of_another_is_found() -> None:
    """Their ends differ."""
    ring = Ring.of(payloads(8192))
    with pytest.raises(CorruptMessage):
        ring.check(1, [payloads(8192)[2]])


def test_messages_of_several_frames_are_expected_as_the_library_hands_them_out() -> None:
    """trio_mq's messages are tuples, whatever was sent."""
    ring = Ring.of(payloads(16), frames_per_message=5, received=as_tuple)
    assert ring.messages[0] == [payloads(16)[0]] * 5
    assert ring.portions[0][0] == (payloads(16)[0],) * 5


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("wrong", [(), (b"else",), (b"else",) * 3, (b"else",) * 4])
def test_one_tuple_that_differs_is_found_in_a_round(frames: int, wrong: tuple[bytes, ...]) -> None:
    """Every frame of every message is compared, and how many there are."""
    ring = Ring.of(SMALL, frames_per_message=frames, received=as_tuple)
    good: list[Received] = [(frame,) * frames for frame in SMALL]
    ring.check(0, good)
    for place in (0, 1, len(SMALL) - 1):
        with pytest.raises(CorruptMessage):
            ring.check(0, [*good[:place], wrong, *good[place + 1 :]])
    for lost_or_doubled in (good[1:], good[:-1], [*good, good[-1]]):
        with pytest.raises(CorruptMessage):
            ring.check(0, lost_or_doubled)


def test_a_last_frame_that_differs_is_found_in_a_round() -> None:
    """The others are right."""
    ring = Ring.of(SMALL, frames_per_message=3, received=as_tuple)
    good: list[Received] = [(frame,) * 3 for frame in SMALL]
    with pytest.raises(CorruptMessage):
        ring.check(0, [*good[:-1], (SMALL[-1], SMALL[-1], SMALL[0])])


def test_a_stream_is_followed_across_rounds_in_pieces_of_any_size() -> None:
    """Reads end anywhere."""
    stream = b"".join(SMALL) * 3
    check = ByteCheck.of(SMALL)
    for start in range(0, len(stream), 1000):
        check.feed(stream[start : start + 1000])
    assert check.position == len(stream)


def test_a_wrong_byte_in_a_stream_is_found() -> None:
    """One is enough."""
    stream = bytearray(b"".join(SMALL))
    stream[100] ^= 1
    with pytest.raises(CorruptMessage):
        ByteCheck.of(SMALL).feed(bytes(stream))
