"""What a stranger may say first: silence, half a greeting, another protocol, another version."""

from __future__ import annotations

import attrs
import pytest
import trio

from tests.hostile.arena import PLACES, BadPeer, Place, arena, play
from tests.hostile.wire import GREETING, SIGNATURE, greeting, hello, message, ready
from trio_mq import Disconnected, HandshakeFailed, Pull, Push


@attrs.frozen
class Bad:
    """A beginning that ends the connection."""

    name: str
    said: bytes
    reason: str


BAD = [
    Bad("B04 http", b"GET / HTTP/1.0\r\n\r\n", "not-zmtp"),
    Bad("B04 one wrong byte", b"G", "not-zmtp"),
    Bad("B05 tls", bytes.fromhex("160301007b010000770303"), "not-zmtp"),
    Bad("B05 ssh", b"SSH-2.0-OpenSSH_9.6\r\n", "not-zmtp"),
    Bad("B05 socks", b"\5\1\0", "not-zmtp"),
    Bad("B06 zeros", bytes(64), "not-zmtp"),
    Bad("B07 even tenth byte", bytes.fromhex("ff00000000000000057e") + b"abcd", "version"),
    Bad("B08 1.0 with a version", SIGNATURE + b"\0\5\0\0", "version"),
    Bad("B08 2.0", SIGNATURE + b"\1\5\0\0", "version"),
    Bad("B08 2.0, one byte", SIGNATURE + b"\1", "version"),
    Bad("B08 2.1", SIGNATURE + b"\2\0", "version"),
    Bad("B11 null", greeting(mechanism=b"null"), "mechanism"),
    Bad("B11 NULL X", greeting(mechanism=b"NULL\0X"), "mechanism"),
    Bad("B11 NULLX", greeting(mechanism=b"NULLX"), "mechanism"),
    Bad("B11 nothing", greeting(mechanism=bytes(20)), "mechanism"),
    Bad("B11 ones", greeting(mechanism=b"\xff" * 20), "mechanism"),
    Bad("B11 PLAIN", greeting(mechanism=b"PLAIN"), "mechanism"),
    Bad("B11 CURVE", greeting(mechanism=b"CURVE"), "mechanism"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_a_wrong_beginning_ends_the_connection(case: Bad, place: Place) -> None:
    """At its first wrong byte, with a word for what was wrong; ours only to who may read it."""
    outcome = await play(Pull(linger=0), place, case.said)
    assert outcome.reason == case.reason
    if case.reason == "mechanism":
        assert outcome.said[:64] == GREETING
    else:
        assert SIGNATURE.startswith(outcome.said[:10]) and len(outcome.said) <= 11  # noqa: PT018
    assert not outcome.delivered


SILENT = [
    Bad("B01 nothing", b"", "timeout"),
    Bad("B02 one byte", b"\xff", "timeout"),
    Bad("B02 signature", SIGNATURE, "timeout"),
    Bad("B02 all but one byte", GREETING[:63], "timeout"),
    Bad("greeting and no more", GREETING, "timeout"),
    Bad("half a READY", hello(b"PUSH")[:-3], "timeout"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", SILENT, ids=lambda case: case.name)
async def test_a_handshake_has_a_deadline(case: Bad, place: Place) -> None:
    """Who says too little is sent away when it passes."""
    outcome = await play(Pull(linger=0), place, case.said, handshake_timeout=0.1)
    assert outcome.reason == case.reason


@pytest.mark.parametrize("place", PLACES)
async def test_b03_the_deadline_is_not_put_off_by_bytes(place: Place) -> None:
    """A handshake at twenty bytes a deadline does not come to its end."""
    deadline = 0.2

    async def dribble(bad: BadPeer) -> None:
        for byte in hello(b"PUSH"):
            await bad.say(bytes((byte,)))
            await trio.sleep(deadline / 20)  # the pace is the case

    async with arena(Pull(linger=0), place, handshake_timeout=deadline) as stage:
        async with stage.bad_peer() as bad, trio.open_nursery() as nursery:
            nursery.start_soon(dribble, bad)
            await bad.hear_all()
            nursery.cancel_scope.cancel()
        end = await stage.end()
        assert (type(end), end.reason) == (HandshakeFailed, "timeout")


@pytest.mark.parametrize("said", [b"", GREETING, hello(b"PULL")[:-1]], ids=len)
async def test_b01_a_silent_peer_is_given_no_message(said: bytes) -> None:
    """Only who has introduced itself has a turn."""
    async with arena(Push(linger=0), "connecting") as stage, stage.bad_peer() as bad:
        await bad.say(said)
        await bad.hear(64 if len(said) > 10 else 10)
        assert isinstance(stage.before, Pull)
        for number in range(10):
            await stage.ours.send(str(number).encode())
        assert [bytes(await stage.before.receive()) for _ in range(10)] == [
            b"%d" % number for number in range(10)
        ]
        await bad.leave()


ODD_BUT_GOOD = {
    "B09 3.0": greeting(version=b"\3\0"),
    "B10 3.7": greeting(version=b"\3\7"),
    "B10 4.0": greeting(version=b"\4\0"),
    "B10 255.255": greeting(version=b"\xff\xff"),
    "B12 padding": greeting(padding=b"\xaa" * 8),
    "B12 tenth byte 1": greeting(tenth=b"\1"),
    "B12 as-server": greeting(as_server=b"\1"),
    "B12 filler": greeting(filler=b"z" * 31),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", ODD_BUT_GOOD)
async def test_what_a_greeting_leaves_open_is_not_judged(case: str, place: Place) -> None:
    """Such peers get on with us as any other."""
    said = ODD_BUT_GOOD[case] + ready(b"PUSH") + message(b"hello")
    outcome = await play(Pull(linger=0), place, said, leave=True)
    assert isinstance(outcome.end, Disconnected)
    assert (outcome.reason, outcome.delivered) == ("eof", [(b"hello",)])


@pytest.mark.parametrize("place", PLACES)
async def test_b13_rubbish_after_a_greeting_is_not_hoarded(place: Place) -> None:
    """What follows is judged from its first byte on, however much comes at once."""
    rubbish = b"\xf8" * 2**20
    outcome = await play(Pull(linger=0), place, GREETING + rubbish)
    assert outcome.reason == "reserved-flags"


SESSION = hello(b"PUSH") + message(b"a", b"", b"c" * 300) + message(b"")
SAID = [(b"a", b"", b"c" * 300), (b"",)]


@pytest.mark.parametrize("place", PLACES)
async def test_b16_a_session_may_come_in_one_piece(place: Place) -> None:
    """Messages may follow on the heels of the handshake."""
    outcome = await play(Pull(linger=0), place, SESSION, leave=True)
    assert (outcome.reason, outcome.delivered) == ("eof", SAID)


@pytest.mark.parametrize("place", PLACES)
async def test_b16_what_came_with_the_handshake_does_not_wait_for_more(place: Place) -> None:
    """It is received while the peer is there and silent."""
    async with arena(Pull(linger=0), place) as stage, stage.bad_peer() as bad:
        await bad.say(SESSION)
        with trio.fail_after(5):
            assert [await stage.ours.receive() for _ in SAID] == SAID
        await bad.leave()


@pytest.mark.parametrize("place", PLACES)
async def test_b16_a_session_may_come_byte_by_byte(place: Place) -> None:
    """A segment has no meaning."""
    async with arena(Pull(linger=0), place) as stage, stage.bad_peer() as bad:
        bad.stream.setsockopt(6, 1, 1)  # TCP_NODELAY: a segment for each
        for at in range(len(SESSION)):
            await bad.say(SESSION[at : at + 1])
        with trio.fail_after(5):
            assert [await stage.ours.receive() for _ in SAID] == SAID
        await bad.leave()
