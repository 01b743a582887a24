"""RFC 23 and 37 (ZMTP 3.0 and 3.1): what they demand of the wire and of the handshake.

One test for each demand, in our words; what concerns sockets rather than connections is tested
with the sockets. Where we depart from a demand, there is a row in `DEPARTURES` with the reason,
and the test asserts what we do instead.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from tests.zmtp.pair import GREETING, ConnectionPair, established, events_of, feed, messages_of
from tests.zmtp.toy_mechanism import established_rot
from trio_mq import IncompatiblePeer, Limits, MechanismMismatch
from trio_mq.zmtp import (
    Cancel,
    Connection,
    LocalProtocolError,
    Messages,
    PeerReady,
    Ping,
    Pong,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
    Subscribe,
    encode_message,
)
from trio_mq.zmtp.commands import join_command
from trio_mq.zmtp.frames import COMMAND, encode_frame
from trio_mq.zmtp.metadata import encode_metadata

T = SocketType


def command(name: bytes, data: bytes = b"") -> bytes:
    """Return a command frame."""
    return encode_frame(COMMAND, join_command(name, data))


def ready(**properties: bytes) -> bytes:
    """Return a READY frame; underscores in the names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    return command(b"READY", encode_metadata(named))


def met(ours: SocketType, *pieces: bytes) -> Connection:
    """Return an accepting connection that was given a greeting and then the pieces."""
    connection = Connection(ours, Role.ACCEPTING)
    feed(connection, [GREETING, *pieces])
    return connection


def fault_of(connection: Connection, data: bytes) -> ProtocolFault:
    """Return what a connection says is wrong with the bytes."""
    with pytest.raises(RemoteProtocolError) as caught:
        feed(connection, [data])
    return caught.value.fault


# -- version negotiation -------------------------------------------------------------------------


def test_a_peer_that_detects_versions_sends_ten_octets_and_then_the_rest() -> None:
    """37, Version Negotiation: it sends the signature, and goes on when it knows the version."""
    connection = Connection(T.PULL, Role.CONNECTING)
    assert len(connection.data_to_send()) == 10
    connection.receive_data(GREETING[:11])
    assert len(connection.data_to_send()) == 54


@pytest.mark.parametrize("padding", [bytes(8), b"\xff" * 8, b"12345678"])
def test_the_padding_is_neither_validated_nor_interpreted(padding: bytes) -> None:
    """37, Version Negotiation: it has no significance."""
    greeting = GREETING[:1] + padding + GREETING[9:]
    assert feed(Connection(T.PULL, Role.ACCEPTING), [greeting + ready(Socket_Type=b"PUSH")])


@pytest.mark.parametrize("version", [b"\3\1", b"\3\2", b"\3\xff", b"\4\0", b"\xff\xff"])
def test_higher_versions_are_valid(version: bytes) -> None:
    """37, Version Negotiation: every version from 3.1 on must be accepted."""
    greeting = GREETING[:10] + version + GREETING[12:]
    assert feed(Connection(T.PULL, Role.ACCEPTING), [greeting + ready(Socket_Type=b"PUSH")])


def test_a_higher_version_is_spoken_to_in_our_own() -> None:
    """37, Version Negotiation: we use our protocol with an equal or higher one."""
    sub = Connection(T.SUB, Role.CONNECTING)
    feed(sub, [GREETING[:10] + b"\4\0" + GREETING[12:] + ready(Socket_Type=b"PUB")])
    sub.accept()
    assert sub.subscribe(b"A") == command(b"SUBSCRIBE", b"A")


@pytest.mark.parametrize("version", [b"\0", b"\1", b"\2"])
def test_a_version_that_we_cannot_speak_ends_the_connection(version: bytes) -> None:
    """37, Version Negotiation: whoever cannot downgrade must close."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.receive_data(GREETING[:10] + version)
    assert caught.value.fault is ProtocolFault.VERSION


def test_downgrade_attacks_are_guarded_against() -> None:
    """37, Security Considerations: no old header, and no lesser mechanism, gets through."""
    for data in (b"\1\0\4\0abc", GREETING[:10] + b"\1\5\0\0"):
        with pytest.raises(RemoteProtocolError):
            Connection(T.PULL, Role.ACCEPTING).receive_data(data)


# -- topology and mechanism ----------------------------------------------------------------------


@pytest.mark.parametrize("as_server", [b"\0", b"\1"])
def test_as_server_has_no_significance_for_null(as_server: bytes) -> None:
    """37, Topology: where a mechanism has no such roles, it is not looked at."""
    greeting = GREETING[:32] + as_server + GREETING[33:]
    assert feed(Connection(T.PULL, Role.ACCEPTING), [greeting + ready(Socket_Type=b"PUSH")])


def test_as_server_is_zero_for_null() -> None:
    """37, The NULL Security Mechanism: on both ends."""
    for role in Role:
        connection = Connection(T.PULL, role)
        connection.receive_data(GREETING[:11])
        assert connection.data_to_send()[32] == 0


def test_a_peer_that_reads_a_whole_greeting_sends_one_too() -> None:
    """37, Authentication: also if the mechanisms differ, so that nobody waits for ever."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(MechanismMismatch):
        connection.receive_data(GREETING[:12] + b"PLAIN".ljust(52, b"\0"))
    assert len(connection.data_to_send()) == 64


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"null", b"NULLS", b""])
def test_another_mechanism_ends_the_connection(mechanism: bytes) -> None:
    """37, Authentication: what does not match exactly must be closed."""
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(MechanismMismatch):
        connection.receive_data(GREETING[:12] + mechanism.ljust(52, b"\0"))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65536])
def test_commands_use_the_short_form_up_to_255_octets(size: int) -> None:
    """37, Authentication: and the long form from 256 on."""
    header = encode_frame(COMMAND, bytes(size))[: -size or None]
    assert header == (bytes([4, size]) if size < 256 else b"\6" + size.to_bytes(8, "big"))


# -- errors --------------------------------------------------------------------------------------


def test_an_error_of_the_peer_is_fatal() -> None:
    """37, Error Handling: the connection is closed, and further use of it refused."""
    connection = met(T.PULL)
    assert fault_of(connection, command(b"ERROR", b"\7because")) is ProtocolFault.PEER_ERROR
    with pytest.raises(LocalProtocolError):
        connection.next_event()


# -- framing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [0x08, 0x10, 0x20, 0x40, 0x80])
def test_reserved_bits_are_zero(bit: int) -> None:
    """37, Framing: bits 7 to 3 must be; a peer that sets one is closed."""
    assert fault_of(established(), bytes([bit, 0])) is ProtocolFault.RESERVED_FLAGS


def test_more_is_zero_on_commands() -> None:
    """37, Framing: a command is one frame; a peer that sets the bit is closed."""
    assert fault_of(established(), b"\5\5\4PONG") is ProtocolFault.RESERVED_FLAGS


def test_the_size_counts_the_body_alone() -> None:
    """37, Framing: an empty frame has a size of zero."""
    assert encode_message((b"",)) == b"\0\0"
    assert messages_of(feed(established(), [b"\0\0\2" + bytes(8)])) == [(b"",), (b"",)]


def test_a_long_size_is_64_bits_in_network_order() -> None:
    """37, Framing: and may say what a short one could."""
    assert encode_message((bytes(258),))[:9] == b"\2\0\0\0\0\0\0\1\2"
    assert messages_of(feed(established(), [b"\2" + bytes(7) + b"\1a"])) == [(b"a",)]


def test_a_size_of_2_to_the_63_is_refused() -> None:
    """37, Framing: a body has at most 2^63 - 1 octets."""
    assert fault_of(established(), b"\2\x80" + bytes(7)) is ProtocolFault.FRAME_TOO_LARGE


def test_a_message_is_delivered_whole_or_not_at_all() -> None:
    """37, Messages: the frames of one that is cut off do not come out."""
    connection = established()
    assert feed(connection, [b"\1\1a\1\1b\0\1"]) == []
    assert messages_of(feed(connection, [b"c"])) == [(b"a", b"b", b"c")]


def test_a_message_is_sent_whole_or_not_at_all() -> None:
    """37, Messages: it is encoded as one, with nothing between its frames."""
    pair = ConnectionPair().establish()
    assert pair.connecting.encode([(b"a", b"b")]) == [b"\1\1a\0\1b"]


def test_commands_and_messages_may_be_intermixed() -> None:
    """37, Formal Grammar: a command even between the frames of a message."""
    events = feed(established(), [b"\1\1a" + command(b"PONG") + b"\0\1b"])
    assert [type(event) for event in events] == [Pong, Messages]


# -- NULL ----------------------------------------------------------------------------------------


def test_the_client_sends_ready_and_waits_for_one() -> None:
    """37, NULL: the connecting end is the client."""
    connection = Connection(T.PUSH, Role.CONNECTING)
    connection.receive_data(GREETING)
    assert connection.data_to_send() == GREETING + ready(Socket_Type=b"PUSH")
    assert connection.next_event() is None


def test_the_server_answers_a_good_ready_with_its_own() -> None:
    """37, NULL: after it has parsed and validated the client's."""
    connection = met(T.PULL, ready(Socket_Type=b"PUSH"))
    assert connection.data_to_send() == GREETING
    connection.accept()
    assert connection.data_to_send() == ready(Socket_Type=b"PULL")


@pytest.mark.parametrize("role", Role)
def test_messages_are_sent_only_after_both_readies(role: Role) -> None:
    """37, NULL: having both sent and received one."""
    connection = Connection(T.PAIR, role)
    feed(connection, [GREETING + ready(Socket_Type=b"PAIR")])
    with pytest.raises(LocalProtocolError):
        connection.encode([(b"early",)])
    connection.accept()
    assert connection.encode([(b"now",)])


def test_a_message_before_the_peers_ready_is_refused() -> None:
    """37, NULL: nothing comes before it."""
    assert fault_of(met(T.PULL), b"\0\5early") is ProtocolFault.UNEXPECTED_MESSAGE


# -- metadata ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Socket-Type", "SOCKET-TYPE", "socket-type", "sOcKeT-tYpE"])
def test_the_case_of_names_is_not_significant(name: str) -> None:
    """37, Connection Metadata: however the peer spells them."""
    data = command(b"READY", encode_metadata({name: b"PUSH"}))
    assert feed(Connection(T.PULL, Role.ACCEPTING), [GREETING + data])


@pytest.mark.parametrize("size", [0, 256])
def test_names_have_1_to_255_characters(size: int) -> None:
    """37, NULL: we send no others, and refuse one of zero, which alone can be said."""
    with pytest.raises(ValueError, match="metadata name"):
        encode_metadata({"x" * size: b""})
    zero = ready(Socket_Type=b"PUSH")[2:] + bytes(5)
    assert fault_of(met(T.PULL), encode_frame(COMMAND, zero)) is ProtocolFault.INVALID_METADATA


def test_a_value_may_be_empty() -> None:
    """37, NULL: from zero octets on."""
    connection = met(T.PULL, ready(Socket_Type=b"PUSH", X_a=b""))
    assert connection.peer is not None
    assert connection.peer.metadata == {"X-a": b""}


def test_a_value_of_2_to_the_31_octets_is_refused() -> None:
    """37, NULL: on its size alone."""
    data = ready(Socket_Type=b"PUSH")[2:] + b"\3X-a\x80\0\0\0"
    assert fault_of(met(T.PULL), encode_frame(COMMAND, data)) is ProtocolFault.INVALID_METADATA


def test_names_for_applications_reach_the_application() -> None:
    """37, Connection Metadata: those that start with X- are reserved for it."""
    pair = ConnectionPair(Connection(T.PUSH, Role.CONNECTING, metadata={"X-rack": b"7"}))
    pair.establish()
    assert pair.accepting.peer is not None
    assert pair.accepting.peer.metadata == {"X-rack": b"7"}


@pytest.mark.parametrize("ours", SocketType)
@pytest.mark.parametrize("theirs", SocketType)
def test_the_socket_types_are_enforced(ours: SocketType, theirs: SocketType) -> None:
    """37, The Socket-Type Property: a wrong one gets an ERROR and is disconnected."""
    connection = Connection(ours, Role.ACCEPTING)
    connection.receive_data(GREETING + ready(Socket_Type=theirs.value.encode()))
    if ours.may_talk_to(theirs):
        assert isinstance(connection.next_event(), PeerReady)
        return
    with pytest.raises(IncompatiblePeer):
        connection.next_event()
    assert b"\5ERROR" in connection.data_to_send()


@pytest.mark.parametrize("theirs", [t for t in SocketType if not t.announces_routing_id])
def test_the_identity_of_other_types_is_ignored(theirs: SocketType) -> None:
    """37, The Identity Property: only REQ, DEALER and ROUTER have one."""
    ours = next(t for t in SocketType if t.may_talk_to(theirs))
    connection = met(ours, ready(Socket_Type=theirs.value.encode(), Identity=b"me"))
    assert connection.peer is not None
    assert connection.peer.routing_id == b""


@pytest.mark.parametrize("identity", [b"\0", b"\0me", b"x" * 256])
def test_an_identity_starts_with_no_zero_and_has_at_most_255_octets(identity: bytes) -> None:
    """37, The Identity Property: from a peer, and of our own."""
    data = ready(Socket_Type=b"DEALER", Identity=identity)
    assert fault_of(met(T.ROUTER), data) is ProtocolFault.INVALID_METADATA
    with pytest.raises(ValueError, match="routing_id"):
        Connection(T.DEALER, Role.CONNECTING, routing_id=identity)


def test_every_resource_request_is_accepted() -> None:
    """37, The Resource Property: it is handed to the owner like any other property."""
    connection = met(T.PULL, ready(Socket_Type=b"PUSH", Resource=b"system/test"))
    assert connection.peer is not None
    assert connection.peer.metadata == {"Resource": b"system/test"}


# -- publish-subscribe ---------------------------------------------------------------------------


def test_subscriptions_are_commands_with_the_topic_as_data() -> None:
    """37, The Publish-Subscribe Pattern: SUBSCRIBE to create one, CANCEL to end it."""
    pair = ConnectionPair(T.SUB, T.PUB).establish()
    assert pair.connecting.subscribe(b"A") == b"\4\x0b\x09SUBSCRIBEA"
    assert pair.connecting.cancel(b"A") == b"\4\x08\6CANCELA"
    events = feed(pair.accepting, [pair.connecting.subscribe(b""), pair.connecting.cancel(b"\0")])
    assert events == [Subscribe(b""), Cancel(b"\0")]


def test_subscriptions_are_messages_in_version_3_0() -> None:
    """23, The Publish-Subscribe Pattern: a first octet of 1 or 0, then the topic."""
    assert feed(established(T.XPUB), [b"\0\2\1A\0\2\0A"]) == [Subscribe(b"A"), Cancel(b"A")]


# -- heartbeats ----------------------------------------------------------------------------------


def test_a_ttl_is_16_bits_of_tenths_of_seconds() -> None:
    """37, Connection Heartbeating: in network order, at most 6553.5 seconds."""
    pair = ConnectionPair().establish()
    assert pair.connecting.ping(6553.5) == command(b"PING", b"\xff\xff")
    assert pair.connecting.ping(25.6) == command(b"PING", b"\1\0")
    with pytest.raises(ValueError, match="ttl"):
        pair.connecting.ping(6553.6)


def test_a_ttl_may_be_zero() -> None:
    """37, Connection Heartbeating: that is no hint."""
    assert feed(established(), [command(b"PING", b"\0\0")]) == [Ping(0, b"")]


@pytest.mark.parametrize("context", [b"", b"\0", b"c" * 16])
def test_a_pong_echoes_the_context(context: bytes) -> None:
    """37, Connection Heartbeating: exactly, and nothing besides."""
    connection = established()
    (ping,) = feed(connection, [command(b"PING", b"\0\1" + context)])
    assert isinstance(ping, Ping)
    assert connection.pong(ping.context) == command(b"PONG", context)


@pytest.mark.parametrize("name", [b"PING", b"PONG"])
def test_a_context_has_at_most_16_octets(name: bytes) -> None:
    """37, Connection Heartbeating: a longer one is malformed."""
    data = (b"\0\1" if name == b"PING" else b"") + b"c" * 17
    assert fault_of(established(), command(name, data)) is ProtocolFault.MALFORMED_COMMAND


# -- departures ----------------------------------------------------------------------------------


@attrs.frozen
class Departure:
    """A demand that we do not meet to the letter."""

    demand: str
    instead: str
    why: str
    holds: Callable[[], bool]


def _padding_is_one() -> bool:
    return Connection(T.PULL, Role.ACCEPTING).data_to_send()[1:9] == b"\0" * 7 + b"\1"


def _three_zero_is_spoken() -> bool:
    greeting = GREETING[:10] + b"\3\0" + GREETING[12:]
    connection = Connection(T.PULL, Role.ACCEPTING)
    return bool(feed(connection, [greeting + ready(Socket_Type=b"PUSH")]))


def _a_missing_type_is_refused() -> bool:
    return fault_of(met(T.PULL), ready(Identity=b"me")) is ProtocolFault.INVALID_METADATA


def _our_reasons_have_spaces() -> bool:
    connection = Connection(T.PULL, Role.ACCEPTING)
    with pytest.raises(IncompatiblePeer):
        feed(connection, [GREETING + ready(Socket_Type=b"SUB")])
    return b"invalid socket type" in connection.data_to_send()


def _any_reason_is_read() -> bool:
    reasons = (b"", b"\0", b"\4go \x1b")
    faults = {fault_of(met(T.PULL), command(b"ERROR", reason)) for reason in reasons}
    return faults == {ProtocolFault.PEER_ERROR}


def _sealed_messages_are_message_frames() -> bool:
    pair = established_rot(T.PUSH, T.PULL)
    return pair.accepting.encode([(b"one",)])[0][0] == 0


def _metadata_has_limits() -> bool:
    connection = Connection(T.PULL, Role.ACCEPTING, limits=Limits(max_metadata_value=100))
    feed(connection, [GREETING])
    data = ready(Socket_Type=b"PUSH", X_a=bytes(101))
    return fault_of(connection, data) is ProtocolFault.INVALID_METADATA


def _ready_may_cross() -> bool:
    connection = Connection(T.PUSH, Role.CONNECTING)
    feed(connection, [GREETING + ready(Socket_Type=b"PULL")])
    return connection.peer is not None


DEPARTURES = [
    Departure(
        "37, Version Negotiation: a peer that demands this version should send a padding of zeros.",
        "We send 00…01.",
        "It is what libzmq sends, and no peer may look at it.",
        _padding_is_one,
    ),
    Departure(
        "37, Formal Grammar: the version is 3.1.",
        "3.0 is accepted too, with subscriptions as messages.",
        "It differs in nothing else, and JeroMQ announces it.",
        _three_zero_is_spoken,
    ),
    Departure(
        "37, Connection Metadata: the sender should specify the Socket-Type.",
        "A peer that does not is refused.",
        "Nothing could be checked; every known peer says it.",
        _a_missing_type_is_refused,
    ),
    Departure(
        "37, NULL: the reason of an ERROR has visible characters only.",
        "Ours have spaces between their words.",
        "The reason is there to be logged, and peers read any.",
        _our_reasons_have_spaces,
    ),
    Departure(
        "37, NULL: an ERROR has a length and then visible characters.",
        "Any reason is read, or none, and shown escaped.",
        "JeroMQ sends none; the connection is over in any case.",
        _any_reason_is_read,
    ),
    Departure(
        "37, Wire Analysis: message data on an encrypted connection are encoded as commands.",
        "They go in message frames.",
        "libzmq sends them so, and drops what comes as a command.",
        _sealed_messages_are_message_frames,
    ),
    Departure(
        "37, NULL: a value may have 2^31 - 1 octets.",
        "There are limits, 4 KiB for a value by default.",
        "A stranger could fill our memory before anybody knows who it is.",
        _metadata_has_limits,
    ),
    Departure(
        "37, NULL: the server sends its READY in reply to the client's.",
        "A READY of the peer is accepted whenever it comes after the greeting.",
        "libzmq sends it unasked, from both ends.",
        _ready_may_cross,
    ),
]


@pytest.mark.parametrize("departure", DEPARTURES, ids=lambda departure: departure.instead)
def test_each_departure_is_as_described(departure: Departure) -> None:
    """What we do instead is what we really do."""
    assert departure.holds(), departure.why


def test_messages_behind_the_last_ready_are_read() -> None:
    """37, Worked Example: the server may send as soon as it has sent its own READY."""
    connection = Connection(T.PULL, Role.CONNECTING)
    feed(connection, [GREETING + ready(Socket_Type=b"PUSH") + b"\0\1a"])
    connection.accept()
    assert messages_of(events_of(connection)) == [(b"a",)]
