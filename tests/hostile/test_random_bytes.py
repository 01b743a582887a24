"""Bytes that nobody thought of: blind ones, and ones with the structure of the protocol.

The protocol alone is fed far more of them in ``tests/zmtp``; here they come to whole sockets of
every kind, one bad peer after the other. The seeds are fixed, so a failure comes again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.hostile.arena import PLACES, Place, arena
from tests.hostile.good_peers import unread
from tests.hostile.wire import GREETING, command, frame, hello, message, ping, prop, ready
from trio_mq import Disconnected, HandshakeFailed, Limits, ProtocolFault, Pull, open_socket

FAULTS = {fault.value for fault in ProtocolFault}
#: What may come of anything that a peer says before it leaves.
ENDS = FAULTS | {"eof", "reset", "mechanism", "incompatible-peer", "authentication"}
#: Who each socket type expects.
PEERS = {
    "PULL": b"PUSH",
    "PUSH": b"PULL",
    "XPUB": b"XSUB",
    "PUB": b"SUB",
    "XSUB": b"XPUB",
    "SUB": b"PUB",
    "ROUTER": b"DEALER",
    "DEALER": b"ROUTER",
    "REP": b"REQ",
    "REQ": b"REP",
}
SEEDS = 100


@pytest.mark.parametrize("place", PLACES)
async def test_b06_random_greetings_end_the_handshake(place: Place) -> None:
    """All of them, those that begin as ours does too."""
    rng = random.Random(6)
    async with arena(Pull(linger=0), place) as stage:
        for _ in range(100):
            known = rng.choice((0, 0, 1, 9, 10, 11, 12))
            async with stage.bad_peer() as bad:
                await bad.say(GREETING[:known] + rng.randbytes(64 - known))
                await bad.end()
                await bad.hear_all()
                end = await stage.end()
                assert isinstance(end, HandshakeFailed)
                assert end.reason in {"not-zmtp", "version", "mechanism"}


def _body(rng: random.Random) -> bytes:
    size = rng.choice((0, 0, 1, 2, 7, 9, 11, 255, 256, 257, 5000))
    return rng.choice((b"\0", b"\1", b"")) + rng.randbytes(size)


NAMES = (b"PING", b"PONG", b"SUBSCRIBE", b"CANCEL", b"JOIN", b"ERROR", b"READY", b"X")
#: What may follow a handshake, right or wrong.
PIECES: tuple[Callable[[random.Random], bytes], ...] = (
    lambda rng: message(_body(rng)),
    lambda rng: message(b"", _body(rng)),
    lambda rng: message(*(_body(rng) for _ in range(rng.randrange(1, 5)))),
    lambda rng: command(rng.choice(NAMES), _body(rng)[:200]),
    lambda rng: ping(rng.randrange(2**16), _body(rng)[:18]),
    lambda rng: command(rng.choice((b"SUBSCRIBE", b"CANCEL")), b"abc"[: rng.randrange(4)]),
    lambda rng: frame(rng.choice((0, 1, 2, 3, 4, 6)), _body(rng)[:255]),
    lambda rng: frame(rng.randrange(256) & ~2, _body(rng)[:255]),
    lambda rng: rng.randbytes(rng.randrange(20)),
)


def _damaged(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes with a few of them changed, left out or doubled."""
    out = bytearray(data)
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        at = rng.randrange(len(out))
        match rng.randrange(3):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.randrange(1, 9)]
                out += b"\0"
            case _:
                out[at:at] = out[at : at + rng.randrange(1, 300)]
    return bytes(out)


def _script(rng: random.Random, theirs: bytes) -> bytes:
    """Return all that a bad peer says."""
    follows = b"".join(rng.choice(PIECES)(rng) for _ in range(rng.randrange(1, 30)))
    if rng.random() < 0.1:
        follows += rng.randbytes(70_000)
    if rng.random() < 0.3:
        odd = [prop(b"Identity", _body(rng)[:260]), prop(_body(rng)[:200], b"")]
        return _damaged(rng, GREETING + ready(theirs, *odd) + follows)
    return hello(theirs) + _damaged(rng, follows)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ours", PEERS)
async def test_b28_whatever_a_peer_says_ends_at_most_its_own_connection(
    ours: str, place: Place
) -> None:
    """With messages, with one of the known reasons, and with nothing else."""
    rng = random.Random(f"{ours} {place}")
    limits = Limits(max_ping_burst=5, max_unknown_commands=3, max_topic_length=300)
    socket = open_socket(ours, linger=0, limits=limits, max_message_size=20_000, max_frames=50)
    async with arena(socket, place) as stage:
        for _ in range(SEEDS):
            async with stage.bad_peer() as bad:
                await bad.say(_script(rng, PEERS[ours]))
                await bad.end()
                await bad.hear_all()
                end = await stage.end()
                assert isinstance(end, (HandshakeFailed, Disconnected))
                assert end.reason in ENDS, f"{end.reason}: {end.error!r}"
            list(unread(socket))


@pytest.mark.parametrize("place", PLACES)
async def test_b28_a_megabyte_of_chance_after_a_handshake(place: Place) -> None:
    """It is not read to its end."""
    rng = random.Random(28)
    async with arena(Pull(linger=0), place) as stage:
        for _ in range(10):
            async with stage.bad_peer() as bad:
                await bad.say(hello(b"PUSH") + rng.randbytes(2**20))
                await bad.hear_all()
                assert (await stage.end()).reason in FAULTS
            list(unread(stage.ours))
