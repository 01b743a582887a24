"""The quick way through short messages gives what the slow way gives."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, strategies as st

from trio_mq._message import Message
from trio_mq.zmtp import encode_message
from trio_mq.zmtp.bulk import decode_short

ALIKE = st.tuples(st.integers(0, 255), st.integers(1, 30)).map(lambda t: [b"x" * t[0]] * t[1])
BODIES = st.lists(ALIKE, min_size=1, max_size=5).map(lambda lists: [*chain(*lists)])


def wire(bodies: list[bytes]) -> bytes:
    """Return the bodies as messages of one frame."""
    return b"".join(encode_message((body,)) for body in bodies)


def decode_all(data: bytes, bound: int, room: int) -> tuple[list[Message], int]:
    """Go on as long as there is progress; return the messages and where they end."""
    out: list[Message] = []
    pos = 0
    while True:
        count, pos = decode_short(out, data, pos, bound, room - len(out))
        if not count or len(out) == room:
            return out, pos


@given(BODIES, st.integers(0, 600))
def test_all_that_end_before_the_bound_are_decoded(bodies: list[bytes], cut: int) -> None:
    """Equal or not, and wherever the chunk is cut."""
    data = wire(bodies)
    data = data[: max(0, len(data) - cut)]
    out, pos = decode_all(data, len(data), 10_000)
    assert out == [(body,) for body in bodies[: len(out)]]
    assert pos == len(wire(bodies[: len(out)]))
    assert len(out) == len(bodies) or pos + 2 + len(bodies[len(out)]) > len(data)


@given(BODIES, st.integers(1, 40))
def test_no_more_than_there_is_room_for_are_decoded(bodies: list[bytes], room: int) -> None:
    """Exactly so many, if there are so many."""
    data = wire(bodies)
    out, _ = decode_all(data, len(data), room)
    assert len(out) == min(room, len(bodies))


@pytest.mark.parametrize("odd", [b"\1\4more", b"\4\5\4PING", b"\2" + bytes(8), b"\0\3abc"])
@pytest.mark.parametrize("before", [1, 7, 8, 9, 100])
def test_a_run_of_equal_ones_ends_where_one_differs(odd: bytes, before: int) -> None:
    """In its flags or in its size, also if its body looks like more of the same."""
    data = wire([b"\0\4\0\4"] * before) + odd + wire([b"same"] * 20)
    out, _ = decode_all(data, len(data), 10_000)
    assert out[:before] == [(b"\0\4\0\4",)] * before
    # A short message of another size is still one of ours; anything else is not.
    assert out[before:] == ([(b"abc",)] + [(b"same",)] * 20 if odd[0] == 0 else [])
