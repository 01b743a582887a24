"""The connection as its owner sees it: handshake, decisions, endings."""

from __future__ import annotations

import pytest

from tests.zmtp.pair import GREETING, ConnectionPair, established, events_of, feed, messages_of
from trio_mq import AuthenticationFailed, IncompatiblePeer, Limits, MechanismMismatch
from trio_mq.zmtp import (
    Connection,
    LocalProtocolError,
    Messages,
    PeerReady,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
    encode_message,
)
from trio_mq.zmtp.frames import COMMAND, encode_frame
from trio_mq.zmtp.metadata import encode_metadata

T = SocketType
MALFORMED_ERROR = b"\4\x08\5ERROR\xff4"


def ready(**properties: bytes) -> bytes:
    """Return a READY frame; underscores in the names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    return encode_frame(COMMAND, b"\5READY" + encode_metadata(named))


READY_PUSH = ready(Socket_Type=b"PUSH")
ERROR_INVALID = b"\5ERROR\x10invalid metadata"

#: Rows of what follows the greeting, its fault, and what we answer besides.
BROKEN = [
    (b"\0\5hello", ProtocolFault.UNEXPECTED_MESSAGE, b""),
    (b"\0" + READY_PUSH[1:], ProtocolFault.UNEXPECTED_MESSAGE, b""),
    (b"\4\0", ProtocolFault.MALFORMED_COMMAND, b""),
    (b"\4\3PAB", ProtocolFault.MALFORMED_COMMAND, b""),
    (b"\5\6\5READY", ProtocolFault.RESERVED_FLAGS, b""),
    (b"\4\x0b\x09SUBSCRIBEA", ProtocolFault.UNEXPECTED_COMMAND, b""),
    (b"\4\7\4PING\0\0", ProtocolFault.UNEXPECTED_COMMAND, b""),
    (b"\4\6\5HELLO", ProtocolFault.UNEXPECTED_COMMAND, b""),
    (b"\4\x08\7WELCOME", ProtocolFault.UNEXPECTED_COMMAND, b""),
    (b"\4\x09\x08INITIATE", ProtocolFault.UNEXPECTED_COMMAND, b""),
    (b"\6" + (16 * 1024 + 1).to_bytes(8, "big"), ProtocolFault.FRAME_TOO_LARGE, b""),
    (MALFORMED_ERROR, ProtocolFault.MALFORMED_COMMAND, b""),
    (b"\4\6\5ERROR", ProtocolFault.PEER_ERROR, b""),
    (b"\4\7\5ERROR\0", ProtocolFault.PEER_ERROR, b""),
    (b"\4\x0a\5ERROR\3\x1b[m", ProtocolFault.PEER_ERROR, b""),
    (b"\4\6\5READY", ProtocolFault.INVALID_METADATA, ERROR_INVALID),
    (ready(Identity=b"me"), ProtocolFault.INVALID_METADATA, ERROR_INVALID),
    (ready(Socket_Type=b"PUSH", Identity=b"\0a"), ProtocolFault.INVALID_METADATA, ERROR_INVALID),
    (b"\4\x1b\5READY\x0bSocket-Type\0\0\0\4PUSH\0", ProtocolFault.INVALID_METADATA, ERROR_INVALID),
]


def greeted(role: Role, ours: SocketType = T.PULL, **options: object) -> Connection:
    """Return a connection that has the peer's greeting, and whose own output was taken."""
    connection = Connection(ours, role, **options)  # type: ignore[arg-type]
    connection.receive_data(GREETING)
    connection.data_to_send()
    return connection


@pytest.mark.parametrize(
    ("role", "said"), [(Role.ACCEPTING, [10, 0, 1, 53, 0]), (Role.CONNECTING, [10, 0, 0, 54, 0])]
)
def test_our_greeting_goes_out_as_the_peer_shows_what_it_is(role: Role, said: list[int]) -> None:
    """Ten bytes at once; the mechanism to nobody who has not said that it speaks ZMTP 3."""
    connection = Connection(T.PULL, role)
    heard = [connection.data_to_send()]
    for piece in (GREETING[:9], GREETING[9:10], GREETING[10:11], GREETING[11:63]):
        connection.receive_data(piece)
        heard.append(connection.data_to_send())
    assert [len(data) for data in heard] == said
    assert b"".join(heard) == GREETING


def test_a_peer_that_waits_for_our_version_hears_it_when_told_so() -> None:
    """Two connecting ends may have been joined by somebody in between."""
    ends = [Connection(T.PAIR, Role.CONNECTING) for _ in range(2)]
    said = [end.data_to_send() for end in ends]
    for end, data in zip(ends, reversed(said), strict=True):
        assert not end.withholds_version
        end.receive_data(data)
        assert end.withholds_version
        end.say_version()
        assert (end.withholds_version, end.data_to_send()) == (False, GREETING[10:11])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("version", "name"), [(0, "1.0"), (1, "2.0"), (2, "2.1")])
def test_an_old_peer_hears_nothing_that_only_new_ones_know(
    role: Role, version: int, name: str
) -> None:
    """It would read the mechanism as a frame, and leave before it had said its version."""
    connection = Connection(T.PULL, role)
    connection.receive_data(GREETING[:10])
    with pytest.raises(RemoteProtocolError, match=f"ZMTP {name}"):
        connection.receive_data(bytes([version, 5]))
    assert len(connection.data_to_send()) <= 11


def test_what_is_to_be_sent_is_returned_once() -> None:
    """The owner has it then."""
    connection = Connection(T.PULL, Role.CONNECTING)
    assert connection.data_to_send()
    assert connection.data_to_send() == b""


def test_the_connecting_end_sends_ready_after_the_greetings() -> None:
    """It introduces itself first (RFC 37)."""
    connection = Connection(T.PUSH, Role.CONNECTING)
    connection.receive_data(GREETING[:63])
    assert connection.data_to_send() == GREETING
    connection.receive_data(GREETING[63:])
    assert connection.data_to_send() == READY_PUSH


def test_the_accepting_end_sends_ready_when_the_peer_is_accepted() -> None:
    """And not a byte before."""
    connection = greeted(Role.ACCEPTING)
    assert len(feed(connection, [READY_PUSH])) == 1
    assert connection.data_to_send() == b""
    connection.accept()
    assert connection.data_to_send() == ready(Socket_Type=b"PULL")


def test_a_handshake_needs_no_more_than_bytes_and_consent() -> None:
    """Each end learns who the other is."""
    pair = ConnectionPair(
        Connection(T.DEALER, Role.CONNECTING, routing_id=b"me", metadata={"X-a": b"b"}), T.ROUTER
    ).establish()
    peer = pair.accepting.peer
    assert peer is not None
    assert (peer.socket_type, peer.routing_id, peer.metadata) == (T.DEALER, b"me", {"X-a": b"b"})
    assert (peer.version, peer.mechanism, peer.user_id) == ((3, 1), "NULL", None)
    assert pair.connecting.peer_version == (3, 1)


def test_the_peer_is_announced_once() -> None:
    """The question is asked; the answer may take its time."""
    connection = greeted(Role.ACCEPTING)
    connection.receive_data(READY_PUSH)
    assert isinstance(connection.next_event(), PeerReady)
    assert connection.next_event() is None
    assert not connection.established


@pytest.mark.parametrize("role", Role)
def test_messages_behind_ready_wait_until_the_peer_is_accepted(role: Role) -> None:
    """Libzmq sends them as soon as it has our READY."""
    connection = greeted(role)
    events = feed(connection, [READY_PUSH + b"\0\5hello"])
    assert [type(event) for event in events] == [PeerReady]
    connection.accept()
    event = connection.next_event()
    assert isinstance(event, Messages)
    assert event.messages == [(b"hello",)]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("data", "fault", "answer"), BROKEN)
@pytest.mark.parametrize("size", [1, 10**6])
def test_a_broken_handshake_ends_the_connection(
    role: Role, data: bytes, fault: ProtocolFault, answer: bytes, size: int
) -> None:
    """With an ERROR where the peer's introduction was wrong; otherwise without a word."""
    connection = greeted(role)
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, [data[at : at + size] for at in range(0, len(data), size)])
    assert caught.value.fault is fault
    assert str(caught.value).isprintable()
    assert connection.data_to_send() == (encode_frame(COMMAND, answer) if answer else b"")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("ours", SocketType)
@pytest.mark.parametrize("theirs", [*(t.value for t in SocketType), "STREAM", "", "req", "REQ\0"])
def test_every_pair_of_types_is_judged(role: Role, ours: SocketType, theirs: str) -> None:
    """Legal ones are announced, the others get an ERROR that names both types."""
    connection = greeted(role, ours)
    connection.receive_data(ready(Socket_Type=theirs.encode()))
    if theirs in {peer.value for peer in SocketType if ours.may_talk_to(peer)}:
        assert isinstance(connection.next_event(), PeerReady)
        return
    with pytest.raises(IncompatiblePeer, match=ours.value):
        connection.next_event()
    said = connection.data_to_send()
    assert said.startswith(b"\4") and b"\5ERROR" in said  # noqa: PT018  # one command
    shown = theirs if theirs.isalpha() else repr(theirs.encode())
    assert said.endswith(f"invalid socket type: {ours.value} cannot talk to {shown}".encode())


@pytest.mark.parametrize(
    ("connecting", "accepting"),
    [(one, other) for one in SocketType for other in SocketType if not one.may_talk_to(other)],
)
def test_both_ends_of_a_wrong_pair_raise_the_same_error(
    connecting: SocketType, accepting: SocketType
) -> None:
    """The one that judges names both types in its ERROR, and the other reads them back."""
    pair = ConnectionPair(connecting, accepting)
    with pytest.raises(IncompatiblePeer, match=f"a {accepting.value} .* {connecting.value}:"):
        pair.exchange()
    pair.connecting.receive_data(pair.accepting.data_to_send())
    with pytest.raises(IncompatiblePeer, match=f"a {connecting.value} .* {accepting.value}:"):
        pair.connecting.next_event()


def test_types_in_an_error_that_go_together_are_only_a_text() -> None:
    """A peer cannot make us believe what is not so."""
    connection = greeted(Role.CONNECTING, SocketType.PUSH)
    reason = b"invalid socket type: PULL cannot talk to PUSH"
    with pytest.raises(RemoteProtocolError, match="PULL cannot talk to PUSH"):
        feed(connection, [encode_frame(COMMAND, b"\5ERROR" + bytes([len(reason)]) + reason)])


@pytest.mark.parametrize("status", ["300", "400", "500"])
def test_a_status_in_the_peers_error_means_refused_credentials(status: str) -> None:
    """Whatever the mechanism."""
    connection = greeted(Role.CONNECTING)
    with pytest.raises(AuthenticationFailed) as caught:
        feed(connection, [b"\4\x0a\5ERROR\3" + status.encode()])
    assert caught.value.status == status


def test_the_limit_of_a_handshake_frame_is_exact() -> None:
    """It fits with the last byte, and is refused on the header with one more."""
    limits = Limits(max_handshake_frame=len(READY_PUSH) - 2)
    assert len(feed(greeted(Role.ACCEPTING, limits=limits), [READY_PUSH])) == 1
    with pytest.raises(RemoteProtocolError) as caught:
        feed(greeted(Role.ACCEPTING, limits=limits), [bytes([4, len(READY_PUSH) - 1])])
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


@pytest.mark.parametrize("role", Role)
def test_a_refused_peer_gets_the_reason(role: Role) -> None:
    """After which the connection is over."""
    connection = greeted(role)
    feed(connection, [READY_PUSH])
    connection.refuse("400")
    assert connection.data_to_send() == b"\4\x0a\5ERROR\x03400"
    with pytest.raises(LocalProtocolError):
        connection.accept()


def test_a_reason_that_cannot_be_sent_changes_nothing() -> None:
    """The peer still waits for a verdict."""
    connection = greeted(Role.ACCEPTING)
    feed(connection, [READY_PUSH])
    with pytest.raises(ValueError, match="reason="):
        connection.refuse("bücher")
    connection.accept()
    assert connection.established


def test_an_address_may_belong_to_a_user_under_null() -> None:
    """The accepting end may say so before it accepts, and only then."""
    connection = greeted(Role.ACCEPTING)
    with pytest.raises(LocalProtocolError):
        connection.authenticated("anna")
    feed(connection, [READY_PUSH])
    connection.authenticated("anna", {"Group": b"staff"})
    connection.accept()
    assert connection.peer is not None
    assert (connection.peer.user_id, connection.peer.auth_metadata) == ("anna", {"Group": b"staff"})


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", GREETING + b"\0\0"])
def test_after_an_error_the_connection_is_over(data: bytes) -> None:
    """Every further call says so, whatever it is."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(RemoteProtocolError):
        feed(connection, [data])
    for call in (connection.next_event, connection.accept, lambda: connection.receive_data(b"x")):
        with pytest.raises(LocalProtocolError):
            call()
    assert GREETING.startswith(connection.data_to_send())


def test_another_mechanism_ends_the_connection_with_our_greeting_sent() -> None:
    """So that the peer can name the mismatch as well."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(MechanismMismatch, match="CURVE, ours is NULL"):
        connection.receive_data(GREETING[:12] + b"CURVE".ljust(20, b"\0"))
    assert connection.data_to_send() == GREETING


@pytest.mark.parametrize("role", Role)
def test_nothing_can_be_sent_before_the_peer_is_accepted(role: Role) -> None:
    """The text says what is waited for."""
    connection = greeted(role)
    for call in (
        lambda: connection.encode([(b"x",)]),
        lambda: connection.ping(0),
        lambda: connection.pong(b""),
        lambda: connection.subscribe(b""),
        lambda: connection.cancel(b""),
    ):
        with pytest.raises(LocalProtocolError, match="READY"):
            call()


def test_what_one_end_encodes_the_other_reads() -> None:
    """Small, large and multipart, and as many bytes as foretold."""
    pair = ConnectionPair().establish()
    sent = [(b"a",), (b"b" * 100_000, b""), (b"c",) * 3]
    buffers = pair.connecting.encode(sent)
    assert sum(map(len, buffers)) == sum(map(pair.connecting.wire_size, sent))
    (run,) = feed_whole(pair.accepting, b"".join(buffers))
    assert run.messages == sent


def feed_whole(connection: Connection, data: bytes) -> list[Messages]:
    """Give it the bytes and return its runs of messages."""
    connection.receive_data(data)
    return [event for event in events_of(connection) if isinstance(event, Messages)]


def test_what_is_missing_of_a_large_frame_is_known() -> None:
    """So that a link can ask the kernel for all of it."""
    connection, body = established(), b"z" * 300_000
    wire = encode_message((body,))
    assert (connection.missing, feed(connection, [wire[:1009]])) == (0, [])
    assert connection.missing == 299_000
    (run,) = feed_whole(connection, wire[1009:])
    assert (run.messages, connection.missing) == ([(body,)], 0)


def test_limits_of_messages_hold_only_for_messages() -> None:
    """A limit of zero bytes still lets a handshake through."""
    connection = established(max_frame_size=0, max_message_size=0, max_frames=1)
    assert len(feed(connection, [b"\0\0"])) == 1
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, [b"\0\1"])
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (b"", "after 0 of the 64"),
        (GREETING[:10], "mechanism is not NULL"),
        (GREETING, "waited for READY"),
        (GREETING + READY_PUSH, "owner"),
    ],
)
def test_the_end_of_a_handshake_is_explained(received: bytes, words: str) -> None:
    """From how far it came."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    feed(connection, [received])
    assert words in connection.explain_end()


@pytest.mark.parametrize(("received", "words"), [(b"", "between messages"), (b"\1\0", "inside")])
def test_the_end_of_traffic_is_explained(received: bytes, words: str) -> None:
    """Whether something was torn."""
    connection = established()
    feed(connection, [received])
    assert words in connection.explain_end()


def test_what_is_buffered_and_what_is_exhausted_is_known() -> None:
    """A reader asks for no more than it can use, and is spared a call that would return nothing."""
    connection = established()
    connection.receive_data(b"\0\1a\0\3b")
    assert connection.buffered == 6
    assert messages_of(events_of(connection)) == [(b"a",)]
    connection.receive_data(b"")
    assert connection.buffered == 1
    connection.receive_data(b"cd")
    assert messages_of(events_of(connection)) == [(b"bcd",)]
    connection.receive_data(b"\0\1e")
    assert messages_of([connection.next_event()]) == [(b"e",)]  # type: ignore[list-item]
    assert connection.exhausted


@pytest.mark.parametrize(
    ("received", "error"),
    [(GREETING[:9], ConnectionAbortedError), (GREETING[:10], MechanismMismatch)],
)
def test_an_end_in_the_greeting_is_a_mismatch_where_libzmq_makes_it_one(
    received: bytes, error: type[Exception]
) -> None:
    """It says ten bytes, looks at ours, and leaves without a word."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    connection.receive_data(received)
    assert type(connection.handshake_ended()) is error


def test_what_a_handshake_waits_for_is_told() -> None:
    """How much of the greeting has come, and then which command."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    connection.receive_data(GREETING[:9])
    assert not connection.greeted
    assert "9 of the 64 bytes" in connection.explain_wait()
    connection.receive_data(GREETING[9:])
    assert connection.greeted
    assert connection.explain_wait() == "the handshake waited for READY"
