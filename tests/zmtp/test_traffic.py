"""Established connections: what their frames mean, in order, and what ends them."""

from __future__ import annotations

import pytest

from tests.zmtp.pair import GREETING, ConnectionPair, established, events_of, feed
from tests.zmtp.secured import curve_client, curve_server, establish, pair_of
from trio_mq import Limits
from trio_mq.zmtp import (
    Cancel,
    Connection,
    Messages,
    Ping,
    Pong,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    Skipped,
    SocketType,
    Subscribe,
    encode_message,
)
from trio_mq.zmtp.commands import join_command
from trio_mq.zmtp.frames import COMMAND, encode_frame

T = SocketType
ALL_TYPES = [*SocketType]
PUBLISHERS = [T.PUB, T.XPUB]
OTHERS = [t for t in SocketType if not t.has_subscribers]


def command(name: bytes, data: bytes = b"") -> bytes:
    """Return a command frame."""
    return encode_frame(COMMAND, join_command(name, data))


def one(*frames: bytes) -> Messages:
    """Return the event of one message."""
    return Messages([frames], sum(map(len, frames)))  # type: ignore[list-item]


#: Rows of bytes and the events that they are to a PULL, and to every type that has no subscribers.
READABLE: list[tuple[bytes, list[object]]] = [
    (b"\0\5hello", [one(b"hello")]),
    (b"\0\0", [one(b"")]),
    (b"\1\0\0\1b", [one(b"", b"b")]),
    (b"\0\1a\0\1b", [one(b"a"), one(b"b")]),
    (command(b"PING", b"\0\x0a") + b"\0\1a", [Ping(1.0, b""), one(b"a")]),
    (b"\0\1a" + command(b"PONG", b"ctx") + b"\0\1b", [one(b"a"), Pong(b"ctx"), one(b"b")]),
    (b"\1\1a" + command(b"PING", b"\0\0c") + b"\0\1b", [Ping(0.0, b"c"), one(b"a", b"b")]),
    (command(b"JOIN", b"g") + command(b"LEAVE", b"g") + b"\0\1a", [one(b"a")]),
    (command(b"FOO") + b"\0\1a" + command(b"BAR") + b"\0\1b", [one(b"a"), one(b"b")]),
    (command(b"SUBSCRIBE", b"t") + command(b"CANCEL", b"t") + b"\0\1a", [one(b"a")]),
    (b"\0\2\1t\0\2\0t", [one(b"\1t"), one(b"\0t")]),
]

#: The same for publishers.
READABLE_BY_PUBLISHERS: list[tuple[bytes, list[object]]] = [
    (command(b"SUBSCRIBE", b"A"), [Subscribe(b"A")]),
    (command(b"CANCEL", b"A"), [Cancel(b"A")]),
    (command(b"SUBSCRIBE"), [Subscribe(b"")]),
    (b"\0\2\1A", [Subscribe(b"A")]),
    (b"\0\2\0A", [Cancel(b"A")]),
    (b"\0\1\1", [Subscribe(b"")]),
    (b"\0\2\2A", [one(b"\2A")]),
    (b"\0\0", [one(b"")]),
    (b"\1\2\1A\0\1b", [one(b"\1A", b"b")]),
    (b"\0\1a\0\2\1t\0\1b", [one(b"a"), Subscribe(b"t"), one(b"b")]),
    (b"\1\1a" + command(b"SUBSCRIBE", b"t") + b"\0\1b", [Subscribe(b"t"), one(b"a", b"b")]),
]

#: Rows of bytes and their fault, for every type.
BROKEN = [
    (b"\x08\0", ProtocolFault.RESERVED_FLAGS),
    (b"\xf8\3abc", ProtocolFault.RESERVED_FLAGS),
    (b"\5\4\3FOO", ProtocolFault.RESERVED_FLAGS),
    (b"\4\0", ProtocolFault.MALFORMED_COMMAND),
    (b"\4\1\0", ProtocolFault.MALFORMED_COMMAND),
    (b"\4\3PAB", ProtocolFault.MALFORMED_COMMAND),
    (b"\6" + bytes(8), ProtocolFault.MALFORMED_COMMAND),
    (command(b"PING"), ProtocolFault.MALFORMED_COMMAND),
    (command(b"PING", b"\0"), ProtocolFault.MALFORMED_COMMAND),
    (command(b"PING", bytes(19)), ProtocolFault.MALFORMED_COMMAND),
    (command(b"PONG", bytes(17)), ProtocolFault.MALFORMED_COMMAND),
    (command(b"JOIN", b"g" * 256), ProtocolFault.MALFORMED_COMMAND),
    (command(b"JOIN", b"\0"), ProtocolFault.MALFORMED_COMMAND),
    (command(b"READY"), ProtocolFault.UNEXPECTED_COMMAND),
    (command(b"HELLO"), ProtocolFault.UNEXPECTED_COMMAND),
    (command(b"WELCOME"), ProtocolFault.UNEXPECTED_COMMAND),
    (command(b"INITIATE"), ProtocolFault.UNEXPECTED_COMMAND),
    (command(b"ERROR", b"\x03400"), ProtocolFault.PEER_ERROR),
    (command(b"ERROR"), ProtocolFault.PEER_ERROR),
    (b"\2\x80" + bytes(7), ProtocolFault.FRAME_TOO_LARGE),
]


@pytest.mark.parametrize("ours", OTHERS)
@pytest.mark.parametrize(("data", "events"), READABLE)
def test_frames_mean_the_same_in_any_pieces(
    ours: SocketType, data: bytes, events: list[object]
) -> None:
    """Whole, byte by byte, and with more behind them."""
    assert feed(established(ours), [data]) == events
    assert feed(established(ours), [bytes([byte]) for byte in data]) == events
    assert feed(established(ours), [data + b"\1"]) == events


@pytest.mark.parametrize("ours", PUBLISHERS)
@pytest.mark.parametrize(("data", "events"), READABLE_BY_PUBLISHERS)
def test_publishers_understand_both_forms_of_a_subscription(
    ours: SocketType, data: bytes, events: list[object]
) -> None:
    """Command and marked message, from every peer."""
    assert feed(established(ours), [data]) == events
    assert feed(established(ours), [bytes([byte]) for byte in data]) == events


@pytest.mark.parametrize("ours", [T.PULL, T.PUB])
@pytest.mark.parametrize(("data", "fault"), BROKEN)
@pytest.mark.parametrize("before", [b"", b"\0\4good" * 10, b"\0\2\2A\1\1a"])
def test_a_broken_frame_ends_the_connection_after_what_came_before(
    ours: SocketType, data: bytes, fault: ProtocolFault, before: bytes
) -> None:
    """Whole messages before it are delivered, an unfinished one is not."""
    connection = established(ours)
    connection.receive_data(before + data)
    if before:
        assert isinstance(connection.next_event(), Messages)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.fault is fault


def test_consecutive_messages_are_one_event() -> None:
    """With the payload of all of them."""
    connection = established()
    connection.receive_data(b"\0\1a\1\1b\0\1c" + encode_message((bytes(300),)))
    assert connection.next_event() == Messages(
        [(b"a",), (b"b", b"c"), (bytes(300),)],  # type: ignore[list-item]
        303,
    )


@pytest.mark.parametrize("ours", [T.PULL, T.XPUB])
def test_a_run_stops_before_the_message_that_has_no_room(ours: SocketType) -> None:
    """Counted in messages, or in bytes before it; either can be what is full."""
    connection = established(ours)
    connection.receive_data(b"\0\4mess" * 6)
    runs = [connection.next_event(2), connection.next_event(9, 4), connection.next_event(9, 5)]
    assert [run.payload for run in runs if isinstance(run, Messages)] == [8, 4, 8]


@pytest.mark.parametrize("ours", [T.PULL, T.XPUB])
@pytest.mark.parametrize(("max_messages", "max_bytes"), [(0, None), (None, 0), (0, 0)])
def test_without_room_nothing_is_taken(
    ours: SocketType, max_messages: int | None, max_bytes: int | None
) -> None:
    """It is all there once there is room."""
    connection = established(ours)
    connection.receive_data(b"\0\1a")
    assert connection.next_event(max_messages, max_bytes) is None
    assert connection.next_event(1, 1) == one(b"a")


def test_unknown_commands_are_ignored_up_to_their_limit() -> None:
    """One more is a peer that wastes our time."""
    connection = established(limits=Limits(max_unknown_commands=3))
    assert feed(connection, [command(b"FOO") * 3]) == []
    with pytest.raises(RemoteProtocolError, match="FOO") as caught:
        feed(connection, [command(b"FOO")])
    assert caught.value.fault is ProtocolFault.UNKNOWN_COMMANDS


@pytest.mark.parametrize("longest", [0, 1, 252, 253, 300, 8192])
@pytest.mark.parametrize("form", ["command", "message", "cancel"])
def test_the_limit_of_a_topic_is_exact(longest: int, form: str) -> None:
    """In both forms, and for cancelling too."""

    def said(topic: bytes) -> bytes:
        if form == "message":
            return encode_message((b"\1" + topic,))
        return command(b"SUBSCRIBE" if form == "command" else b"CANCEL", topic)

    connection = established(T.PUB, limits=Limits(max_topic_length=longest))
    assert len(feed(connection, [said(bytes(longest))])) == 1
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, [said(bytes(longest + 1))])
    assert caught.value.fault is ProtocolFault.SUBSCRIPTION_LIMIT


def test_an_oversize_command_is_refused_on_its_header() -> None:
    """Nothing of it needs to arrive."""
    connection = established(limits=Limits(max_topic_length=1000))
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, [encode_frame(COMMAND, bytes(1011))[:9]])
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


@pytest.mark.parametrize("limits", [Limits(), Limits.hardened(), Limits(max_topic_length=0)])
def test_every_legal_command_fits_whatever_the_limits(limits: Limits) -> None:
    """A limit on topics must not refuse a PING."""
    legal = command(b"PING", bytes(18)) + command(b"JOIN", b"g" * 255)
    assert feed(established(limits=limits), [legal]) == [Ping(0.0, bytes(16))]


def subscriber(version: bytes) -> Connection:
    """Return a SUB that has accepted a publisher of a version."""
    connection = Connection(T.SUB, Role.CONNECTING)
    ready = b"\4\x19\5READY\x0bSocket-Type\0\0\0\3PUB"
    connection.receive_data(GREETING[:10] + version + GREETING[12:] + ready)
    events_of(connection)
    connection.accept()
    return connection


@pytest.mark.parametrize("version", [b"\3\1", b"\3\2", b"\4\0"])
def test_subscriptions_are_commands_for_version_3_1(version: bytes) -> None:
    """And for every later one."""
    connection = subscriber(version)
    assert connection.subscribe(b"A") == b"\4\x0b\x09SUBSCRIBEA"
    assert connection.cancel(b"A") == b"\4\x08\6CANCELA"


def test_subscriptions_are_messages_for_version_3_0() -> None:
    """It has no such commands."""
    connection = subscriber(b"\3\0")
    assert connection.subscribe(b"A") == b"\0\2\1A"
    assert connection.cancel(b"A") == b"\0\2\0A"


@pytest.mark.parametrize("version", [b"\3\0", b"\3\1"])
@pytest.mark.parametrize("size", [0, 244, 245, 246, 248, 249, 254, 255, 256, 8192])
def test_topics_of_any_length_survive(version: bytes, size: int) -> None:
    """At some of these lengths libzmq sends a long size without saying so."""
    connection, topic = subscriber(version), bytes(size)
    said = connection.subscribe(topic) + connection.cancel(topic)
    assert feed(established(T.PUB), [said]) == [Subscribe(topic), Cancel(topic)]


def test_pings_and_pongs_are_what_libzmq_sends() -> None:
    """Byte for byte."""
    connection = established()
    assert connection.ping(1) == b"\4\7\4PING\0\x0a"
    assert connection.pong(b"") == b"\4\5\4PONG"


def test_a_pong_repeats_the_context_of_its_ping() -> None:
    """Between two of our own ends."""
    pair = ConnectionPair().establish()
    pair.accepting.receive_data(pair.connecting.ping(0.5, b"\0ctx\xff"))
    (ping,) = events_of(pair.accepting)
    assert ping == Ping(0.5, b"\0ctx\xff")
    pair.connecting.receive_data(pair.accepting.pong(ping.context))
    assert events_of(pair.connecting) == [Pong(b"\0ctx\xff")]


@pytest.mark.parametrize("socket_type", [T.PULL, T.PUB])
def test_passing_over_commands_has_pauses(socket_type: SocketType) -> None:
    """Else one read of them would keep everybody waiting for a tenth of a second."""
    said = command(b"LEAVE", b"g") * 1200 + b"\0\1a"
    told = feed(established(socket_type), [said])
    assert told == [Skipped(500), Skipped(500), one(b"a")]


def test_passing_over_sealed_commands_has_pauses_too() -> None:
    """Under CURVE each takes longer."""
    pair = establish(pair_of(curve_client(), curve_server()))
    pieces = [pair.connecting._writer.command(b"LEAVE", b"g") for _ in range(1200)]
    told = feed(pair.accepting, [b"".join([*pieces, *pair.connecting.encode([b"a"])])])
    assert told == [Skipped(500), Skipped(500), one(b"a")]
