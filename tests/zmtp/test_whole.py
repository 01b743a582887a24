"""A chunk that is one message comes out as by the long way, and anything else is left to that."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from tests.hostile import wire
from tests.zmtp.pair import established
from trio_mq.zmtp import Connection, Messages, RemoteProtocolError, SocketType
from trio_mq.zmtp.decoder import FrameDecoder, FrameLimits
from trio_mq.zmtp.whole import whole_message

_frames = st.lists(st.binary(max_size=300), min_size=1, max_size=5)
_limits = st.sampled_from([None, 0, 1, 3, 300])


def by_the_long_way(data: bytes, limits: FrameLimits) -> list[tuple[bytes, ...]] | None:
    """Return the messages of a chunk; ``None`` if there is more than messages in it, or less."""
    decoder = FrameDecoder(limits)
    decoder.receive(data)
    out: list[tuple[bytes, ...]] = []
    _, error = decoder.next_messages(out, 100, 1 << 20)  # type: ignore[arg-type]  # tuples too
    return out if error is None and decoder.exhausted else None


@given(
    data=st.one_of(
        st.binary(max_size=12), _frames.map(lambda frames: wire.message(*frames)), st.just(b"")
    ),
    frame=_limits,
    message=_limits,
    frames=_limits.filter(bool),
)
@example(data=wire.message(b"", b"x" * 255), frame=None, message=None, frames=None)
@example(data=wire.message(b"", b"x"), frame=0, message=None, frames=None)
@example(data=wire.message(b"", b"", b""), frame=None, message=None, frames=1)
@example(data=wire.command(b"PING", b"x"), frame=None, message=None, frames=None)
def test_what_the_short_way_takes_is_what_the_long_way_finds(
    data: bytes, frame: int | None, message: int | None, frames: int | None
) -> None:
    """Whatever the chunk and the limits are."""
    limits = FrameLimits(frame=frame, command=100, message=message, frames=frames)
    found = whole_message(data, FrameDecoder(limits).harmless)
    if found is not None:
        assert by_the_long_way(data, limits) == [found]


@given(frames=st.lists(st.binary(max_size=255), min_size=1, max_size=3))
def test_the_short_way_takes_each_small_message(frames: list[bytes]) -> None:
    """A request and a reply are such."""
    assert whole_message(wire.message(*frames), 1 << 20) == tuple(frames)


def at_rest(**limits: int | None) -> Connection:
    """Return a connection that has had a message, and knows that nothing else is there."""
    connection = established(SocketType.PULL, **limits)
    connection.receive_data(wire.message(b""))
    assert connection.next_event() == Messages([(b"",)], 0)  # type: ignore[list-item]
    return connection


@given(
    data=st.one_of(
        st.binary(max_size=12),
        _frames.map(lambda frames: wire.message(*frames)),
        st.binary(max_size=300).map(lambda body: wire.message(b"", body)),
    ),
    frame=_limits,
    message=_limits,
    frames=_limits.filter(bool),
)
@example(data=wire.message(b"", b"x" * 255), frame=None, message=None, frames=None)
@example(data=wire.message(b"", b"x" * 256), frame=None, message=None, frames=None)
@example(data=wire.message(b"", b""), frame=0, message=0, frames=2)
@example(data=wire.message(b"", b"xx"), frame=1, message=None, frames=None)
@example(data=wire.message(b"", b"x"), frame=None, message=None, frames=1)
@example(data=b"\1\0\0", frame=None, message=None, frames=None)
@example(data=b"", frame=None, message=None, frames=None)
def test_a_body_that_is_taken_is_that_of_the_message_that_the_long_way_finds(
    data: bytes, frame: int | None, message: int | None, frames: int | None
) -> None:
    """Whatever the chunk and the limits are."""
    connection = at_rest(max_frame_size=frame, max_message_size=message, max_frames=frames)
    body = connection.body_of(data)
    if body is not None:
        connection.receive_data(data)
        assert connection.next_event() == Messages([(b"", body)], len(body))  # type: ignore[list-item]
        assert connection.exhausted


@given(body=st.binary(max_size=255))
def test_the_body_of_each_small_plain_request_is_taken(body: bytes) -> None:
    """And of each reply."""
    assert established().body_of(wire.message(b"", body)) is None, "nobody has looked yet"
    connection = at_rest()
    assert connection.body_of(wire.message(b"", body)) == body


def test_a_body_is_taken_only_if_nothing_waits_before_it() -> None:
    """Not within a message, not before what was there was looked at, and not after a fault."""
    connection = at_rest()
    whole = wire.message(b"", b"reply")
    assert connection.body_of(whole) == b"reply"
    connection.receive_data(whole[:4])
    assert connection.body_of(whole) is None
    assert connection.next_event() is None
    assert connection.body_of(whole) is None
    connection.receive_data(whole[4:] + b"\xff")
    assert connection.next_event() == Messages([(b"", b"reply")], 5)  # type: ignore[list-item]
    assert connection.body_of(whole) is None
    connection.receive_data(b"\xff")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    assert connection.body_of(whole) is None


def test_a_connection_takes_it_only_if_nothing_waits_before_it() -> None:
    """Not in the middle of a message, and not before what was there was looked at."""
    connection = established()
    whole = wire.message(b"", b"reply")
    # Nobody has looked yet whether there is something.
    assert connection.take_whole(whole) is None
    connection.receive_data(whole)
    assert connection.next_event() == Messages([(b"", b"reply")], 5)  # type: ignore[list-item]
    assert connection.take_whole(whole) == (b"", b"reply")
    assert connection.take_whole(whole) == (b"", b"reply")
    first, second = whole[:4], whole[4:]
    connection.receive_data(first)
    assert connection.take_whole(whole) is None
    assert connection.next_event() is None
    assert connection.take_whole(whole) is None
    connection.receive_data(second)
    assert connection.take_whole(whole) is None
    assert connection.next_event() == Messages([(b"", b"reply")], 5)  # type: ignore[list-item]
