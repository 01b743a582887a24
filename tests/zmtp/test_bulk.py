"""The quick way through short messages gives what the slow way gives."""

from __future__ import annotations

from itertools import accumulate, chain

import pytest
from hypothesis import given, strategies as st

from trio_mq import Message
from trio_mq._message import size_of
from trio_mq.zmtp import encode_message
from trio_mq.zmtp.bulk import decode_alike, decode_alike_parts
from trio_mq.zmtp.decoder import FrameDecoder, FrameLimits
from trio_mq.zmtp.frames import LONG

SIZES = st.integers(0, 300) | st.sampled_from([254, 255, 256, 1000])
ALIKE = st.tuples(SIZES, st.integers(1, 30)).map(lambda t: [b"x" * t[0]] * t[1])
BODIES = st.lists(ALIKE, min_size=1, max_size=5).map(lambda lists: [*chain(*lists)])


def wire(bodies: list[bytes]) -> bytes:
    """Return the bodies as messages of one frame."""
    return b"".join(encode_message((body,)) for body in bodies)


def decode_all(data: bytes, bound: int, room: int) -> tuple[list[Message], int]:
    """Go on as long as there is progress; return the messages and where they end."""
    out: list[Message] = []
    pos, end = -1, 0
    while pos < end < len(data) and len(out) < room and data[end] in (0, LONG):
        pos, before = end, len(out)
        payload, end = decode_alike(out, data, pos, bound, room - before, 10**6)
        assert payload == sum(len(body) for (body,) in out[before:])
    return out, end


@given(BODIES, st.integers(0, 600))
def test_what_is_decoded_is_what_is_there(bodies: list[bytes], cut: int) -> None:
    """Equal or not, short or not, and wherever the chunk is cut."""
    data = wire(bodies)
    data = data[: max(0, len(data) - cut)]
    out, end = decode_all(data, len(data), 10_000)
    assert out == [(body,) for body in bodies[: len(out)]]
    assert end == len(wire(bodies[: len(out)]))


@given(SIZES, st.integers(8, 50), st.integers(0, 400))
def test_equal_messages_are_decoded_to_the_last_whole_one(size: int, count: int, cut: int) -> None:
    """Whatever their size."""
    data = wire([b"x" * size] * count)
    data = data[: len(data) - cut]
    whole = len(data) // len(wire([b"x" * size]))
    out, _ = decode_all(data, len(data), 10_000)
    assert len(out) == (whole if whole >= 8 or size < 256 else 0)


@given(st.integers(8, 200), st.sampled_from([8, 300]))
def test_equal_sizes_do_not_mean_equal_messages(count: int, size: int) -> None:
    """Each has its own body, in order, however many are taken apart in one step."""
    bodies = [b"%08d" % number + bytes(size - 8) for number in range(count)]
    assert decode_all(wire(bodies), len(wire(bodies)), 10_000)[0] == [(body,) for body in bodies]


@given(BODIES, st.integers(1, 40))
def test_no_more_than_there_is_room_for_are_decoded(bodies: list[bytes], room: int) -> None:
    """Exactly so many, if there are so many short ones."""
    short = [body[:255] for body in bodies]
    data = wire(short)
    assert len(decode_all(data, len(data), room)[0]) == min(room, len(bodies))


@given(BODIES, st.integers(0, 2000))
def test_nothing_is_decoded_beyond_the_bound(bodies: list[bytes], bound: int) -> None:
    """However much of the chunk there is."""
    data = wire(bodies)
    assert decode_all(data, min(bound, len(data)), 10_000)[1] <= bound


def test_no_message_is_larger_than_allowed() -> None:
    """Equal or not."""
    data, out = wire([bytes(301)] * 20), list[Message]()
    assert decode_alike(out, data, 0, len(data), 100, 300) == (0, 0)
    assert out == []


@pytest.mark.parametrize("odd", [b"\1\4more", b"\4\5\4PING", b"\2" + bytes(8), b"\0\3abc"])
@pytest.mark.parametrize("before", [1, 7, 8, 9, 100])
def test_a_run_of_equal_ones_ends_where_one_differs(odd: bytes, before: int) -> None:
    """In its flags or in its size, also if its body looks like more of the same."""
    data = wire([b"\0\4\0\4"] * before) + odd + wire([b"same"] * 20)
    out, _ = decode_all(data, len(data), 10_000)
    assert out[:before] == [(b"\0\4\0\4",)] * before
    # A short message of another size is still one of ours; anything else is not.
    assert out[before:] == ([(b"abc",)] + [(b"same",)] * 20 if odd[0] == 0 else [])


LAYOUTS = st.lists(st.integers(0, 300), min_size=2, max_size=4)
RUNS = st.lists(st.tuples(LAYOUTS, st.integers(1, 40)), min_size=1, max_size=4)


@given(RUNS, st.integers(0, 50), st.integers(1, 200), st.integers(1, 20_000))
def test_messages_of_several_frames_come_out_as_they_went_in(
    runs: list[tuple[list[int], int]], cut: int, room: int, room_bytes: int
) -> None:
    """Equal in a row or not, in whatever portions, and wherever the chunk is cut."""
    messages = [
        tuple(bytes([number % 256]) * size for size in layout)
        for layout, count in runs
        for number in range(count)
    ]
    data = b"".join(map(encode_message, messages))
    data = data[: max(0, len(data) - cut)]
    decoder = FrameDecoder(FrameLimits(frame=None, command=10, message=None, frames=None))
    decoder.receive(data)
    out: list[Message] = []
    while True:
        before = len(out)
        payload, error = decoder.next_messages(out, before + room, room_bytes)
        assert error is None
        new = out[before:]
        assert payload == sum(map(size_of, new))
        # What came before the last one was below both bounds.
        assert len(new) <= room
        assert sum(map(size_of, new[:-1])) < room_bytes
        if not new:
            break
    ends = accumulate(len(encode_message(message)) for message in messages)
    whole = sum(end <= len(data) for end in ends)
    assert out == messages[:whole]


@pytest.mark.parametrize("count", [12, 100])
def test_like_messages_of_several_frames_are_decoded_at_once(count: int) -> None:
    """To the last whole one, and no more than there is room for."""
    one = encode_message((b"1234", b"", b"request"))
    out = [Message((b"1234", b"", b"request"))]
    assert decode_alike_parts(out, one * count, 0, len(one), len(one * count), 1000) == (
        11 * (count - 1),
        len(one) * count,
    )
    assert out == [(b"1234", b"", b"request")] * count
    assert decode_alike_parts(out, one * count, 0, len(one), len(one * count), 8)[0] == 88
    assert decode_alike_parts(out, one * count, 0, len(one), len(one) * 10 - 1, 1000)[0] == 88


@pytest.mark.parametrize(
    "odd",
    [(b"1234", b"", b"requests"), (b"1234", b"", b"request", b""), (b"1234", b"x", b"reques")],
)
def test_a_run_of_like_ones_ends_where_one_differs(odd: tuple[bytes, ...]) -> None:
    """In the size of a frame, or in whether another one follows."""
    one = encode_message((b"1234", b"", b"request"))
    data = one * 20 + encode_message(odd) + one * 20
    out = [Message((b"1234", b"", b"request"))]
    assert decode_alike_parts(out, data, 0, len(one), len(data), 1000) == (11 * 19, len(one) * 20)
