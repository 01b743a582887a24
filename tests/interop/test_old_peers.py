"""A peer that announces ZMTP 3.0, as libzmq did before 4.3: the same patterns, older words.

libzmq announces 3.1 today and accepts both forms of a subscription from everybody, so the peer
here is a bare connection that says exactly what is written.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
import trio.testing

import trio_mq
from tests.interop.test_refused import first_failure

TCP: Final = "tcp://127.0.0.1:*"
SUBSCRIBE_A: Final = {
    "message": b"\x00\x02\x01A",
    "command": b"\x04\x0b\x09SUBSCRIBEA",
}
CANCEL_A: Final = {
    "message": b"\x00\x02\x00A",
    "command": b"\x04\x08\x06CANCELA",
}
VERSIONS: Final = [(3, 0), (3, 1), (3, 2), (4, 0), (255, 255)]


def _greeting(version: tuple[int, int]) -> bytes:
    return b"\xff" + bytes(7) + b"\x01\x7f" + bytes(version) + b"NULL".ljust(20, b"\0") + bytes(32)


def _ready(socket_type: bytes) -> bytes:
    properties = b"\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type
    body = b"\x05READY" + properties
    return bytes([4, len(body)]) + body


class OldPeer:
    """A connection whose bytes the test writes and reads."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._unread = b""

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        await self._stream.send_all(data)

    async def hear(self, expected: bytes) -> None:
        """Check that these are the next bytes."""
        assert await self._read(len(expected)) == expected

    async def introduce(self, socket_type: bytes, version: tuple[int, int]) -> None:
        """Do the handshake, skipping what trio_mq says of itself."""
        await self.say(_greeting(version) + _ready(socket_type))
        await self._read(64)
        _, size = await self._read(2)
        await self._read(size)

    async def _read(self, count: int) -> bytes:
        while len(self._unread) < count:
            data = await self._stream.receive_some()
            assert data, "trio_mq ended the connection"
            self._unread += data
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken


@asynccontextmanager
async def old_peer_of(
    ours: trio_mq.Socket, socket_type: bytes, version: tuple[int, int]
) -> AsyncIterator[OldPeer]:
    """Connect an old peer to a socket of ours."""
    endpoint = await ours.bind(TCP)
    port = int(endpoint.rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        peer = OldPeer(stream)
        await peer.introduce(socket_type, version)
        await ours.wait_for_peers()
        yield peer


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("form", list(SUBSCRIBE_A))
async def test_a_publisher_takes_subscriptions_in_both_forms_from_every_version(
    version: tuple[int, int], form: str
) -> None:
    """As messages and as commands, whatever the greeting announced."""
    async with trio_mq.XPub() as xpub, old_peer_of(xpub, b"SUB", version) as peer:
        await peer.say(SUBSCRIBE_A[form])
        assert await xpub.receive() == (b"\x01A",)
        await xpub.send(b"B is not wanted")
        await xpub.send(b"A!")
        await peer.hear(b"\x00\x02A!")
        await peer.say(CANCEL_A[form])
        assert await xpub.receive() == (b"\x00A",)


@pytest.mark.parametrize(
    ("version", "form"),
    [((3, 0), "message"), ((3, 1), "command"), ((3, 2), "command"), ((4, 0), "command")],
    ids=str,
)
async def test_a_subscriber_subscribes_in_the_form_that_its_publisher_knows(
    version: tuple[int, int], form: str
) -> None:
    """Commands came with 3.1; before, a subscription was a message of one frame."""
    async with trio_mq.Sub(topics="A") as sub, old_peer_of(sub, b"PUB", version) as peer:
        await peer.hear(SUBSCRIBE_A[form])
        await peer.say(b"\x00\x02A!")
        assert await sub.receive() == (b"A!",)
        sub.unsubscribe("A")
        await peer.hear(CANCEL_A[form])


@pytest.mark.parametrize("length", [254, 255, 256])
async def test_a_long_topic_for_an_old_publisher_has_the_right_length(length: int) -> None:
    """The frame is one byte longer than the topic, which decides how its length is written."""
    topic = b"t" * length
    size = length + 1
    header = bytes([0, size]) if size < 256 else b"\x02" + size.to_bytes(8, "big")
    async with trio_mq.Sub(topics=topic) as sub, old_peer_of(sub, b"XPUB", (3, 0)) as peer:
        await peer.hear(header + b"\x01" + topic)


async def test_an_old_peer_is_pinged_without_a_context() -> None:
    """It might read the command strictly: the context came with 3.1."""
    async with (
        trio_mq.Dealer(heartbeat_interval=0.01, heartbeat_timeout=10) as dealer,
        old_peer_of(dealer, b"DEALER", (3, 0)) as peer,
    ):
        await peer.hear(b"\x04\x07\x04PING\x00\x00" * 2)
        await peer.say(b"\x04\x05\x04PONG")


async def test_an_old_peer_that_pings_is_answered() -> None:
    """With what its PING carried, which is nothing."""
    async with trio_mq.Dealer() as dealer, old_peer_of(dealer, b"DEALER", (3, 0)) as peer:
        await peer.say(b"\x04\x07\x04PING\x00\x00")
        await peer.hear(b"\x04\x05\x04PONG")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(trio_mq.Dealer, b"DEALER"), (trio_mq.Pair, b"PAIR")],
    ids=["dealer", "pair"],
)
async def test_messages_pass_between_us_and_an_old_peer(
    ours: type[trio_mq.Dealer | trio_mq.Pair], theirs: bytes
) -> None:
    """Frames have been the same since ZMTP 2.0."""
    async with ours() as socket, old_peer_of(socket, theirs, (3, 0)) as peer:
        await peer.say(b"\x01\x03one\x00\x03two")
        assert await socket.receive() == (b"one", b"two")
        await socket.send([b"", b"three"])
        await peer.hear(b"\x01\x00\x00\x05three")


async def _be_of_zmtp_2(stream: trio.SocketStream) -> bytes:
    """Greet as libzmq 3.2 does, and return what is heard after its twelve bytes of greeting."""
    await stream.send_all(_greeting((1, 0))[:10])
    heard = b""
    while len(heard) < 10:
        heard += await stream.receive_some()
    if len(heard) > 12:
        await stream.aclose()  # it takes that for a frame, which is no good one
        return heard[12:]
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(b"\x01\x08")
        while data := await stream.receive_some():
            heard += data
    return heard[12:]


@pytest.mark.parametrize("ours", ["connects", "accepts"])
async def test_a_peer_of_zmtp_2_is_known_for_what_it_is(ours: str) -> None:
    """It gets nothing that only ZMTP 3 has, so it stays long enough to say its version."""
    async with trio_mq.Pull() as pull:
        with pull.events() as events:
            if ours == "accepts":
                port = int((await pull.bind(TCP)).rpartition(":")[2])
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            else:
                (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
                port = listener.socket.getsockname()[1]
                await pull.connect(f"tcp://127.0.0.1:{port}")
                async with listener:
                    stream = await listener.accept()
            assert await _be_of_zmtp_2(stream) == b""
            failure = await first_failure(events)
        await stream.aclose()
        assert failure.reason == "version"
        assert "speaks ZMTP 2.0" in str(failure.error)


async def test_two_sockets_that_both_connect_meet_through_somebody_in_between(
    autojump_clock: object,
) -> None:
    """Each waits for the other's version a moment, then says its own."""
    streams = list(trio.testing.memory_stream_pair())

    async def open_stream() -> trio.abc.Stream:
        return streams.pop()

    async with trio_mq.Pair() as one, trio_mq.Pair() as other:
        await one.connect("one", open_stream=open_stream)
        await other.connect("other", open_stream=open_stream, wait=True)
        await one.send(b"met")
        assert await other.receive() == (b"met",)
