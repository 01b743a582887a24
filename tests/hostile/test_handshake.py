"""READY and what may come in its place."""

from __future__ import annotations

import attrs
import pytest

from tests.hostile.arena import PLACES, MakeSocket, Place, arena, play
from tests.hostile.wire import (
    GREETING,
    command,
    hello,
    message,
    ping,
    prop,
    ready,
)
from tests.interop.pairs import COUNTERPARTS
from trio_mq import Disconnected, HandshakeFailed, Limits, Pull, Router, SocketType, open_socket


@attrs.frozen
class Bad:
    """What comes instead of a good READY, how it ends, and whether we answer with an ERROR."""

    name: str
    said: bytes
    reason: str
    told: bool = False


TYPE = prop(b"Socket-Type", b"PUSH")
READY = command(b"READY", TYPE)


def invalid(name: str, data: bytes) -> Bad:
    """Return a case of metadata that is wrong."""
    return Bad(name, command(b"READY", data), "invalid-metadata", told=True)


BAD = [
    Bad("B30 a message", b"\0\5hello", "unexpected-message"),
    Bad("B31 READY as a message", b"\0" + READY[1:], "unexpected-message"),
    invalid("B32 no Socket-Type", b""),
    invalid("B32 only an Identity", prop(b"Identity", b"me")),
    invalid("B35 Socket-Type twice", TYPE + TYPE),
    invalid("B35 Socket-Type in two spellings", TYPE + prop(b"SOCKET-TYPE", b"PUSH")),
    invalid("B35 Identity twice", TYPE + prop(b"Identity", b"a") + prop(b"Identity", b"a")),
    invalid("B35 identity and Identity", TYPE + prop(b"identity", b"") + prop(b"Identity", b"")),
    invalid("B36 value of 2^32 - 1", b"\x0bSocket-Type\xff\xff\xff\xffPUSH"),
    invalid("B36 value of 2^31", b"\x0bSocket-Type\x80\0\0\0PUSH"),
    invalid("B36 value one too long", b"\x0bSocket-Type\0\0\0\5PUSH"),
    invalid("B37 a zero after it", TYPE + b"\0"),
    invalid("B37 half a name after it", TYPE + b"\5A"),
    invalid("B38 empty name", TYPE + b"\0\0\0\0\1a"),
    invalid("B38 name over the end", TYPE + b"\xffabc"),
    invalid("B38 zero in a name", TYPE + prop(b"X-\0", b"")),
    invalid("B38 ff in a name", TYPE + prop(b"X-\xff", b"")),
    invalid("B38 space in a name", TYPE + prop(b"X- ", b"")),
    invalid("B38 equals in a name", TYPE + prop(b"X-=", b"")),
    Bad("B39 in three frames", b"\5\2\5R\5\2EA\4\2DY", "reserved-flags"),
    Bad("B40 one byte too long", bytes.fromhex("060000000000004001"), "frame-too-large"),
    Bad("B40 2^64 - 1", b"\6" + b"\xff" * 8, "frame-too-large"),
    invalid("B41 65 properties", TYPE + b"".join(prop(b"X-%d" % n, b"") for n in range(64))),
    invalid("B41 value of 4097 bytes", TYPE + prop(b"X-a", bytes(4097))),
    invalid(
        "B41 more than 8 KiB", TYPE + b"".join(prop(b"X-%d" % n, bytes(3000)) for n in (1, 2, 3))
    ),
    invalid("B42 Identity of 256 bytes", TYPE + prop(b"Identity", b"i" * 256)),
    invalid("B42 Identity with a zero", TYPE + prop(b"Identity", b"\0abc")),
    Bad("B44 status 400", command(b"ERROR", b"\003400"), "authentication"),
    Bad("B44 no reason", command(b"ERROR", b"\0"), "peer-error"),
    Bad("B44 no length", command(b"ERROR"), "peer-error"),
    Bad("B44 reason over the end", command(b"ERROR", b"\xffabc"), "malformed-command"),
    Bad("B44 escapes", command(b"ERROR", b"\xff" + b"\x1b" * 255), "peer-error"),
    Bad("B45 SUBSCRIBE", command(b"SUBSCRIBE", b"A"), "unexpected-command"),
    Bad("B45 SUBSCRIBE as a message", b"\0\2\1A", "unexpected-message"),
    Bad("B45 PING", ping(), "unexpected-command"),
    Bad("HELLO", command(b"HELLO"), "unexpected-command"),
    Bad("empty command", b"\4\0", "malformed-command"),
    Bad("an unknown command", command(b"FOO"), "unexpected-command"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_a_wrong_introduction_ends_the_handshake(case: Bad, place: Place) -> None:
    """With an ERROR where that helps the peer's owner, and never with a READY when we accept."""
    outcome = await play(Pull(linger=0), place, GREETING + case.said)
    assert isinstance(outcome.end, HandshakeFailed)
    assert (outcome.reason, outcome.delivered) == (case.reason, [])
    answer = b"" if place == "connecting" else ready(b"PULL")
    error = command(b"ERROR", b"\x10invalid metadata") if case.told else b""
    assert outcome.said == GREETING + answer + error


@pytest.mark.parametrize("place", PLACES)
async def test_b44_a_reason_is_shown_as_text(place: Place) -> None:
    """No control sequence of a peer reaches a terminal."""
    outcome = await play(Pull(linger=0), place, GREETING + command(b"ERROR", b"\4\x1b[2J"))
    assert str(outcome.end.error).isprintable()
    assert r"\x1b[2J" in str(outcome.end.error)


GOOD = {
    "B34 lower case": prop(b"socket-type", b"PUSH") + prop(b"identity", b"me"),
    "B34 upper case": prop(b"SOCKET-TYPE", b"PUSH"),
    "B34 the type comes last": prop(b"X-a", b"b") + TYPE,
    "B41 64 properties": TYPE + b"".join(prop(b"X-%d" % n, b"") for n in range(63)),
    "B41 value of 4096 bytes": TYPE + prop(b"X-a", bytes(4096)),
    "B42 255 bytes": TYPE + prop(b"Identity", b"i" * 255),
    "B42 empty": TYPE + prop(b"Identity", b""),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", GOOD)
async def test_unusual_metadata_is_good_metadata(case: str, place: Place) -> None:
    """Up to its limits."""
    said = GREETING + command(b"READY", GOOD[case]) + message(b"hello")
    outcome = await play(Pull(linger=0), place, said, leave=True)
    assert (outcome.reason, outcome.delivered) == ("eof", [(b"hello",)])


AFTERWARDS = [
    Bad("B43 READY", READY, "unexpected-command"),
    Bad("B43 HELLO", command(b"HELLO"), "unexpected-command"),
    Bad("B43 WELCOME", command(b"WELCOME"), "unexpected-command"),
    Bad("B43 INITIATE", command(b"INITIATE"), "unexpected-command"),
    Bad("B43 ERROR", command(b"ERROR", b"\003400"), "peer-error"),
    Bad("B43 ERROR, malformed", command(b"ERROR", b"\xff4"), "malformed-command"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", AFTERWARDS, ids=lambda case: case.name)
async def test_the_handshake_is_not_repeated(case: Bad, place: Place) -> None:
    """Its commands have no place after it."""
    outcome = await play(Pull(linger=0), place, GREETING + READY + case.said)
    assert isinstance(outcome.end, Disconnected)
    assert outcome.reason == case.reason


@pytest.mark.parametrize("place", PLACES)
async def test_b42_a_routing_id_is_what_the_peer_calls_itself(place: Place) -> None:
    """Of the longest kind too."""
    ours = Router(linger=0)
    name = b"\xff" * 255
    said = hello(b"DEALER", prop(b"Identity", name)) + message(b"hello")
    assert (await play(ours, place, said, leave=True)).delivered == [(name, b"hello")]


@pytest.mark.parametrize("place", PLACES)
async def test_b46_nobody_is_who_it_says(place: Place) -> None:
    """A claim to be a user, or at an address, is not even shown."""
    ours = Pull(linger=0)
    claims = [prop(b"User-Id", b"admin"), prop(b"Peer-Address", b"10.0.0.1"), prop(b"X-a", b"b")]
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        await bad.say(hello(b"PUSH", *claims) + message(b"hello"))
        _, peer = await ours.receive_from()
        assert (peer.user_id, dict(peer.metadata)) == (None, {"X-a": b"b"})
        assert peer.address.startswith("127.0.0.1:")
        await bad.leave()


async def test_limits_of_the_handshake_can_be_set() -> None:
    """The hardened ones refuse what the usual ones allow."""
    said = GREETING + command(b"READY", TYPE + prop(b"X-a", bytes(1025)))
    ours = Pull(linger=0, limits=Limits.hardened())
    assert (await play(ours, "connecting", said)).reason == "invalid-metadata"


#: What libzmq and the RFCs have besides the types that we have, and what nobody has.
STRANGE_TYPES = [
    b"CLIENT", b"SERVER", b"RADIO", b"DISH", b"SCATTER", b"GATHER", b"PEER", b"CHANNEL",
    b"STREAM", b"", b"req", b"REQ\0", b" REQ", b"X" * 1024,
]  # fmt: skip
TYPES = [*(known.value.encode() for known in SocketType), *STRANGE_TYPES]


def _socket(name: str) -> MakeSocket:
    return lambda: open_socket(name, linger=0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("theirs", TYPES, ids=lambda name: name[:8].decode("latin-1") or "none")
@pytest.mark.parametrize("ours", COUNTERPARTS)
async def test_b33_only_legal_pairs_meet(ours: str, theirs: bytes, place: Place) -> None:
    """All others are told why, and the event names both types."""
    legal = theirs.decode() in COUNTERPARTS[ours].split()
    outcome = await play(_socket(ours)(), place, hello(theirs), leave=True)
    if legal:
        assert isinstance(outcome.end, Disconnected)
    else:
        assert (type(outcome.end), outcome.reason) == (HandshakeFailed, "incompatible-peer")
        assert b"invalid socket type: %b cannot talk to " % ours.encode() in outcome.said
        assert ours in str(outcome.end.error)
        assert theirs.decode()[:16].strip("\0 ") in str(outcome.end.error)
