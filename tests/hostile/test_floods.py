"""Many bad peers at once, and much that they make us tell."""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing

from tests.hostile.arena import PATIENCE, told
from tests.hostile.wire import SIGNATURE
from trio_mq import HandshakeFailed, Limits, Listening, Pull, Push
from trio_mq._events import EventHub
from trio_mq._transports.stream import ByteStream
from trio_mq._transports.trio_stream import TrioStream


async def test_idlers_make_room_for_who_comes_after_them() -> None:
    """Those that have not shaken hands in a second are sent away, the oldest first."""
    limits = Limits(max_half_open=3)
    async with Pull(linger=0, limits=limits) as ours, Push(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])
        async with contextlib.AsyncExitStack() as idlers:
            with ours.events() as events:
                for _ in range(6):
                    idler = await trio.open_tcp_stream("127.0.0.1", port)
                    await idlers.enter_async_context(idler)
                    await idler.send_all(SIGNATURE)
                with trio.fail_after(PATIENCE):
                    await good.connect(endpoint, wait=True)
                ends = [event for event in told(events) if isinstance(event, HandshakeFailed)]
        assert {end.reason for end in ends} == {"too-many-half-open"}
        # At most three are half open at a time, the good one among them.
        assert len(ends) >= 4
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)


async def test_the_limit_of_peers_is_kept() -> None:
    """Who comes when it is reached is turned away, and comes back."""
    async with (
        Pull(linger=0, max_peers=2) as ours,
        Push(linger=0) as first,
        Push(linger=0) as second,
        Push(linger=0, reconnect_interval=0.001, reconnect_interval_max=0.01) as third,
    ):
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        await first.connect(endpoint, wait=True)
        await second.connect(endpoint, wait=True)
        with ours.events() as events:
            await third.connect(endpoint)
            while not isinstance(event := await events.receive(), HandshakeFailed):
                pass
        assert (event.reason, len(ours.peers)) == ("max-peers", 2)
        await first.disconnect(endpoint)
        with trio.fail_after(PATIENCE):
            await third.wait_for_peers()


def test_the_last_events_are_kept() -> None:
    """A peer that makes many of them does not hide what comes after; how many were lost is told."""
    hub = EventHub()
    stream = hub.open()
    for number in range(1500):
        hub.emit(Listening(endpoint=str(number)))
    kept = [event.endpoint for event in told(stream) if isinstance(event, Listening)]
    assert (stream.missed, kept) == (500, [str(number) for number in range(500, 1500)])


async def test_a_stream_that_breaks_while_it_is_made_is_made_anew() -> None:
    """As one with a handshake of its own does (TLS), whatever the other end says in it."""
    attempts = 0
    near, far = trio.testing.memory_stream_pair()

    async def open_stream() -> ByteStream:
        nonlocal attempts
        attempts += 1
        await trio.lowlevel.checkpoint()
        if attempts < 3:
            raise trio.BrokenResourceError("the handshake failed")
        return TrioStream(near)

    async with Push(linger=0, reconnect_interval=0.001) as ours, far:
        with pytest.raises(ConnectionError, match="the handshake failed"):
            await ours.connect("sealed", wait=True, open_stream=open_stream)
        await ours.connect("sealed", open_stream=open_stream)
        with trio.fail_after(PATIENCE):
            assert await far.receive_some()
        assert attempts == 3
