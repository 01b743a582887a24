"""PLAIN: the order of its commands, their data, and what is none of either (RFC 24)."""

from __future__ import annotations

import pytest

from tests.hostile.wire import command, greeting, prop, ready
from tests.zmtp.pair import events_of, feed, messages_of
from tests.zmtp.secured import establish, pair_of
from trio_mq import AuthenticationFailed, Limits
from trio_mq.auth import PlainClient, PlainServer
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    LocalProtocolError,
    PeerReady,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
)

GREETING = greeting(mechanism=b"PLAIN")
TYPE = prop(b"Socket-Type", b"REQ") + prop(b"Identity", b"")
HELLO = bytes.fromhex("0413 0548454c4c4f 0561646d696e 06736563726574")
INITIATE = command(b"INITIATE", TYPE)


def client(role: Role = Role.CONNECTING) -> Connection:
    """Return a Req that is the client."""
    return Connection(SocketType.REQ, role, mechanism=PlainClient("admin", "secret"))


def server(role: Role = Role.ACCEPTING) -> Connection:
    """Return a Rep that is the server."""
    return Connection(SocketType.REP, role, mechanism=PlainServer())


def test_the_client_says_what_libzmq_says() -> None:
    """As recorded between two sockets of libzmq."""
    connection = client()
    told = feed(connection, [GREETING, command(b"WELCOME"), ready(b"REP")])
    assert [type(event) for event in told] == [PeerReady]
    connection.accept()
    said = connection.data_to_send()
    assert said == GREETING + HELLO + INITIATE


def test_the_server_says_what_libzmq_says() -> None:
    """But for the greeting, which is honest about the role, and nobody looks at that."""
    connection = server()
    assert feed(connection, [GREETING, HELLO]) == [
        CredentialsReceived("PLAIN", (b"admin", b"secret"))
    ]
    connection.authenticated("admin")
    assert [type(event) for event in feed(connection, [INITIATE])] == [PeerReady]
    connection.accept()
    said = connection.data_to_send()
    assert said == greeting(mechanism=b"PLAIN", as_server=b"\1") + command(b"WELCOME") + ready(
        b"REP"
    )
    assert connection.peer is not None
    assert connection.peer.user_id == "admin"


@pytest.mark.parametrize("server_connects", [False, True])
def test_either_role_may_be_the_one_that_connects(*, server_connects: bool) -> None:
    """And messages pass in the clear afterwards."""
    pair = pair_of(PlainClient("a", "b"), PlainServer(), server_connects=server_connects)
    establish(pair, "a")
    sender, receiver = (
        (pair.accepting, pair.connecting) if server_connects else (pair.connecting, pair.accepting)
    )
    assert sender.clear
    wire = b"".join(sender.encode([(b"one", b"two")]))
    assert b"one" in wire
    receiver.receive_data(wire)
    assert messages_of(events_of(receiver)) == [(b"one", b"two")]


@pytest.mark.parametrize(
    ("username", "password"),
    [(b"", b""), (b"\0\xff", b"\xff\0"), (b"u" * 255, b"p" * 255), (b"u", b"")],
)
def test_b50_names_and_passwords_are_bytes(username: bytes, password: bytes) -> None:
    """Of any value, from none to 255 of them."""
    pair = pair_of(PlainClient(username, password), PlainServer())
    assert pair.exchange() == [CredentialsReceived("PLAIN", (username, password))]


BAD_HELLOS = {
    "nothing": b"",
    "a name over the end": b"\x0aabc",
    "no password": b"\3abc",
    "a password over the end": b"\3abc\3de",
    "a byte after it": b"\3abc\2de!",
}


@pytest.mark.parametrize("data", BAD_HELLOS.values(), ids=BAD_HELLOS)
def test_b47_a_malformed_hello_ends_it_before_anybody_is_asked(data: bytes) -> None:
    """Without an ERROR."""
    connection = server()
    connection.receive_data(GREETING + command(b"HELLO", data))
    connection.data_to_send()
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.fault is ProtocolFault.MALFORMED_COMMAND
    assert connection.data_to_send() == b""


@pytest.mark.parametrize(
    "said",
    [INITIATE, command(b"WELCOME"), ready(b"REQ")],
    ids=["INITIATE", "WELCOME", "READY"],
)
def test_b48_what_comes_in_place_of_hello_ends_it(said: bytes) -> None:
    """Nobody is asked about a peer that shows nothing."""
    connection = server()
    connection.receive_data(GREETING + said)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.fault is ProtocolFault.UNEXPECTED_COMMAND


@pytest.mark.parametrize(
    "said",
    [HELLO, command(b"WELCOME"), ready(b"REQ")],
    ids=["HELLO", "WELCOME", "READY"],
)
def test_b48_what_comes_in_place_of_initiate_ends_it(said: bytes) -> None:
    """One verdict is for one HELLO."""
    connection = server()
    feed(connection, [GREETING, HELLO])
    connection.authenticated("admin")
    connection.receive_data(said)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.fault is ProtocolFault.UNEXPECTED_COMMAND


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (command(b"WELCOME", b"!"), ProtocolFault.MALFORMED_COMMAND),
        (ready(b"REP"), ProtocolFault.UNEXPECTED_COMMAND),
        (HELLO, ProtocolFault.UNEXPECTED_COMMAND),
        (command(b"WELCOME") * 2, ProtocolFault.UNEXPECTED_COMMAND),
        (command(b"ERROR", b"\4gone"), ProtocolFault.PEER_ERROR),
    ],
    ids=["WELCOME with data", "READY early", "HELLO", "WELCOME twice", "ERROR with words"],
)
def test_b49_what_comes_out_of_turn_ends_it_at_the_client(
    said: bytes, fault: ProtocolFault
) -> None:
    """Also what a server of ours would never say."""
    connection = client()
    connection.receive_data(GREETING + said)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.fault is fault


@pytest.mark.parametrize("before", [b"", command(b"WELCOME")], ids=["HELLO", "INITIATE"])
@pytest.mark.parametrize(
    "error",
    [command(b"ERROR", b"\003400"), bytes.fromhex("0409 5e52524f52 03343030")],
    ids=["as written", "as libzmq spells it"],
)
def test_b49_a_denial_is_understood(before: bytes, error: bytes) -> None:
    """In answer to either command of the client."""
    connection = client()
    connection.receive_data(GREETING + before + error)
    with pytest.raises(AuthenticationFailed) as caught:
        connection.next_event()
    assert caught.value.status == "400"


@pytest.mark.parametrize("before", [b"", HELLO], ids=["HELLO", "INITIATE"])
def test_a_server_takes_an_error_of_its_client(before: bytes) -> None:
    """It ends the handshake, in either state."""
    connection = server()
    for event in feed(connection, [GREETING, before]):
        assert isinstance(event, CredentialsReceived)
        connection.authenticated()
    connection.receive_data(command(b"ERROR", b"\4gone"))
    with pytest.raises(RemoteProtocolError, match="gone"):
        connection.next_event()


def test_a_refused_client_is_told_the_status() -> None:
    """And nothing else."""
    pair = pair_of(PlainClient("admin", "wrong"), PlainServer())
    pair.exchange()
    pair.accepting.refuse("400")
    pair.connecting.receive_data(pair.accepting.data_to_send())
    with pytest.raises(AuthenticationFailed) as caught:
        pair.connecting.next_event()
    assert caught.value.status == "400"


def test_plain_seals_nothing() -> None:
    """Whoever asks it to has mistaken it for another mechanism."""
    mechanism = PlainServer().start(Role.ACCEPTING, b"", Limits())
    with pytest.raises(LocalProtocolError):
        mechanism.seal(0, b"")
    with pytest.raises(LocalProtocolError):
        mechanism.open(b"")


def test_the_password_is_nowhere_to_be_seen() -> None:
    """Neither in the option nor in what holds one connection."""
    option = PlainClient("admin", "secret")
    assert "secret" not in repr(option)
    assert "secret" not in repr(option.start(Role.CONNECTING, b"", Limits()))
    assert "secret" not in repr(CredentialsReceived("PLAIN", (b"admin", b"secret")))


@pytest.mark.parametrize(
    ("username", "password", "error"),
    [("u" * 256, "", ValueError), ("", "p" * 256, ValueError), (1, "", TypeError)],
)
def test_what_does_not_fit_is_refused_where_it_is_given(
    username: str, password: str, error: type[Exception]
) -> None:
    """And a password is not shown."""
    with pytest.raises(error) as caught:
        PlainClient(username, password)
    assert "ppp" not in str(caught.value)
