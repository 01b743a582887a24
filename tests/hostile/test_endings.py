"""Peers that end: killed, half, reset, and in the middle of anything."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio

from tests.hostile.arena import PATIENCE, PLACES, Place, arena, play
from tests.hostile.good_peers import unread
from tests.hostile.wire import GREETING, SIGNATURE, frame, hello, message
from trio_mq import HandshakeFailed, Pull, Push, Rep

PUSH = hello(b"PUSH")
WHOLE = message(b"whole")

#: A program that says what it is told to, hears what is said to it, and waits to be killed.
VICTIM = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.sendall(bytes.fromhex(sys.argv[2]))
peer.recv(int(sys.argv[3]), socket.MSG_WAITALL)
sys.stdout.write("ready to die")
sys.stdout.flush()
sys.stdin.read()
"""
KILLED = {
    "in a frame": PUSH + WHOLE + b"\0\5ab",
    "in a multipart": PUSH + WHOLE + frame(1, b"part"),
    "in the handshake": PUSH[:80],
    "in the greeting": SIGNATURE[:9],
}


@pytest.mark.parametrize("case", KILLED)
async def test_f01_a_killed_peer_leaves_nothing_half(case: str) -> None:
    """What it had said in full is there, the rest is not."""
    said = KILLED[case]
    async with arena(Pull(linger=0), "connecting") as stage:
        port = stage.endpoint.rpartition(":")[2]
        heard = len(hello(b"PULL")) if WHOLE in said else min(len(said) + 1, 64)
        with stage.stranger():
            await trio.to_thread.run_sync(_live_and_die, [port, said.hex(), str(heard)])
            assert (await stage.end()).reason == "eof"
        assert list(unread(stage.ours)) == [(b"whole",)] * (WHOLE in said)


def _live_and_die(arguments: list[str]) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-S", "-c", VICTIM, *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as victim:
        assert victim.stdout is not None
        assert victim.stdout.read(5) == b"ready"
        victim.kill()


@pytest.mark.parametrize("place", PLACES)
async def test_f03_the_end_of_one_direction_is_the_end(place: Place) -> None:
    """A request before it is received; its reply has nowhere to go, and stops nothing."""
    ours = Rep(linger=0)
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        await bad.say(hello(b"REQ") + message(b"", b"request"))
        await bad.stream.send_eof()
        assert await ours.receive() == (b"request",)
        assert (await stage.end()).reason == "eof"
        await ours.send(b"reply")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("said", [b"", b"\xff", SIGNATURE[:9], GREETING, PUSH[:-1]], ids=len)
async def test_f04_the_end_of_one_direction_ends_a_handshake(said: bytes, place: Place) -> None:
    """There is nothing to wait for any more."""
    async with arena(Pull(linger=0), place) as stage, stage.bad_peer() as bad:
        await bad.say(said)
        await bad.stream.send_eof()
        end = await stage.end()
        assert (type(end), end.reason) == (HandshakeFailed, "eof")


@pytest.mark.parametrize("place", PLACES)
async def test_f04_an_end_after_ten_bytes_is_what_libzmq_says_for_another_mechanism(
    place: Place,
) -> None:
    """It reads our greeting, does not like it, and leaves without a word more."""
    outcome = await play(Pull(linger=0), place, SIGNATURE, leave=True)
    assert (type(outcome.end), outcome.reason) == (HandshakeFailed, "mechanism")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("said", [b"", SIGNATURE, GREETING, PUSH, PUSH + b"\0\5ab"], ids=len)
async def test_f05_a_reset_is_told_apart(said: bytes, place: Place) -> None:
    """At any moment."""
    async with arena(Pull(linger=0), place) as stage, stage.bad_peer() as bad:
        await bad.say(said)
        await bad.hear(64 if len(said) > 10 else 10)
        await bad.reset()
        assert (await stage.end()).reason == "reset"


@pytest.mark.parametrize("place", PLACES)
async def test_f05_a_reset_in_a_large_message_gives_it_to_another(place: Place) -> None:
    """A worker that dies in the middle of its work has not done it."""
    ours = Push(linger=0)
    large = bytes(10_000_000)
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        assert isinstance(stage.before, Pull)
        await bad.say(hello(b"PULL"))
        await ours.wait_for_peers(2)
        await ours.send(large)
        await ours.send(large)
        await bad.hear(1000)
        await bad.reset()
        with trio.fail_after(PATIENCE):
            assert bytes(await stage.before.receive()) == large
            await stage.end()
            if place == "connecting":
                assert bytes(await stage.before.receive()) == large


async def test_f05_visitors_that_are_gone_before_they_are_let_in() -> None:
    """However many, they are passed over."""
    async with Pull(linger=0) as ours, Push(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])
        for _ in range(20):
            async with await trio.open_tcp_stream("127.0.0.1", port) as visitor:
                visitor.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: close is a reset
        await good.connect(endpoint, wait=True)
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)
