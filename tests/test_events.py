"""Events: to everybody who listens, in order, bounded, and never in anybody's way."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing

from tests.joined import WAYS, join
from trio_mq import (
    Connected,
    Disconnected,
    Dropped,
    DropReason,
    Event,
    HandshakeFailed,
    Listening,
    ListeningStopped,
    Pub,
    Pull,
    Push,
    Sub,
    SubscriptionAdded,
    SubscriptionRemoved,
    Undelivered,
)
from trio_mq._events import EventHub


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_is_told_from_its_beginning_to_its_end(way: str) -> None:
    """With the same peer object in both events."""
    async with Pull() as pull:
        events = pull.events()
        async with Push() as push:
            await join(pull, push, way)
            (peer,) = pull.peers
        await peer.wait_closed()
    told = [event async for event in events]
    assert Connected(peer=peer) in told
    ends = [event for event in told if isinstance(event, Disconnected)]
    assert [event.peer for event in ends] == [peer]
    assert isinstance(told[0], Listening)


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_says_who_dialled(way: str) -> None:
    """The one that connected its endpoint, whatever it is over."""
    async with Pull() as pull, Push() as push:
        with pull.events() as at_pull, push.events() as at_push:
            await join(pull, push, way)
            await push.wait_for_peers()
            await pull.aclose()
            await push.aclose()
            told = [
                [event.dialled async for event in events if isinstance(event, Connected)]
                for events in (at_pull, at_push)
            ]
    assert told == [[False], [True]]


async def test_listening_and_its_end_are_told() -> None:
    """With the resolved endpoint."""
    async with Pull() as pull:
        with pull.events() as events:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            await pull.unbind(endpoint)
            assert await events.receive() == Listening(endpoint=endpoint)
            assert await events.receive() == ListeningStopped(endpoint=endpoint)


async def test_subscriptions_are_told_with_their_peer() -> None:
    """Also when the peer leaves without a word."""
    async with Pub(bind="inproc://news") as pub:
        with pub.events() as events:
            async with Sub(connect="inproc://news", topics="a") as sub:
                (peer,) = pub.peers
                sub.subscribe("b")
                sub.unsubscribe("a")
            told = [events.receive_nowait() for _ in range(5)]
    assert told[:4] == [
        Connected(peer=peer),
        SubscriptionAdded(peer=peer, topic=b"a"),
        SubscriptionAdded(peer=peer, topic=b"b"),
        SubscriptionRemoved(peer=peer, topic=b"a"),
    ]


async def test_what_is_dropped_and_what_was_not_delivered_is_told() -> None:
    """The last words of a socket that had to close."""
    async with Push(connect="inproc://nobody", linger=0) as push:
        events = push.events()
        await push.send(b"1")
        await push.send(b"2")
    told = [event async for event in events]
    assert Undelivered(endpoint="inproc://nobody", count=2) in told
    assert Dropped(peer=None, reason=DropReason.CLOSED, count=2) in told


async def test_a_slow_reader_loses_the_oldest_and_knows_how_many() -> None:
    """The socket does not wait for it."""
    hub = EventHub()
    stream = hub.open()
    for number in range(1010):
        hub.emit(Listening(endpoint=str(number)))
    assert stream.missed == 10
    assert await stream.receive() == Listening(endpoint="10")


async def test_a_flood_of_one_kind_pushes_out_that_kind() -> None:
    """A thousand drops are worth less than the one line that explains them."""
    hub = EventHub()
    stream = hub.open()
    rare = HandshakeFailed(endpoint="tcp://x", address="y", reason="eof", error=None)
    hub.emit(Listening(endpoint="first"))
    hub.emit(rare)
    for number in range(5000):
        hub.emit(Dropped(peer=None, reason=DropReason.FILTERED, count=number))
    hub.emit(Listening(endpoint="last"))
    assert stream.missed == 5003 - 1000
    kept = [stream.receive_nowait() for _ in range(1000)]
    assert kept[:2] == [Listening(endpoint="first"), rare]
    assert kept[-1] == Listening(endpoint="last")
    drops = [event.count for event in kept if isinstance(event, Dropped)]
    assert drops == list(range(5000 - len(drops), 5000))
    with pytest.raises(trio.WouldBlock):
        stream.receive_nowait()


async def test_an_event_says_when_it_happened(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """On trio's clock; that makes no difference to what it is."""
    async with Pull() as pull:
        with pull.events() as events:
            before = trio.current_time()
            await pull.bind("inproc://early")
            await trio.sleep(10)
            await pull.bind("inproc://late")
            early, late = events.receive_nowait(), events.receive_nowait()
    assert (early.time, late.time) == (before, before + 10)
    assert early == Listening(endpoint="inproc://early")
    assert early == Listening(endpoint="inproc://early", time=7.0)


def test_an_event_that_is_made_outside_of_a_run_has_no_time() -> None:
    """Tests of programs make some."""
    assert math.isnan(Listening(endpoint="inproc://x").time)


async def test_several_readers_get_each_event_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And all of them learn of the end; whoever is cancelled has taken none."""
    hub = EventHub()
    stream = hub.open()
    emitted: list[Event] = [Listening(endpoint="1"), Listening(endpoint="2")]
    got: list[Event] = []

    async def read() -> None:
        got.extend([event async for event in stream])

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        hub.emit(emitted[0])
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive()
        hub.emit(emitted[1])
        await trio.testing.wait_all_tasks_blocked()
        hub.end()
    assert sorted(str(event) for event in got) == sorted(map(str, emitted))


async def test_each_caller_gets_its_own_stream_from_now_on() -> None:
    """Closing one leaves the other."""
    hub = EventHub()
    early = hub.open()
    hub.emit(Listening(endpoint="1"))
    late = hub.open()
    hub.emit(Listening(endpoint="2"))
    early.close()
    hub.emit(Listening(endpoint="3"))
    assert [late.receive_nowait(), late.receive_nowait()] == [
        Listening(endpoint="2"),
        Listening(endpoint="3"),
    ]
    with pytest.raises(trio.ClosedResourceError):
        early.receive_nowait()


async def test_the_stream_ends_with_the_socket() -> None:
    """After what was still unread; and at once for who asks too late."""
    async with Pull(bind="inproc://any") as pull:
        events = pull.events()
    assert [event async for event in events] == [ListeningStopped(endpoint="inproc://any")]
    assert [event async for event in pull.events()] == []
