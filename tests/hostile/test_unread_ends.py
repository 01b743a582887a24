"""The end of a peer that we don't read from: it is known, and what was sent before it stays."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.hostile.arena import PATIENCE
from tests.hostile.wire import GREETING, hello, message
from tests.joined import bind as bind_in_memory
from trio_mq import Dealer, Disconnected, Pair, Pull, Router, Socket
from trio_mq._transports import stream as streams

ID = b"\x08Identity\0\0\0\x01A"
COUNT = 5000
FLOOD = b"".join(message(b"%d" % number) for number in range(COUNT))


def numbered(word: bytes) -> bytes:
    """Return a hundred messages of two frames."""
    return b"".join(message(word, b"%d" % number) for number in range(100))


async def heed_greeting(stream: trio.SocketStream) -> None:
    """Read our greeting, and what follows it: to close with it unread would be a reset."""
    heard = 0
    with trio.fail_after(PATIENCE):
        while heard <= len(GREETING):
            heard += len(await stream.receive_some())


async def dial(endpoint: str) -> trio.SocketStream:
    """Connect without speaking."""
    if endpoint.startswith("ipc://"):
        return await trio.open_unix_socket(endpoint.removeprefix("ipc://"))
    host, port = endpoint.removeprefix("tcp://").split(":")
    return await trio.open_tcp_stream(host, int(port))


async def crash(stream: trio.SocketStream) -> None:
    """Reset the connection."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def hang_up(stream: trio.SocketStream) -> None:
    """Close the connection in order."""
    await stream.aclose()


@asynccontextmanager
async def flooded(
    ours: Socket, endpoint: str, kind: bytes, more: bytes = b""
) -> AsyncIterator[trio.SocketStream]:
    """Open a socket that reads nothing, and a raw peer that has said much."""
    async with ours:
        resolved = await ours.bind(endpoint)
        async with await dial(resolved) as stream:
            await stream.send_all(hello(kind, more) + FLOOD)
            await heed_greeting(stream)
            await ours.wait_for_peers()
            with trio.fail_after(PATIENCE):
                while ours.statistics().waiting_to_receive < 10:
                    await trio.testing.wait_all_tasks_blocked()
            yield stream


async def end_of(ours: Socket) -> None:
    """Wait for the end of the peer that was there, which may have come by now."""
    with trio.fail_after(PATIENCE):
        for peer in ours.peers:
            await peer.wait_closed()
    assert ours.peers == ()


@pytest.mark.parametrize("end", [crash, hang_up])
@pytest.mark.parametrize("way", ["tcp", "ipc"])
async def test_it_is_known_and_all_that_was_sent_is_received(
    way: str, end: object, tmp_path: Path
) -> None:
    """The id is free, and what came before the end is there, in order, under its name."""
    endpoint = "tcp://127.0.0.1:*" if way == "tcp" else f"ipc://{tmp_path}/s"
    ours = Router(receive_hwm=10, linger=0, mandatory=True)
    async with flooded(ours, endpoint, b"DEALER", ID) as stream:
        assert callable(end)
        await end(stream)
        await end_of(ours)
        async with Dealer(routing_id=b"A", linger=0) as again:
            with trio.fail_after(PATIENCE):
                await again.connect(ours.endpoints[0].endpoint, wait=True)
                await ours.send([b"A", b"to the new one"])
                assert await again.receive() == (b"to the new one",)
        for number in range(COUNT):
            assert await ours.receive() == (b"A", b"%d" % number)
        assert ours.statistics().waiting_to_receive == 0


async def test_its_place_in_a_pair_is_free() -> None:
    """A Pair has one, and the next may have it while the words of the last are still there."""
    ours = Pair(receive_hwm=10, linger=0)
    async with flooded(ours, "tcp://127.0.0.1:*", b"PAIR") as stream:
        await stream.aclose()
        await end_of(ours)
        async with Pair(linger=0) as second:
            with trio.fail_after(PATIENCE):
                await second.connect(ours.endpoints[0].endpoint, wait=True)
                await second.send(b"second")
                got = [bytes(await ours.receive()) for _ in range(COUNT + 1)]
        assert b"second" in got
        got.remove(b"second")
        assert got == [b"%d" % number for number in range(COUNT)]


async def test_a_newcomer_finds_it_at_once() -> None:
    """Whoever claims its place does not wait for us to look: the claim is a reason to."""
    ours = Router(receive_hwm=10, linger=0)
    async with flooded(ours, "tcp://127.0.0.1:*", b"DEALER", ID) as stream:
        await stream.aclose()
        async with Dealer(routing_id=b"A", linger=0) as again:
            with trio.fail_after(PATIENCE):
                await again.connect(ours.endpoints[0].endpoint, wait=True)
        for number in range(COUNT):
            assert await ours.receive() == (b"A", b"%d" % number)


async def test_what_one_server_left_comes_before_what_the_next_one_says() -> None:
    """A connected endpoint goes on with its next connection, and loses nothing of the last."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with listener, Dealer(receive_hwm=10, linger=0, reconnect_interval=0.01) as ours:
        await ours.connect(f"tcp://127.0.0.1:{port}")
        with ours.events() as events, trio.fail_after(PATIENCE):
            async with await listener.accept() as first:
                await first.send_all(hello(b"DEALER") + numbered(b"first"))
                await heed_greeting(first)
            while not isinstance(await events.receive(), Disconnected):
                pass
            async with await listener.accept() as second:
                await second.send_all(hello(b"DEALER") + numbered(b"second"))
                for word in (b"first", b"second"):
                    for number in range(100):
                        assert await ours.receive() == (word, b"%d" % number)


async def test_a_socket_may_be_closed_with_all_that_unread() -> None:
    """Nobody waits for it, and nobody keeps it."""
    ours = Pull(receive_hwm=10)
    async with flooded(ours, "tcp://127.0.0.1:*", b"PUSH") as stream:
        await stream.aclose()
        await end_of(ours)
        await ours.aclose()
        assert ours.statistics().waiting_to_receive == 0


async def test_a_stream_that_can_t_tell_is_read_a_little_ahead(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """So the end of one that said not much more than we have room for is found too."""
    async with Pull(receive_hwm=10, linger=0) as ours:
        listener = await bind_in_memory(ours, "memory")
        stream = (await listener.dial())._stream
        await stream.send_all(hello(b"PUSH") + b"".join(message(b"%d" % n) for n in range(100)))
        await ours.wait_for_peers()
        await trio.sleep(1)
        await stream.aclose()
        await end_of(ours)
        assert [int(bytes(await ours.receive())) for _ in range(100)] == list(range(100))


async def test_a_peer_that_leaves_what_we_have_no_room_for_is_not_reset_by_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its kernel still sends for it; one byte from us, and it would reset the connection."""
    looks = trio.Event()
    count = 0
    ended = streams.SocketStream.ended

    def counted(stream: streams.SocketStream) -> bool:
        nonlocal count
        count += 1
        if count == 5:
            looks.set()
        return ended(stream)

    monkeypatch.setattr(streams.SocketStream, "ended", counted)
    big = message(bytes(10_000))
    async with Pull(receive_hwm=1, linger=0) as ours:
        await ours.bind("tcp://127.0.0.1:*")
        async with await dial(ours.endpoints[0].endpoint) as stream:
            await stream.send_all(hello(b"PUSH"))
            await heed_greeting(stream)
            said = fill(stream.socket.fileno(), big)
        await looks.wait()
        with trio.fail_after(PATIENCE):
            for _ in range(said):
                assert await ours.receive() == (bytes(10_000),)


def fill(descriptor: int, data: bytes) -> int:
    """Give the kernel the same thing as often as it takes it whole; return how often that is."""
    times = 0
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        try:
            while (sent := sock.send(data)) == len(data):
                times += 1
        except BlockingIOError:
            return times
    assert sent < len(data)
    return times
