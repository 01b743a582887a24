"""One routing id, one Pair: who keeps the place when somebody else claims it."""

from __future__ import annotations

import trio
import trio.testing

from tests.hostile.wire import hello, message
from tests.joined import MemoryListener, bind, connect
from trio_mq import (
    Connected,
    Dealer,
    Event,
    HandshakeFailed,
    Pair,
    Pull,
    Push,
    Router,
    Socket,
)
from trio_mq._transports.trio_stream import TrioStream


class Mute(TrioStream):
    """A stream whose owner neither reads nor writes any more, once it is silenced."""

    silenced = False

    async def receive_some(self, max_bytes: int) -> bytes:
        """Deliver nothing once silenced, not even the end."""
        data = await super().receive_some(max_bytes)
        if self.silenced:
            await trio.sleep_forever()
        return data


async def connect_mute(socket: Socket, listener: MemoryListener) -> list[Mute]:
    """Connect a socket over streams that can be silenced, and return them."""
    streams: list[Mute] = []

    async def open_stream() -> Mute:
        stream = Mute((await listener.dial())._stream)
        streams.append(stream)
        return stream

    await socket.connect("memory", wait=True, open_stream=open_stream)
    return streams


async def refused_reason(events: trio.abc.ReceiveChannel[Event]) -> str:
    """Wait for a failed handshake and return its reason."""
    while True:
        event = await events.receive()
        if isinstance(event, HandshakeFailed):
            return event.reason


async def new_peer(events: trio.abc.ReceiveChannel[Event]) -> object:
    """Wait for the next peer."""
    while True:
        event = await events.receive()
        if isinstance(event, Connected):
            return event.peer


async def test_a_living_holder_keeps_its_routing_id(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It answers the PING, and the newcomer is refused with an event."""
    async with (
        Router(linger=0) as router,
        Dealer(routing_id=b"me", linger=0) as holder,
        Dealer(routing_id=b"me", linger=0) as newcomer,
    ):
        listener = await bind(router, "memory")
        await connect(holder, router, listener)
        (peer,) = router.peers
        with router.events() as events:
            await connect(newcomer, router, listener, wait=False)
            assert await refused_reason(events) == "routing-id-in-use"
        assert router.peers == (peer,)
        await router.send((b"me", b"hello"))
        assert await holder.receive() == (b"hello",)


async def test_a_dead_holder_loses_its_routing_id_after_three_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A client that was rebooted is not locked out by its own old connection."""
    async with (
        Router(linger=0) as router,
        Dealer(routing_id=b"me", linger=0) as holder,
        Dealer(routing_id=b"me", linger=0) as newcomer,
    ):
        listener = await bind(router, "memory")
        (stream,) = await connect_mute(holder, listener)
        stream.silenced = True
        start = trio.current_time()
        await connect(newcomer, router, listener)
        assert 3 <= trio.current_time() - start < 3.1
        await router.send((b"me", b"hello"))
        assert await newcomer.receive() == (b"hello",)


async def test_with_handover_the_newcomer_wins_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The old connection is ended."""
    async with (
        Router(handover=True, linger=0) as router,
        Dealer(routing_id=b"me", linger=0, reconnect_interval=60, reconnect_interval_max=60) as old,
        Dealer(routing_id=b"me", linger=0) as newcomer,
    ):
        listener = await bind(router, "memory")
        await connect(old, router, listener)
        (before,) = router.peers
        await connect(newcomer, router, listener)
        await before.wait_closed()
        assert before not in router.peers
        await router.send((b"me", b"hello"))
        assert await newcomer.receive() == (b"hello",)


async def test_a_second_pair_gets_the_place_when_the_first_has_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was refused and dials again by itself."""
    async with Pair(linger=0) as center, Pair(linger=0) as second:
        listener = await bind(center, "memory")
        async with Pair(linger=0) as first:
            await connect(first, center, listener)
            with center.events() as events:
                await connect(second, center, listener, wait=False)
                assert await refused_reason(events) == "pair-occupied"
        with center.events() as events:
            await new_peer(events)
        await second.send(b"hello")
        assert await center.receive() == (b"hello",)


async def test_one_peer_more_than_allowed_is_refused_until_another_leaves(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It gets in later, by dialling again."""
    async with Pull(max_peers=1, linger=0) as pull, Push(linger=0) as late:
        listener = await bind(pull, "memory")
        async with Push() as early:
            await connect(early, pull, listener)
            with pull.events() as events:
                await connect(late, pull, listener, wait=False)
                assert await refused_reason(events) == "max-peers"
            assert len(pull.peers) == 1
        await late.send(b"hello")
        assert await pull.receive() == (b"hello",)


async def test_twenty_who_claim_a_place_at_once_ask_its_holder_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its one sign of life counts against all of them."""
    claim = hello(b"DEALER", b"\x08Identity\0\0\0\x02me")
    async with Router(linger=0) as router, trio.open_nursery() as nursery:
        listener = await bind(router, "memory")
        holder = (await listener.dial())._stream
        await holder.send_all(claim)
        await router.wait_for_peers()
        (peer,) = router.peers

        async def turned_away() -> None:
            stranger = (await listener.dial())._stream
            await stream_end(stranger, claim)

        for _ in range(20):
            nursery.start_soon(turned_away)
        await trio.sleep(2)
        await holder.send_all(message(b"alive"))
        await trio.sleep(10)
        assert router.peers == (peer,)
        assert router.statistics().handshake_failures == {"routing-id-in-use": 20}
        assert (await holder.receive_some()).count(b"\4PING") == 1


async def stream_end(stream: trio.abc.Stream, said: bytes) -> None:
    """Say something, and wait for the end of the stream."""
    await stream.send_all(said)
    async with stream:
        while await stream.receive_some():
            pass


async def test_one_who_leaves_a_contest_leaves_it_to_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The question is still open: the next one asks it anew."""
    async with (
        Router(linger=0, handshake_timeout=2) as router,
        Dealer(routing_id=b"me", linger=0) as holder,
        Dealer(routing_id=b"me", linger=0) as newcomer,
    ):
        listener = await bind(router, "memory")
        (stream,) = await connect_mute(holder, listener)
        stream.silenced = True
        await connect(newcomer, router, listener, wait=False)
        with router.events() as events:
            assert await refused_reason(events) == "timeout"
        assert len(router.peers) == 1
