"""Endpoints that nobody listens on, that are dialled for long, or that are ourselves."""

from __future__ import annotations

import errno
import gc
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

import trio_mq
from tests.hostile.arena import NOTHING, PATIENCE, BadPeer, census
from tests.hostile.wire import GREETING, hello, message
from tests.ports import held_port
from trio_mq import EndpointState, EventStream, Pair, Pull, Push, Retrying

ROOT: Final = Path(trio_mq.__file__).parent


@pytest.fixture
def port() -> Iterator[int]:
    """Hold a port that nobody listens on."""
    with held_port() as held:
        yield held


async def retries(events: EventStream, count: int) -> list[Retrying]:
    """Return the next so many pauses."""
    found: list[Retrying] = []
    with trio.fail_after(PATIENCE):
        while len(found) < count:
            event = await events.receive()
            if isinstance(event, Retrying):
                found.append(event)
    return found


async def test_f15_an_endpoint_may_be_refused_for_long(port: int) -> None:
    """Its pauses grow up to their bound; nothing else grows."""
    endpoint = f"tcp://127.0.0.1:{port}"
    longest = 0.01
    ours = Push(linger=0, reconnect_interval=0.001, reconnect_interval_max=longest)
    async with ours, Pull(linger=0) as late:
        with ours.events() as events:
            await ours.connect(endpoint)
            await ours.send(b"patience")
            await retries(events, 10)
            before = census()
            pauses = await retries(events, 50)
            assert max(pause.delay for pause in pauses) <= longest
            assert census().left_since(before) == NOTHING
        await late.bind(endpoint)
        with trio.fail_after(PATIENCE):
            assert await late.receive() == (b"patience",)


@pytest.mark.parametrize("socket_type", [Pair, Push])
async def test_f17_a_connection_to_itself_is_none(
    socket_type: type[Pair | Push], port: int
) -> None:
    """A dialler whose own port is the one it dials reaches itself, and tries again."""
    async with socket_type(linger=0, reconnect_interval=0.001) as ours:
        with ours.events() as events:
            await ours.connect(f"tcp://127.0.0.1:{port};127.0.0.1:{port}")
            (retry, *_) = await retries(events, 3)
        assert isinstance(retry.error, OSError)
        assert retry.error.errno == errno.ECONNREFUSED
        assert "itself" in str(retry.error)
        assert ours.peers == ()


class Names(trio.abc.HostnameResolver):
    """A name service with an address where nobody listens, and one where somebody does."""

    async def getaddrinfo(  # type: ignore[override]  # the parent's types say too much
        self, _host: object, port: int, *_: object
    ) -> list[tuple[object, ...]]:
        """Give both addresses."""
        await trio.lowlevel.checkpoint()
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        """Not asked for."""
        raise NotImplementedError


async def test_f19_a_dead_address_of_a_name_does_no_harm() -> None:
    """The living one is found in the same attempt, and connected to once."""
    trio.socket.set_custom_hostname_resolver(Names())
    async with Pull(linger=0) as ours, Push(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        await good.connect(f"tcp://some.name:{endpoint.rpartition(':')[2]}", wait=True)
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)
        assert len(ours.peers) == 1


async def test_a_peer_that_makes_no_sense_is_dialled_seldom() -> None:
    """Somebody else's service on that port is not pestered, and is given no messages."""
    async with Push(linger=0, reconnect_interval=0.001) as ours:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            with ours.events() as events:
                await ours.connect(f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}")
                async with await listener.accept() as stream:
                    await stream.send_all(b"220 mail.example.org ESMTP\r\n")
                    await BadPeer(stream).hear_all()
                (retry,) = await retries(events, 1)
        assert retry.delay >= 1
        assert ours.endpoints[0].state is EndpointState.FAILED
        with pytest.raises(trio.WouldBlock):
            ours.send_nowait(b"to nobody")


async def _visit(ours: Pull, port: int, said: bytes) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await BadPeer(stream).say(said)
        if said.endswith(message(b"x")):
            assert await ours.receive() == (b"x",)


def memory_of_the_library() -> int:
    """Return the bytes that its own lines hold: trio keeps a while what timed out nothing."""
    ours = tracemalloc.Filter(inclusive=True, filename_pattern=f"{ROOT}/*")
    traces = tracemalloc.take_snapshot().filter_traces([ours]).traces
    return sum(trace.size for trace in traces)


async def test_f33_a_thousand_visits_leave_nothing() -> None:
    """Tasks, descriptors and memory are what they were, with and without a handshake."""
    async with Pull(linger=0) as ours:
        port = int((await ours.bind("tcp://127.0.0.1:*")).rpartition(":")[2])
        visits = [hello(b"PUSH") + message(b"x"), GREETING, b"GET / HTTP/1.0\r\n"]
        sizes = []
        tracemalloc.start()
        for _ in range(3):
            for number in range(330):
                await _visit(ours, port, visits[number % 3])
            with trio.fail_after(PATIENCE):
                while ours.peers:
                    await ours.peers[0].wait_closed()
            await trio.testing.wait_all_tasks_blocked()
            gc.collect()
            sizes.append((memory_of_the_library(), census()))
        tracemalloc.stop()
    (_, first), (size, _), (last_size, last) = sizes
    assert last.left_since(first) == NOTHING
    assert last_size - size < 330 * 50
