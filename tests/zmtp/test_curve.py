"""CURVE: what each end makes of a peer that is not what it says (RFC 26)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from nacl import bindings

from tests.hostile.wire import prop
from tests.zmtp.pair import events_of, messages_of
from tests.zmtp.secured import (
    CLIENT_KEYS,
    SERVER_KEYS,
    CurveHandshake,
    curve_client,
    curve_server,
    establish,
    known,
    pair_of,
)
from trio_mq import Limits, auth
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    Ping,
    ProtocolFault,
    RemoteProtocolError,
    Role,
    SocketType,
)
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.frames import COMMAND, encode_frame
from trio_mq.zmtp.sealed import MAX_COUNT, SealedTraffic
from trio_mq.zmtp.z85 import z85_decode

#: Points of small order: whatever the secret key, what is agreed with them is known (RFC 7748).
NOBODYS = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def flipped(data: bytes, at: int) -> bytes:
    """Return the data with one bit of one byte changed."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def fault_of(call: Callable[[], object]) -> ProtocolFault:
    """Return what the peer is blamed for."""
    with pytest.raises(RemoteProtocolError) as caught:
        call()
    return caught.value.fault


# -- HELLO -----------------------------------------------------------------------------------------


def with_count(count: int) -> bytes:
    """Return a HELLO whose box is good, with this count."""
    number = count.to_bytes(8, "big")
    box = bindings.crypto_box(
        bytes(64),
        b"CurveZMQHELLO---" + number,
        z85_decode(SERVER_KEYS.public),
        known("Cp"),
    )
    return CurveHandshake().hello[:106] + number + box


BAD_HELLOS: dict[str, Callable[[bytes], bytes]] = {
    "one byte short": lambda hello: hello[:-1],
    "one byte long": lambda hello: hello + b"\0",
    "version 2.0": lambda hello: b"\2\0" + hello[2:],
    "version 1.1": lambda hello: b"\1\1" + hello[2:],
    "padding": lambda hello: flipped(hello, 40),
    "the last byte of padding": lambda hello: flipped(hello, 73),
    "count 0": lambda _: with_count(0),
    "count 2^64 - 1": lambda _: with_count(2**64 - 1),
    "a box that is not empty": lambda hello: (
        hello[:114]
        + bindings.crypto_box(
            b"\1" + bytes(63),
            b"CurveZMQHELLO---" + hello[106:114],
            z85_decode(SERVER_KEYS.public),
            known("Cp"),
        )
    ),
}
BAD_HELLOS |= {
    f"nobody's key {at}": lambda hello, key=key: hello[:74] + key + hello[106:]  # type: ignore[misc]
    for at, key in enumerate(NOBODYS)
}
BAD_HELLOS |= {
    f"byte {at}": lambda hello, at=at: flipped(hello, at)  # type: ignore[misc]
    for at in range(74, 194)
}


@pytest.mark.parametrize("change", BAD_HELLOS.values(), ids=BAD_HELLOS)
def test_b51_a_bad_hello_gets_no_welcome(change: Callable[[bytes], bytes]) -> None:
    """Whatever is wrong with it."""
    handshake = CurveHandshake()
    fault = fault_of(lambda: handshake.server.read(Command.HELLO, change(handshake.hello)))
    assert fault in {
        ProtocolFault.MALFORMED_COMMAND,
        ProtocolFault.CRYPTOGRAPHIC,
        ProtocolFault.SEQUENCE,
    }


def test_a_hello_may_begin_at_any_count_and_initiate_follows_it() -> None:
    """RFC 26 leaves the first number to the client."""
    handshake = CurveHandshake()
    handshake.hello = with_count(41)
    handshake.client.sent._next = 42
    handshake.finish()
    assert handshake.server.metadata == b""


# -- INITIATE --------------------------------------------------------------------------------------


def initiate_with(
    handshake: CurveHandshake,
    *,
    client_key: bytes = b"",
    vouched_key: bytes = b"",
    vouched_server: bytes = b"",
    secret: bytes = b"",
    count: int = 2,
) -> bytes:
    """Return an INITIATE made by hand, sealed as it should be, with something else in it."""
    initiate = handshake.initiate()
    server_transient = bindings.crypto_scalarmult_base(known("Sp"))
    random = bytes(16)
    vouch = bindings.crypto_box(
        (vouched_key or bindings.crypto_scalarmult_base(known("Cp")))
        + (vouched_server or z85_decode(SERVER_KEYS.public)),
        b"VOUCH---" + random,
        server_transient,
        secret or known("C"),
    )
    number = count.to_bytes(8, "big")
    box = bindings.crypto_box(
        (client_key or z85_decode(CLIENT_KEYS.public)) + random + vouch,
        b"CurveZMQINITIATE" + number,
        server_transient,
        known("Cp"),
    )
    return initiate[:96] + number + box


BAD_INITIATES: dict[str, Callable[[CurveHandshake], bytes]] = {
    "a byte too short": lambda h: h.initiate()[:247],
    "a cookie of another connection": lambda h: bytes(96) + h.initiate()[96:],
    "a vouch for another connection": lambda h: initiate_with(h, vouched_key=b"k" * 32),
    "a vouch for another server": lambda h: initiate_with(h, vouched_server=b"s" * 32),
    "a vouch of somebody else": lambda h: initiate_with(h, secret=b"c" * 32),
    "a key that the vouch is not of": lambda h: initiate_with(h, client_key=b"c" * 32),
    "nobody's key": lambda h: initiate_with(h, client_key=NOBODYS[2]),
    "a count that is the same": lambda h: initiate_with(h, count=1),
    "a count with a gap": lambda h: initiate_with(h, count=3),
}
BAD_INITIATES |= {
    f"byte {at}": lambda h, at=at: flipped(h.initiate(), at)  # type: ignore[misc]
    for at in (0, 15, 16, 95, 96, 103, 104, 120, 200, 247)
}


@pytest.mark.parametrize("make", BAD_INITIATES.values(), ids=BAD_INITIATES)
def test_b52_a_bad_initiate_ends_it_before_anybody_is_asked(
    make: Callable[[CurveHandshake], bytes],
) -> None:
    """Nothing of it is kept."""
    handshake = CurveHandshake()
    data = make(handshake)
    fault_of(lambda: handshake.server.read(Command.INITIATE, data))
    assert handshake.server.credentials == ()
    assert handshake.server.metadata == b""


def test_an_initiate_made_by_hand_is_taken_if_nothing_is_wrong() -> None:
    """So that the cases above fail for what they change."""
    handshake = CurveHandshake()
    data = initiate_with(handshake)
    handshake.server.read(Command.INITIATE, data)
    assert handshake.server.credentials == (z85_decode(CLIENT_KEYS.public),)


def test_b52_a_recorded_session_is_worth_nothing() -> None:
    """The server draws another key for each connection."""
    recorded = CurveHandshake()
    initiate = recorded.initiate()
    server = auth.CurveServer(SERVER_KEYS).start(Role.ACCEPTING, b"", Limits())
    server.read(Command.HELLO, recorded.hello)
    server.write(Command.WELCOME)
    fault = fault_of(lambda: server.read(Command.INITIATE, initiate))
    assert fault is ProtocolFault.CRYPTOGRAPHIC


# -- WELCOME and READY -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda welcome: welcome[:-1],
        lambda welcome: welcome + b"\0",
        lambda welcome: flipped(welcome, 0),
        lambda welcome: flipped(welcome, 16),
        lambda welcome: flipped(welcome, 159),
    ],
    ids=["short", "long", "nonce", "tag", "last byte"],
)
def test_b53_a_bad_welcome_ends_it(change: Callable[[bytes], bytes]) -> None:
    """No INITIATE shows our key to whoever that is."""
    handshake = CurveHandshake()
    data = change(handshake.welcome())
    fault_of(lambda: handshake.client.read(Command.WELCOME, data))


@pytest.mark.parametrize("key", NOBODYS, ids=range(7))
def test_b53_a_welcome_with_a_key_that_nobody_owns_ends_it(key: bytes) -> None:
    """A client of libzmq aborts its process here."""
    handshake = CurveHandshake()
    box = bindings.crypto_box(
        key + bytes(96),
        b"WELCOME-" + bytes(16),
        bindings.crypto_scalarmult_base(known("Cp")),
        known("S"),
    )
    fault = fault_of(lambda: handshake.client.read(Command.WELCOME, bytes(16) + box))
    assert fault is ProtocolFault.CRYPTOGRAPHIC


def test_b53_a_server_with_another_key_can_make_no_welcome() -> None:
    """It can't open HELLO, and whatever it makes does not open here."""
    handshake = CurveHandshake()
    box = bindings.crypto_box(
        bytes(128),
        b"WELCOME-" + bytes(16),
        bindings.crypto_scalarmult_base(known("Cp")),
        b"s" * 32,
    )
    fault = fault_of(lambda: handshake.client.read(Command.WELCOME, bytes(16) + box))
    assert fault is ProtocolFault.CRYPTOGRAPHIC


def test_b53_a_second_welcome_has_no_place() -> None:
    """It would change the keys."""
    pair = pair_of(curve_client(), curve_server())
    welcome = encode_frame(COMMAND, b"\7WELCOME" + bytes(160))
    pair.exchange()
    pair.connecting.receive_data(welcome)
    fault = fault_of(pair.connecting.next_event)
    assert fault is ProtocolFault.UNEXPECTED_COMMAND


@pytest.mark.parametrize("at", [0, 7, 8, 23])
def test_b54_a_changed_ready_ends_it(at: int) -> None:
    """In its count or in its box."""
    handshake = CurveHandshake()
    data = flipped(handshake.ready(), at)
    fault = fault_of(lambda: handshake.client.read(Command.READY, data))
    assert fault is ProtocolFault.CRYPTOGRAPHIC


def test_b54_a_short_ready_ends_it() -> None:
    """There is no room for a box."""
    handshake = CurveHandshake()
    data = handshake.ready()[:23]
    fault = fault_of(lambda: handshake.client.read(Command.READY, data))
    assert fault is ProtocolFault.MALFORMED_COMMAND


@pytest.mark.parametrize("count", [0, 7])
def test_b54_a_ready_may_begin_at_any_count_and_the_messages_follow_it(count: int) -> None:
    """As a HELLO."""
    handshake = CurveHandshake()
    handshake.ready()
    # The server's READY was number 1: make it again with another.
    handshake.server.sent._next = count
    handshake.client.read(Command.READY, handshake.server.write(Command.READY))
    assert handshake.client.open(handshake.server.seal(0, b"next")) == (0, b"next")
    handshake.server.sent._next = count + 6
    sealed = handshake.server.seal(0, b"late")
    assert fault_of(lambda: handshake.client.open(sealed)) is ProtocolFault.SEQUENCE


# -- MESSAGE ---------------------------------------------------------------------------------------


def ends(**options: object) -> list[tuple[SealedTraffic, SealedTraffic]]:
    """Return sender and receiver of each direction."""
    handshake = CurveHandshake(**options).finish()  # type: ignore[arg-type]
    return [(handshake.client, handshake.server), (handshake.server, handshake.client)]


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("step", [-1, 0, 2, 1000])
def test_b55_a_count_that_does_not_follow_ends_it(direction: int, step: int) -> None:
    """Doubled, moved or missing: TCP does none of that."""
    sender, receiver = ends()[direction]
    receiver.open(sender.seal(0, b"first"))
    sender.sent._next = (sender.sent._next or 1) + step - 1
    sealed = sender.seal(0, b"second")
    assert fault_of(lambda: receiver.open(sealed)) is ProtocolFault.SEQUENCE


@pytest.mark.parametrize("count", [0, 2**64 - 1, int.from_bytes((4).to_bytes(8, "little"), "big")])
def test_b55_a_count_from_somewhere_else_ends_it(count: int) -> None:
    """Also one in little-endian, as libzmq 4.0 wrote them."""
    sender, receiver = ends()[0]
    sealed = sender.seal(0, b"first")
    sealed = sealed[:8] + count.to_bytes(8, "big") + sealed[16:]
    assert fault_of(lambda: receiver.open(sealed)) is ProtocolFault.SEQUENCE


def test_b55_gaps_can_be_allowed_and_repetition_cannot() -> None:
    """For peers that count in their own way."""
    sender, receiver = ends(strict_nonces=False)[0]
    sender.sent._next = 100
    sealed = sender.seal(0, b"late")
    assert receiver.open(sealed) == (0, b"late")
    assert fault_of(lambda: receiver.open(sealed)) is ProtocolFault.SEQUENCE


def test_our_own_count_never_begins_again() -> None:
    """At its end the connection ends."""
    sender, _ = ends()[0]
    sender.sent._next = MAX_COUNT - 1
    sender.seal(0, b"the last one")
    assert fault_of(lambda: sender.seal(0, b"one more")) is ProtocolFault.SEQUENCE


BAD_MESSAGES: dict[str, Callable[[bytes], bytes]] = {
    "32 bytes": lambda _: b"\7MESSAGE" + bytes(24),
    "another name": lambda sealed: b"\7MESSAGF" + sealed[8:],
    "in the clear": lambda _: b"hello",
    "nothing": lambda _: b"",
}
BAD_MESSAGES |= {
    f"byte {at}": lambda sealed, at=at: flipped(sealed, at)  # type: ignore[misc]
    for at in range(38)
}


@pytest.mark.parametrize("change", BAD_MESSAGES.values(), ids=BAD_MESSAGES)
def test_b56_what_is_not_sealed_by_the_peer_ends_it(change: Callable[[bytes], bytes]) -> None:
    """Nothing of it is delivered, and no ERROR goes out."""
    pair = establish(pair_of(curve_client(), curve_server()))
    wire = b"".join(pair.connecting.encode([(b"hello",)]))
    pair.accepting.receive_data(encode_frame(0, change(wire[2:])))
    fault_of(pair.accepting.next_event)
    assert pair.accepting.data_to_send() == b""


@pytest.mark.parametrize("outer", [1, 4, 5])
def test_b57_the_flags_outside_say_nothing(outer: int) -> None:
    """Nobody on the way can glue messages, or have them dropped."""
    pair = establish(pair_of(curve_client(), curve_server()))
    first, second = (pair.connecting.encode([(word,)])[0] for word in (b"one", b"two"))
    pair.accepting.receive_data(bytes((outer,)) + first[1:] + second)
    assert messages_of(events_of(pair.accepting)) == [(b"one",), (b"two",)]


@pytest.mark.parametrize("flags", [3, 4, 0xFC, 0xFF])
def test_b58_unknown_flags_inside_end_it(flags: int) -> None:
    """Only MORE and COMMAND exist, and never both."""
    handshake = CurveHandshake().finish()
    count = handshake.client.sent.next()
    box = bindings.crypto_box_afternm(
        bytes((flags,)) + b"\3FOO", b"CurveZMQMESSAGEC" + count, handshake.client.key
    )
    sealed = b"\7MESSAGE" + count + box
    assert fault_of(lambda: handshake.server.open(sealed)) is ProtocolFault.RESERVED_FLAGS


def test_b58_a_malformed_command_inside_ends_it() -> None:
    """As one in the clear does."""
    pair = establish(pair_of(curve_client(), curve_server()))
    sealed = pair.connecting._mechanism.seal(2, b"\3FO")
    pair.accepting.receive_data(encode_frame(0, sealed))
    assert fault_of(pair.accepting.next_event) is ProtocolFault.MALFORMED_COMMAND


# -- the whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("server_connects", [False, True])
def test_either_role_may_be_the_one_that_connects(*, server_connects: bool) -> None:
    """Messages and commands pass sealed, both ways."""
    pair = pair_of(
        curve_client(),
        curve_server(),
        SocketType.PAIR,
        SocketType.PAIR,
        server_connects=server_connects,
    )
    establish(pair, "somebody")
    for sender, receiver in (
        (pair.connecting, pair.accepting),
        (pair.accepting, pair.connecting),
    ):
        assert not sender.clear
        wire = b"".join(sender.encode([(b"one", b"", b"t" * 300)])) + sender.ping(1, b"x")
        assert b"one" not in wire
        receiver.receive_data(wire)
        told = events_of(receiver)
        assert messages_of(told) == [(b"one", b"", b"t" * 300)]
        assert told[-1] == Ping(1, b"x")


def test_metadata_that_will_not_do_ends_it_before_anybody_is_asked() -> None:
    """A Push has no business with a Push."""
    pair = pair_of(curve_client(), curve_server(), SocketType.PUSH, SocketType.PUSH)
    with pytest.raises(Exception, match="PUSH"):
        pair.exchange()


def test_the_limit_on_frames_is_about_what_they_carry() -> None:
    """The seal's 33 bytes come on top."""
    sender = Connection(SocketType.PUSH, Role.CONNECTING, mechanism=curve_client())
    receiver = Connection(
        SocketType.PULL, Role.ACCEPTING, mechanism=curve_server(), max_frame_size=1000
    )
    pair = pair_of(curve_client(), curve_server())
    pair.connecting, pair.accepting = sender, receiver
    establish(pair)
    fits, larger = (sender.encode([(b"x" * size,)])[0] for size in (1000, 1001))
    receiver.receive_data(fits)
    assert messages_of(events_of(receiver)) == [(b"x" * 1000,)]
    receiver.receive_data(larger)
    assert fault_of(receiver.next_event) is ProtocolFault.FRAME_TOO_LARGE


def test_keys_are_dropped_when_they_have_served() -> None:
    """What is left seals this connection and no other."""
    handshake = CurveHandshake().finish()
    for end in (handshake.client, handshake.server):
        kept = [value for value in vars(end).values() if isinstance(value, bytes)]
        for name in ("S", "C", "Sp", "Cp"):
            assert known(name) not in kept


def test_no_key_is_to_be_seen() -> None:
    """In a repr of what holds them."""
    handshake = CurveHandshake().finish()
    for thing in (handshake.client, handshake.server, curve_client(), curve_server(), SERVER_KEYS):
        for name in ("S", "C"):
            keys = auth.CurveKeys(secret=known(name))
            assert keys.secret not in repr(thing)
            assert repr(known(name))[2:-1] not in repr(thing)


def test_no_error_keeps_a_key_alive_in_its_traceback() -> None:
    """What PyNaCl raises is gone, and its frames with it."""
    handshake = CurveHandshake()
    with pytest.raises(RemoteProtocolError) as caught:
        handshake.server.read(Command.HELLO, flipped(handshake.hello, 190))
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_question_names_the_mechanism() -> None:
    """And shows no key in its repr but the name of its fields."""
    pair = pair_of(curve_client(), curve_server())
    (asked,) = pair.exchange()
    assert isinstance(asked, CredentialsReceived)
    assert asked.mechanism == "CURVE"
    assert "credentials" not in repr(asked)


def test_metadata_travels_sealed() -> None:
    """And arrives."""
    handshake = CurveHandshake(metadata=prop(b"X-city", b"Kyiv")).finish()
    assert handshake.client.metadata == handshake.server.metadata == prop(b"X-city", b"Kyiv")
    assert b"Kyiv" not in CurveHandshake(metadata=prop(b"X-city", b"Kyiv")).initiate()
