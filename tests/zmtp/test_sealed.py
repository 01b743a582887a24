"""Established connections under CURVE: what was sealed comes out, in runs as large as asked for."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st

from tests.zmtp.secured import curve_client, curve_server, establish, pair_of
from trio_mq import Limits, Message
from trio_mq.zmtp import (
    Connection,
    Event,
    Messages,
    Ping,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
    Subscribe,
)

#: A message, or the context of a PING that comes between two.
Said: TypeAlias = "tuple[bytes, ...] | bytes"

_FRAME = st.binary(max_size=20) | st.sampled_from([bytes(300), bytes(40_000)])
_SAID: st.SearchStrategy[list[Said]] = st.lists(
    st.lists(_FRAME, min_size=1, max_size=3).map(tuple) | st.binary(max_size=16), max_size=12
)


def sealed(connection: Connection, said: list[Said]) -> bytes:
    """Return the wire form of what is said."""
    return b"".join(
        connection.ping(0, one) if isinstance(one, bytes) else b"".join(connection.encode([one]))
        for one in said
    )


def split(wire: bytes, sizes: list[int]) -> list[bytes]:
    """Cut the wire into chunks of these sizes and a larger one, over and over."""
    chunks, at = [], 0
    while at < len(wire):
        for size in (*sizes, 5000):
            chunks.append(wire[at : at + size])
            at += size
    return [chunk for chunk in chunks if chunk]


def heard(event: Event) -> list[Said]:
    """Return what an event tells, as it was said."""
    if isinstance(event, Messages):
        assert event.payload == sum(len(frame) for message in event.messages for frame in message)
        assert {type(message) for message in event.messages} == {Message}
        return [*event.messages]
    assert isinstance(event, Ping)
    return [event.context]


@given(
    _SAID,
    st.lists(st.integers(1, 60) | st.just(70_000), min_size=1, max_size=5),
    st.integers(1, 5),
    st.integers(1, 400),
)
def test_all_that_was_said_is_heard(
    said: list[Said], sizes: list[int], max_messages: int, max_bytes: int
) -> None:
    """Whatever the chunks are, in runs that end where the room ends."""
    pair = establish(pair_of(curve_client(), curve_server()))
    told: list[Said] = []
    for chunk in split(sealed(pair.connecting, said), sizes):
        pair.accepting.receive_data(chunk)
        while (event := pair.accepting.next_event(max_messages, max_bytes)) is not None:
            told += (run := heard(event))
            assert len(run) <= max_messages
            assert sum(size_of(one) for one in run[:-1]) < max_bytes
    assert told == said
    assert pair.accepting.buffered == 0


def size_of(said: Said) -> int:
    """Return the payload of a message."""
    return 0 if isinstance(said, bytes) else sum(map(len, said))


def test_it_is_known_when_all_has_been_handed_out() -> None:
    """But not as long as a message or a frame is unfinished."""
    pair = establish(pair_of(curve_client(), curve_server()))
    wire = b"".join(pair.connecting.encode([(b"a", b"b"), (b"c",)]))
    for end, exhausted in ((36, False), (70, False), (len(wire), True)):
        pair.accepting.receive_data(wire[:end])
        while pair.accepting.next_event() is not None:
            pass
        assert pair.accepting.exhausted is exhausted
        pair = establish(pair_of(curve_client(), curve_server()))


@pytest.mark.parametrize("limit", [0, 1, 222, 223, 300, 65_536])
def test_the_limit_of_a_frame_is_that_of_what_is_in_the_box(limit: int) -> None:
    """It passes, one byte more does not, and what came before is delivered."""
    server = Connection(
        SocketType.PULL, Role.ACCEPTING, mechanism=curve_server(), max_frame_size=limit
    )
    pair = pair_of(curve_client(), curve_server())
    pair.accepting = server
    establish(pair)
    for chunk in pair.connecting.encode([bytes(limit), bytes(limit), bytes(limit + 1)]):
        server.receive_data(chunk)
    event = server.next_event()
    assert isinstance(event, Messages)
    assert event.messages == [(bytes(limit),)] * 2
    with pytest.raises(RemoteProtocolError) as caught:
        server.next_event()
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


def test_messages_before_a_bad_box_are_delivered() -> None:
    """And then the connection is over."""
    pair = establish(pair_of(curve_client(), curve_server()))
    wire = bytearray(sealed(pair.connecting, [(b"a",), (b"b",), (b"c",)]))
    wire[-1] ^= 1
    pair.accepting.receive_data(bytes(wire))
    event = pair.accepting.next_event()
    assert isinstance(event, Messages)
    assert event.messages == [(b"a",), (b"b",)]
    with pytest.raises(RemoteProtocolError):
        pair.accepting.next_event()


def test_a_publisher_takes_subscriptions_in_both_forms() -> None:
    """As commands, and as messages of one frame that begin with a mark."""
    pair = establish(pair_of(curve_client(), curve_server(), SocketType.XSUB, SocketType.XPUB))
    subscriber = pair.connecting
    said = [subscriber.subscribe(b"A"), *subscriber.encode([b"\1B", (b"\1x", b"y"), b"z"])]
    pair.accepting.receive_data(b"".join(said))
    told = list(iter(pair.accepting.next_event, None))
    assert told[:2] == [Subscribe(b"A"), Subscribe(b"B")]
    assert told[2:] == [Messages([Message([b"\1x", b"y"]), Message(b"z")], 4)]


def test_the_limit_of_frames_holds_in_a_box_too() -> None:
    """A message that never ends is refused at its count of frames."""
    server = Connection(
        SocketType.PULL,
        Role.ACCEPTING,
        mechanism=curve_server(),
        limits=Limits(),
        max_frames=3,
    )
    pair = pair_of(curve_client(), curve_server())
    pair.accepting = server
    establish(pair)
    for chunk in pair.connecting.encode([(b"",) * 3, (b"",) * 4]):
        server.receive_data(chunk)
    assert server.next_event() == Messages([Message([b""] * 3)], 0)
    with pytest.raises(RemoteProtocolError) as caught:
        server.next_event()
    assert caught.value.fault is ProtocolFault.TOO_MANY_FRAMES
