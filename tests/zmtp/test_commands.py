"""Command bodies: one table for building and parsing, and what is malformed."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from trio_mq import AuthenticationFailed
from trio_mq.zmtp import Cancel, Ping, Pong, ProtocolFault, RemoteProtocolError, Subscribe
from trio_mq.zmtp.commands import (
    TRAFFIC,
    error_data,
    join_command,
    parse_error,
    ping_data,
    pong_data,
    printable,
    refusal,
    split_command,
)

#: Rows of name, data, body and comment.
BODIES = [
    (b"READY", b"", b"\5READY", "no data"),
    (b"SUBSCRIBE", b"A", b"\x09SUBSCRIBEA", "as libzmq subscribes"),
    (b"PING", b"\0\x0a", b"\4PING\0\x0a", "as libzmq pings with a TTL of a second"),
    (b"A", b"\1B", b"\1A\1B", "data that looks like a command"),
    (b"x" * 255, b"y", b"\xff" + b"x" * 255 + b"y", "the longest name"),
]

MALFORMED_BODIES = [
    (b"", "empty"),
    (b"\0", "empty name"),
    (b"\0READY", "empty name before data"),
    (b"\3PA", "name over the end"),
    (b"\xffREADY", "name far over the end"),
    (b"\3\0\1\2", "name of no letters"),
    (b"\5RE DY", "a space in the name"),
]

#: Rows of name, data and the event that they become.
TRAFFIC_TABLE = [
    (b"PING", b"\0\x0a", Ping(1.0, b"")),
    (b"PING", b"\0\0", Ping(0.0, b"")),
    (b"PING", b"\xff\xff" + b"c" * 16, Ping(6553.5, b"c" * 16)),
    (b"PONG", b"", Pong(b"")),
    (b"PONG", b"c" * 16, Pong(b"c" * 16)),
    (b"SUBSCRIBE", b"", Subscribe(b"")),
    (b"CANCEL", b"\0\xff", Cancel(b"\0\xff")),
    (b"JOIN", b"g" * 255, None),
    (b"LEAVE", b"", None),
]

MALFORMED_DATA = [
    (b"PING", b""),
    (b"PING", b"\0"),
    (b"PING", b"\0\x0a" + b"c" * 17),
    (b"PONG", b"c" * 17),
    (b"JOIN", b"g" * 256),
    (b"JOIN", b"a\0b"),
    (b"LEAVE", b"g" * 256),
]


@pytest.mark.parametrize(("name", "data", "body", "comment"), BODIES)
def test_a_command_is_joined_and_split(name: bytes, data: bytes, body: bytes, comment: str) -> None:
    """The same table, both ways."""
    assert join_command(name, data) == body, comment
    assert split_command(body) == (name, data), comment


@pytest.mark.parametrize(("body", "comment"), MALFORMED_BODIES)
def test_a_malformed_command_is_refused(body: bytes, comment: str) -> None:
    """Whatever its length claims."""
    with pytest.raises(RemoteProtocolError) as caught:
        split_command(body)
    assert caught.value.fault is ProtocolFault.MALFORMED_COMMAND, comment


@pytest.mark.parametrize(("name", "data", "event"), TRAFFIC_TABLE)
def test_traffic_commands_become_events(name: bytes, data: bytes, event: object) -> None:
    """JOIN and LEAVE are checked and mean nothing to the types that we have."""
    assert TRAFFIC[name](data) == event


@pytest.mark.parametrize(("name", "data"), MALFORMED_DATA)
def test_malformed_traffic_commands_are_refused(name: bytes, data: bytes) -> None:
    """One byte too few or too many is enough."""
    with pytest.raises(RemoteProtocolError) as caught:
        TRAFFIC[name](data)
    assert caught.value.fault is ProtocolFault.MALFORMED_COMMAND


@pytest.mark.parametrize(
    ("ttl", "tenths"), [(0, 0), (0.01, 1), (0.1, 1), (0.7, 7), (1, 10), (6553.5, 65535)]
)
def test_a_ttl_is_sent_in_tenths_and_never_rounds_to_none(ttl: float, tenths: int) -> None:
    """A short time that rounded to 0 would say that the peer may wait for ever."""
    assert ping_data(ttl, b"c") == tenths.to_bytes(2, "big") + b"c"


@pytest.mark.parametrize("ttl", [-0.1, 6553.6, float("nan"), float("inf")])
def test_a_ttl_that_does_not_fit_is_refused(ttl: float) -> None:
    """Two bytes of tenths of seconds end at 6553.5."""
    with pytest.raises(ValueError, match="ttl="):
        ping_data(ttl, b"")


def test_a_context_of_more_than_16_bytes_is_refused() -> None:
    """RFC 37 allows 16."""
    assert pong_data(b"c" * 16) == b"c" * 16
    with pytest.raises(ValueError, match="context="):
        pong_data(b"c" * 17)


def test_an_error_carries_its_reason_both_ways() -> None:
    """Up to 255 printable characters."""
    for reason in ("", "400", "x" * 255):
        assert parse_error(error_data(reason)) == reason


@pytest.mark.parametrize("reason", ["x" * 256, "bücher", "a\nb", "\x00"])
def test_an_unprintable_reason_is_refused(reason: str) -> None:
    """RFC 37 wants visible ASCII."""
    with pytest.raises(ValueError, match="reason="):
        error_data(reason)


def test_an_error_without_a_length_has_no_reason() -> None:
    """JeroMQ sends it like that."""
    assert parse_error(b"") == ""


@pytest.mark.parametrize("data", [b"\xff400", b"\x01400", b"\0x"])
def test_an_error_whose_length_is_wrong_is_malformed(data: bytes) -> None:
    """Its text would not be what the peer meant."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_error(data)
    assert caught.value.fault is ProtocolFault.MALFORMED_COMMAND


def test_the_misspelt_error_of_libzmq_is_an_error() -> None:
    """Its PLAIN server writes ^RROR."""
    assert split_command(b"^RROR\x03400") == (b"ERROR", b"\x03400")


@pytest.mark.parametrize("status", ["300", "400", "500"])
def test_a_status_as_reason_means_refused_credentials(status: str) -> None:
    """Those are the three statuses of an authenticator that refuse."""
    error = refusal(status)
    assert isinstance(error, AuthenticationFailed)
    assert error.status == status


@pytest.mark.parametrize("reason", ["", "200", "4000", "go away"])
def test_another_reason_is_an_error_of_the_peer(reason: str) -> None:
    """With its text, if it gave one."""
    error = refusal(reason)
    assert isinstance(error, RemoteProtocolError)
    assert error.fault is ProtocolFault.PEER_ERROR
    assert reason in str(error)


@given(st.binary(max_size=400))
def test_a_peers_text_is_printable_and_short(text: bytes) -> None:
    """Terminal control sequences, line breaks and floods stay outside."""
    shown = printable(text)
    assert len(shown) <= 255
    assert shown.isascii()
    assert shown.isprintable()


def test_a_peers_text_shows_its_odd_bytes() -> None:
    """As hexadecimal escapes, and a backslash as one too, so that it cannot be forged."""
    assert printable(b"a\x1b[2J\\x00") == r"a\x1b[2J\x5cx00"


@given(st.binary(max_size=300))
def test_any_body_is_split_or_refused(body: bytes) -> None:
    """And what is split is the body again."""
    try:
        name, data = split_command(body)
    except RemoteProtocolError:
        return
    assert join_command(name, data) == body or body.startswith(b"^RROR")
