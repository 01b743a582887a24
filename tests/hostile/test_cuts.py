"""F02: a session that is cut at each of its bytes, in both directions, and made anew."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio
import trio.testing

from trio_mq import PeerLost, Pull, Push, Rep, Req
from trio_mq._transports.stream import ByteStream
from trio_mq._transports.trio_stream import TrioStream


@attrs.define(eq=False)
class CutStream(trio.abc.Stream):
    """A stream that breaks for both ends once so many bytes were sent through it."""

    _inner: trio.abc.HalfCloseableStream
    _left: float

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send what the cut leaves of it."""
        if len(data) < self._left:
            self._left -= len(data)
            await self._inner.send_all(bytes(data))
            return
        await self._inner.send_all(bytes(data)[: int(self._left)])
        await self._inner.aclose()
        raise trio.BrokenResourceError("cut")

    async def wait_send_all_might_not_block(self) -> None:
        """Never wait."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive."""
        try:
            return bytes(await self._inner.receive_some(max_bytes))
        except trio.ClosedResourceError:
            raise trio.BrokenResourceError("cut") from None

    async def aclose(self) -> None:
        """Close."""
        await self._inner.aclose()


class Wire(trio.abc.Listener[trio.abc.Stream]):
    """Connections in memory; the first of them is cut at one end after so many bytes."""

    def __init__(self, *, cut_connecting: float, cut_accepting: float) -> None:
        self._cuts = [(cut_connecting, cut_accepting)]
        self.connections: int = 0
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](10)

    async def open_stream(self) -> ByteStream:
        """Connect."""
        self.connections += 1
        near, far = trio.testing.memory_stream_pair()
        cut_near, cut_far = self._cuts.pop() if self._cuts else (float("inf"), float("inf"))
        await self._send.send(CutStream(far, cut_far))
        return TrioStream(CutStream(near, cut_near))

    async def accept(self) -> trio.abc.Stream:
        """Accept."""
        return await self._receive.receive()

    async def aclose(self) -> None:
        """Stop."""
        self._send.close()
        await trio.lowlevel.checkpoint()


#: The bytes that an end says in its handshake, and in the sessions below, at least. A Pull says
#: nothing after its handshake.
HANDSHAKE = 64 + 28
LENGTH = HANDSHAKE + 19


async def _push_and_pull(wire: Wire) -> None:
    """Send numbers until some have passed the new connection: at most one is lost, none doubled."""
    async with Pull(linger=0) as pull, Push(linger=0) as push, trio.open_nursery() as nursery:
        await pull.bind("wire", listener=wire)
        await push.connect("wire", open_stream=wire.open_stream)
        nursery.start_soon(_count, push)
        got = [int(bytes(await pull.receive()))]
        while got[-1] < 20:
            got.append(int(bytes(await pull.receive())))
        nursery.cancel_scope.cancel()
    assert got == sorted(set(got))
    assert len(got) >= 20


async def _count(push: Push) -> None:
    for number in itertools.count():
        await push.send(b"%d" % number)
        await trio.sleep(0.1)  # virtual: the one before it has gone its way


async def _ask_and_answer(wire: Wire) -> None:
    """Ask until there is an answer: each attempt ends, with it or with the loss of the peer."""
    async with Rep(linger=0) as rep, Req(linger=0) as req, trio.open_nursery() as nursery:
        await rep.bind("wire", listener=wire)
        await req.connect("wire", open_stream=wire.open_stream)
        nursery.start_soon(_echo, rep)
        assert await _answer(req) == b"question"
        nursery.cancel_scope.cancel()


async def _echo(rep: Rep) -> None:
    async for request in rep:
        await rep.send(request)


async def _answer(req: Req) -> bytes:
    while True:
        try:
            return bytes(await req.request(b"question"))
        except PeerLost:
            continue


SESSIONS: list[Callable[[Wire], Awaitable[None]]] = [_push_and_pull, _ask_and_answer]


@pytest.mark.parametrize("session", SESSIONS)
async def test_what_the_connecting_end_says_may_end_anywhere(
    session: Callable[[Wire], Awaitable[None]], autojump_clock: trio.testing.MockClock
) -> None:
    """A new connection takes over, and no message arrives twice."""
    for at in range(LENGTH):
        wire = Wire(cut_connecting=at, cut_accepting=float("inf"))
        with trio.fail_after(60):
            await session(wire)
        assert wire.connections == 2, "it was not cut, or more than once"


@pytest.mark.parametrize(
    ("session", "length"), [(_push_and_pull, HANDSHAKE), (_ask_and_answer, LENGTH)]
)
async def test_what_the_accepting_end_says_may_end_anywhere(
    session: Callable[[Wire], Awaitable[None]],
    length: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """As before, from the other side."""
    for at in range(length):
        wire = Wire(cut_connecting=float("inf"), cut_accepting=at)
        with trio.fail_after(60):
            await session(wire)
        assert wire.connections == 2, "it was not cut, or more than once"
