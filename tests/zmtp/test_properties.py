"""What must hold for all inputs: two ends understand each other, and no bytes do harm."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings, strategies as st

from tests.zmtp.pair import DOCUMENTED, GREETING, ConnectionPair, established, events_of, split
from trio_mq import Limits
from trio_mq.zmtp import (
    Cancel,
    Connection,
    Event,
    LocalProtocolError,
    Messages,
    PeerReady,
    Ping,
    Pong,
    Role,
    SocketType,
    Subscribe,
)

T = SocketType

FRAMES = st.binary(max_size=20) | st.sampled_from([bytes(255), bytes(256), bytes(5000)])
MESSAGES = st.lists(FRAMES, min_size=1, max_size=3).map(
    lambda frames: Messages([tuple(frames)], sum(map(len, frames)))  # type: ignore[list-item]
)
CONTEXTS = st.binary(max_size=16)
TRAFFIC = st.lists(
    MESSAGES
    | st.builds(Ping, st.integers(0, 65535).map(lambda tenths: tenths / 10), CONTEXTS)
    | st.builds(Pong, CONTEXTS)
    | st.builds(Subscribe, st.binary(max_size=300))
    | st.builds(Cancel, st.binary(max_size=300)),
    max_size=15,
)
ROOM = st.none() | st.integers(1, 5)


def say(connection: Connection, event: Event) -> bytes:
    """Return the bytes that make this event at the peer."""
    match event:
        case Messages(messages):
            return b"".join(connection.encode(messages))
        case Ping(ttl, context):
            return connection.ping(ttl, context)
        case Pong(context):
            return connection.pong(context)
        case Subscribe(topic):
            return connection.subscribe(topic)
        case Cancel(topic):
            return connection.cancel(topic)
    raise AssertionError(event)


def deliver(connection: Connection, data: st.DataObject, wire: bytes) -> list[Event]:
    """Give the bytes in any pieces, with any room; return what was told, message by message."""
    told: list[Event] = []
    while wire:
        size = data.draw(st.integers(1, len(wire)) | st.integers(1, min(40, len(wire))))
        connection.receive_data(wire[:size])
        wire = wire[size:]
        while (event := connection.next_event(data.draw(ROOM), data.draw(ROOM))) is not None:
            told += split(event)
    return told


@given(TRAFFIC, st.data())
def test_what_a_subscriber_says_a_publisher_understands(
    said: list[Event], data: st.DataObject
) -> None:
    """A message that begins with 00 or 01 is a subscription to it, as RFC 23 has it."""
    pair = ConnectionPair(T.XSUB, T.XPUB).establish()
    wire = b"".join(say(pair.connecting, event) for event in said)
    assert deliver(pair.accepting, data, wire) == [as_subscription(event) for event in said]


def as_subscription(event: Event) -> Event:
    """Return what a publisher makes of it."""
    if isinstance(event, Messages) and len(frames := event.messages[0]) == 1:
        if frames[0][:1] == b"\1":
            return Subscribe(frames[0][1:])
        if frames[0][:1] == b"\0":
            return Cancel(frames[0][1:])
    return event


@given(TRAFFIC, st.data())
def test_what_one_end_says_the_other_understands(said: list[Event], data: st.DataObject) -> None:
    """In order, in any pieces, with any room; subscriptions mean nothing to a PAIR."""
    pair = ConnectionPair(T.PAIR, T.PAIR).establish()
    wire = b"".join(say(pair.connecting, event) for event in said)
    relevant = [event for event in said if not isinstance(event, (Subscribe, Cancel))]
    assert deliver(pair.accepting, data, wire) == relevant


def survive(connection: Connection, wire: bytes, size: int) -> None:
    """Feed anything; whatever is raised has to be documented, and final."""
    try:
        for at in range(0, len(wire), size):
            connection.receive_data(wire[at : at + size])
            for event in events_of(connection):
                if isinstance(event, PeerReady):
                    connection.accept()
    except DOCUMENTED:
        with pytest.raises(LocalProtocolError):
            connection.next_event()


def session(theirs: SocketType) -> bytes:
    """Return all that a peer might say, from its greeting on."""
    ours = next(t for t in SocketType if t.may_talk_to(theirs))
    peer = Connection(theirs, Role.CONNECTING, routing_id=b"id", metadata={"X-a": b"b"})
    other = Connection(ours, Role.ACCEPTING)
    wire = b""
    while peer.peer_version is None or other.peer_version is None:
        wire += (said := peer.data_to_send())
        other.receive_data(said)
        peer.receive_data(other.data_to_send())
    wire += (hello := peer.data_to_send())
    other.receive_data(hello)
    events_of(other)
    other.accept()
    peer.receive_data(other.data_to_send())
    events_of(peer)
    peer.accept()
    traffic: list[Event] = [Ping(1, b"c"), Pong(b""), Subscribe(b"topic"), Cancel(b"topic")]
    wire += b"".join(say(peer, event) for event in traffic)
    return wire + b"".join(peer.encode([(b"a",), (b"", b"b" * 300), (b"c",) * 9]))


@pytest.mark.fuzz
@settings(max_examples=300)
@given(st.binary(max_size=2000), st.integers(1, 2000), st.sampled_from([*SocketType]))
def test_random_bytes_do_no_harm(data: bytes, size: int, ours: SocketType) -> None:
    """After a greeting, where random bytes get further."""
    survive(Connection(ours, Role.ACCEPTING), GREETING + data, size)
    survive(established(ours, limits=Limits.hardened()), data, size)


@pytest.mark.fuzz
@pytest.mark.parametrize("theirs", SocketType)
@pytest.mark.parametrize("seed", range(60))
def test_damaged_sessions_do_no_harm(theirs: SocketType, seed: int) -> None:
    """A byte changed, a piece lost, doubled or cut off: each is an error or a message."""
    chance = random.Random(seed)
    ours = next(t for t in SocketType if t.may_talk_to(theirs))
    wire = session(theirs)
    for _ in range(chance.randint(1, 4)):
        wire = damaged(wire, chance)
    survive(Connection(ours, chance.choice([*Role])), wire, chance.choice([1, 13, 5000]))


def damaged(wire: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one thing done to them."""
    start = chance.randrange(len(wire))
    end = start + chance.randint(0, 20)
    before, piece, after = wire[:start], wire[start:end], wire[end:]
    instead = [chance.randbytes(len(piece)), b"", piece * 2, b"\xff" + piece[1:]]
    return before + chance.choice(instead) + after


@pytest.mark.parametrize("theirs", SocketType)
def test_the_undamaged_session_is_understood(theirs: SocketType) -> None:
    """Else the test above would damage nonsense."""
    ours = next(t for t in SocketType if t.may_talk_to(theirs))
    connection = Connection(ours, Role.ACCEPTING)
    connection.receive_data(session(theirs))
    (ready,) = events_of(connection)
    assert isinstance(ready, PeerReady)
    connection.accept()
    told = [event for run in events_of(connection) for event in split(run)]
    assert len(told) == (7 if ours.has_subscribers else 5)


@pytest.mark.parametrize("theirs", SocketType)
def test_a_session_cut_off_anywhere_is_no_error(theirs: SocketType) -> None:
    """An end is not a fault: the connection explains where it came."""
    wire = session(theirs)
    ours = next(t for t in SocketType if t.may_talk_to(theirs))
    for end in range(len(wire)):
        connection = Connection(ours, Role.ACCEPTING)
        survive(connection, wire[:end], 64)
        assert connection.explain_end().startswith("the peer")
