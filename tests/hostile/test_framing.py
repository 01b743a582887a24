"""Frames that no peer should send, after a handshake that any peer could have made."""

from __future__ import annotations

import struct
import tracemalloc

import attrs
import pytest
import trio

from tests.hostile.arena import PATIENCE, PLACES, Place, arena, play
from tests.hostile.wire import command, frame, hello, message
from trio_mq import Disconnected, Pull

PUSH = hello(b"PUSH")


@attrs.frozen
class Bad:
    """Bytes after the handshake that end the connection."""

    name: str
    said: bytes
    reason: str


BAD = [
    Bad("B17 2^63", bytes.fromhex("028000000000000000"), "frame-too-large"),
    Bad("B17 2^63 - 1", bytes.fromhex("027fffffffffffffff"), "frame-too-large"),
    Bad("B17 2^62", bytes.fromhex("024000000000000000"), "frame-too-large"),
    Bad("B17 2^48", bytes.fromhex("020001000000000000"), "frame-too-large"),
    Bad("B18 2^64 - 1", b"\2" + b"\xff" * 8, "frame-too-large"),
    Bad("B22 reserved bit 3", b"\x08\0", "reserved-flags"),
    Bad("B22 all reserved bits", b"\xf8\3abc", "reserved-flags"),
    Bad("B22 reserved bit 7", b"\x80\0", "reserved-flags"),
    Bad("B23 command with more", b"\5\4\3FOO", "reserved-flags"),
    Bad("B23 long command with more", b"\7" + bytes(7) + b"\4\3FOO", "reserved-flags"),
    Bad("B24 empty command", b"\4\0", "malformed-command"),
    Bad("B24 empty name", b"\4\1\0", "malformed-command"),
    Bad("B24 name over the end", b"\4\3PAB", "malformed-command"),
    Bad("B24 empty long command", b"\6" + bytes(8), "malformed-command"),
    Bad("a name that is none", b"\4\3\2A\xff", "malformed-command"),
    Bad("command of 1 GiB", b"\6" + struct.pack(">Q", 2**30), "frame-too-large"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_a_wrong_frame_ends_the_connection(case: Bad, place: Place) -> None:
    """By its header, before anything is kept for it; what came before it is delivered."""
    outcome = await play(Pull(linger=0), place, PUSH + message(b"good") + case.said)
    assert isinstance(outcome.end, Disconnected)
    assert (outcome.reason, outcome.delivered) == (case.reason, [(b"good",)])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("limit", [1, 255, 256, 65536])
async def test_b19_a_frame_may_be_as_large_as_the_limit(limit: int, place: Place) -> None:
    """And not a byte larger."""
    said = PUSH + message(bytes(limit)) + message(bytes(limit + 1))
    outcome = await play(Pull(linger=0, max_frame_size=limit), place, said)
    assert (outcome.reason, outcome.delivered) == ("frame-too-large", [(bytes(limit),)])


@pytest.mark.parametrize("place", PLACES)
async def test_b20_a_promise_of_bytes_costs_nothing(place: Place) -> None:
    """Without any limit a frame of 16 GiB may begin, and takes as much memory as came of it."""
    ours = Pull(linger=0, max_frame_size=None, max_message_size=None)
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        await bad.say(PUSH + message(b"good") + b"\2" + struct.pack(">Q", 2**34) + b"x")
        tracemalloc.start()
        for _ in range(20):
            await bad.say(b"x")
            await trio.testing.wait_all_tasks_blocked()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20
        assert len(ours.peers) == 2
        assert await ours.receive() == (b"good",)
        await bad.leave()


@pytest.mark.parametrize("place", PLACES)
async def test_b21_a_short_frame_may_have_the_long_form(place: Place) -> None:
    """Also the shortest."""
    outcome = await play(Pull(linger=0), place, PUSH + frame(2, b"abc") + frame(2, b""), leave=True)
    assert (outcome.reason, outcome.delivered) == ("eof", [(b"abc",), (b"",)])


ENDLESS = [
    Bad("empty frames", frame(1, b"") * 1000, "too-many-frames"),
    Bad("full frames", frame(1, bytes(255)) * 1000, "message-too-large"),
    Bad("long frames", frame(3, bytes(2000)) * 100, "message-too-large"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", ENDLESS, ids=lambda case: case.name)
async def test_b25_a_message_without_end_comes_to_one(case: Bad, place: Place) -> None:
    """At its limit of frames, or of bytes; nothing of it is delivered."""
    ours = Pull(linger=0, max_frames=100, max_message_size=10_000)
    outcome = await play(ours, place, PUSH + case.said)
    assert (outcome.reason, outcome.delivered) == (case.reason, [])


@pytest.mark.parametrize("place", PLACES)
async def test_b26_a_flood_is_held_back_and_not_lost(place: Place) -> None:
    """No more is kept than the high-water mark allows, and all of it is received."""
    count, hwm = 100_000, 50
    ours = Pull(linger=0, receive_hwm=hwm)
    async with arena(ours, place) as stage, stage.bad_peer() as bad, trio.open_nursery() as nursery:
        nursery.start_soon(bad.say, PUSH + message(b"") * count)
        with trio.fail_after(PATIENCE * 3):
            for _ in range(count // hwm):
                batch = [await ours.receive() for _ in range(hwm)]
                assert batch == [(b"",)] * hwm
                assert ours.statistics().waiting_to_receive <= hwm
        await bad.leave()


@pytest.mark.parametrize("place", PLACES)
async def test_b27_half_a_frame_may_take_its_time(place: Place) -> None:
    """Silence is no fault without heartbeats: the rest is welcome whenever it comes."""
    ours = Pull(linger=0)
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        await bad.say(PUSH + message(b"first") + b"\0\5ab")
        assert await ours.receive() == (b"first",)
        await trio.testing.wait_all_tasks_blocked()
        await bad.say(b"cde")
        assert await ours.receive() == (b"abcde",)
        await bad.leave()


@pytest.mark.parametrize("place", PLACES)
async def test_b27_heartbeats_end_half_a_frame(place: Place) -> None:
    """Who does not answer to a PING is gone, wherever it stopped."""
    ours = Pull(linger=0, heartbeat_interval=0.1)
    outcome = await play(ours, place, PUSH + b"\0\5ab")
    assert isinstance(outcome.end, Disconnected)
    assert command(b"PING")[2:] in outcome.said
    assert not outcome.delivered


WHOLE = message(b"whole")
ENDS = {
    "in the flags of nothing": b"",
    "in the size": b"\0",
    "in a long size": b"\2\0\0\0",
    "in the body": b"\0\5ab",
    "in a large body": b"\2" + struct.pack(">Q", 2**20) + bytes(70_000),
    "in a multipart": frame(1, b"part"),
    "in a command": b"\4\5\4PI",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", ENDS)
async def test_b29_what_was_whole_before_the_end_is_delivered(case: str, place: Place) -> None:
    """And what was not is dropped."""
    outcome = await play(Pull(linger=0), place, PUSH + WHOLE + ENDS[case], leave=True)
    assert (outcome.reason, outcome.delivered) == ("eof", [(b"whole",)])
