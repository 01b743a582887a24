"""Links over streams in memory, in virtual time: handshakes, heartbeats, ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import pytest
import trio
import trio.testing

from tests.hostile import wire
from tests.joined import MemoryListener, bind, join
from trio_mq import (
    Disconnected,
    EndpointState,
    EndpointStatus,
    Event,
    EventStream,
    HandshakeFailed,
    Pair,
    Pull,
    Push,
    Retrying,
)
from trio_mq._connections.link import Link
from trio_mq._transports.stream import ByteStream
from trio_mq._transports.trio_stream import TrioStream

EventKind = TypeVar("EventKind", bound=Event)


async def next_of(events: EventStream, kind: type[EventKind]) -> EventKind:
    """Wait for the next event of a kind."""
    while not isinstance(event := await events.receive(), kind):
        pass
    return event


class BrokenAfterHandshake(TrioStream):
    """A stream whose peer resets it in the very moment in which the handshake is done."""

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Find out."""
        raise trio.BrokenResourceError("reset")


async def test_a_peer_that_resets_right_after_its_handshake_harms_nobody() -> None:
    """It is a failed connection, dialled again; not a crash of the socket."""
    async with Pull() as pull, Push(reconnect_interval=0.001, linger=0) as push:
        listener = await bind(pull, "memory")
        first = True

        async def open_stream() -> ByteStream:
            nonlocal first
            stream = await listener.dial()
            if not first:
                return stream
            first = False
            return BrokenAfterHandshake(stream._stream)

        await push.connect("memory", open_stream=open_stream)
        await push.send(b"1")
        assert await pull.receive() == (b"1",)
        assert sum(push.statistics().handshake_failures.values()) == 1


async def test_a_link_that_never_wrote_ends_with_its_heartbeat() -> None:
    """Its tasks are told to end, all of them: a link without a writer's task has one less."""
    async with Pull(heartbeat_interval=60) as pull, Push(connect=()) as push:
        await push.connect(await pull.bind("tcp://127.0.0.1:*"))
        await pull.wait_for_peers(1)
        (peer,) = pull.peers
        peer.disconnect()
        await peer.wait_closed()
        assert peer.closed


@pytest.mark.parametrize("steps", range(12))
async def test_the_first_message_may_come_at_any_step_of_the_end(steps: int) -> None:
    """Nothing is started for a connection that ends; the message may be lost with it."""
    async with Pull() as pull, Push(reconnect_interval=0.001, linger=0) as push:
        await join(pull, push, "memory")
        await push.wait_for_peers(1)
        push.peers[0].disconnect()
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        await push.send(b"perhaps")
        await pull.wait_for_peers(1)
        await push.send(b"next")
        while await pull.receive() != b"next":
            pass
        assert push.endpoints[0].state is EndpointState.CONNECTED


async def test_a_silent_stranger_is_sent_away_after_the_handshake_timeout(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Not a moment later, and the event says why."""
    async with Pull(handshake_timeout=3) as pull:
        listener = await bind(pull, "memory")
        with pull.events() as events:
            await listener.dial()
            event = await next_of(events, HandshakeFailed)
        assert (event.reason, trio.current_time()) == ("timeout", 3)


async def test_a_peer_that_falls_silent_is_dropped_by_the_heartbeat(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A PING after the interval, and the time-out after the PING."""
    async with Pull() as pull, Push(linger=0) as push:
        listener = await bind(pull, "memory")
        stalled = Stalling(listener)
        with push.events() as events:
            await push.connect(
                "memory",
                wait=True,
                open_stream=stalled.dial,
                heartbeat_interval=5,
                heartbeat_timeout=2,
            )
            stalled.stalled = True
            event = await next_of(events, Disconnected)
        assert event.reason == "heartbeat"
        assert 7 <= trio.current_time() < 7.1


class Stalling:
    """Dials streams that stop delivering what the peer says."""

    def __init__(self, listener: MemoryListener) -> None:
        self._listener = listener
        self.stalled = False

    async def dial(self) -> ByteStream:
        """Dial a stream that can be stalled."""
        stream = await self._listener.dial()
        stalling = self

        class Stalled(TrioStream):
            async def receive_some(self, max_bytes: int) -> bytes:
                data = await super().receive_some(max_bytes)
                while stalling.stalled:
                    await trio.sleep_forever()
                return data

        return Stalled(stream._stream)


async def test_heartbeats_keep_an_idle_connection_and_measure_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An hour without a message, and still the same peer."""
    async with (
        Pair(heartbeat_interval=5, heartbeat_ttl=20) as one,
        Pair(heartbeat_interval=7) as two,
    ):
        await join(one, two, "memory")
        (peer,) = one.peers
        await trio.sleep(3600)
        assert one.peers == (peer,)
        assert peer.round_trip_time == 0


async def test_a_program_that_does_not_read_for_long_is_not_taken_for_dead(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its link reads nothing while its queue is full, and still gives signs of life."""
    async with (
        Pull(receive_hwm=1, heartbeat_interval=5) as pull,
        Push(linger=0, heartbeat_interval=5, heartbeat_timeout=5) as push,
    ):
        await join(pull, push, "memory")
        await push.send_many([b"1", b"2", b"3"])
        (peer,) = push.peers
        await trio.sleep(600)
        assert push.peers == (peer,)
        assert [bytes(await pull.receive()) for _ in range(3)] == [b"1", b"2", b"3"]


async def test_nobody_there_is_dialled_again_in_bounded_pauses(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each pause is under a bound that doubles up to the limit; the endpoint says when."""

    async def refuse() -> ByteStream:
        raise ConnectionRefusedError("nobody")

    bounds = [1, 2, 4, 8, 8, 8]
    async with Push(reconnect_interval=1, reconnect_interval_max=8, linger=0) as push:
        with push.events() as events:
            await push.connect("nowhere", open_stream=refuse)
            delays = [(await next_of(events, Retrying)).delay for _ in bounds]
        assert all(0 <= delay <= bound for delay, bound in zip(delays, bounds, strict=True))
        (endpoint,) = push.endpoints
        assert isinstance(endpoint, EndpointStatus)
        assert endpoint.state is EndpointState.RETRYING
        assert isinstance(endpoint.last_error, ConnectionRefusedError)


@pytest.mark.parametrize("messages", [1, 5])
async def test_what_waits_for_a_connected_peer_survives_its_restart(
    messages: int, autojump_clock: trio.testing.MockClock
) -> None:
    """The pipe belongs to the endpoint, so the messages are there at the next handshake."""
    async with Push(reconnect_interval=1) as push:
        async with Pull() as early:
            listener = await bind(early, "memory")

            async def dial() -> ByteStream:
                return await listener.dial()

            await push.connect("memory", wait=True, open_stream=dial)
        listener = MemoryListener()
        for number in range(messages):
            await push.send(b"%d" % number)
        async with Pull() as late:
            await late.bind("memory", listener=listener)
            received = [bytes(await late.receive()) for _ in range(messages)]
        assert received == [b"%d" % number for number in range(messages)]
        assert push.statistics().reconnects == 1


class Tls(trio.abc.Stream):
    """A stream that can't shut one direction."""

    def __init__(self, inner: trio.abc.Stream) -> None:
        self._inner = inner

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait."""
        await self._inner.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive."""
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close both directions."""
        await self._inner.aclose()


@pytest.mark.parametrize("linger", [10, math.inf])
async def test_a_stream_that_can_not_be_half_closed_takes_no_linger(
    linger: float, autojump_clock: trio.testing.MockClock
) -> None:
    """When everything is written, its close is all that can tell the peer."""
    async with Pull() as pull:
        listener = await bind(pull, "memory")

        async def dial() -> ByteStream:
            return TrioStream(Tls((await listener.dial())._stream))

        async with Push(linger=linger) as push:
            await push.connect("memory", open_stream=dial, wait=True)
            await push.send(b"x")
        assert trio.current_time() < 0.1
        assert await pull.receive() == (b"x",)


async def test_a_peer_that_does_not_read_our_last_words_gets_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It may still say something, which would reset the connection after our close."""
    async with Pair(linger=math.inf) as pair:
        listener = await bind(pair, "memory")
        stream = (await listener.dial())._stream
        await stream.send_all(wire.hello(b"PAIR"))
        await pair.wait_for_peers()
        await pair.send(b"x")
        start = trio.current_time()
        with pair.events() as events:
            await pair.aclose()
            assert (await next_of(events, Disconnected)).reason == "closed"
        assert 1 <= trio.current_time() - start < 1.2


async def test_a_connection_that_was_told_to_end_starts_no_task() -> None:
    """Its tasks were told, and are not cancelled; one that comes later would keep it for ever."""
    async with Pair(linger=0) as one, Pair(linger=0) as other:
        await join(one, other, "tcp")
        await trio.testing.wait_all_tasks_blocked()
        (peer,), (link,) = one.peers, one._members.links.values()
        assert isinstance(link, Link)
        assert link._nursery is not None
        before = link._nursery.child_tasks
        peer.disconnect()
        link._keep_heartbeat()  # as in a contest for its place, or for a PING
        assert link._nursery.child_tasks == before
        await peer.wait_closed()
