"""Heartbeats between us and libzmq: the dead are noticed, and the slow are left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
import trio.testing

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.conftest import Programs
from tests.interop.libzmq import Libzmq, LibzmqSocket
from tests.interop.pairs import Link, join
from tests.interop.relay import Relay, relaying
from trio_mq import ConnectionOptions, PullOptions
from trio_mq._connections.heartbeat import Heartbeat

TCP: Final = "tcp://127.0.0.1:*"
each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
#: Milliseconds, for libzmq.
THEIRS: Final[dict[str, bytes | int]] = {
    "HEARTBEAT_IVL": 30,
    "HEARTBEAT_TIMEOUT": 300,
    "HEARTBEAT_TTL": 300,
}
#: The same for connections that are to last: on a busy machine each end falls silent for a while.
THEIRS_PATIENT: Final[dict[str, bytes | int]] = {
    "HEARTBEAT_IVL": 60,
    "HEARTBEAT_TIMEOUT": 3000,
    "HEARTBEAT_TTL": 3000,
}
OURS_PATIENT: Final = ConnectionOptions(
    heartbeat_interval=0.06, heartbeat_timeout=3, heartbeat_ttl=3
)
#: Heartbeats that take longer than the patience of both ends, so that each has been renewed.
MANY: Final = 80


async def end_of(peer: trio_mq.Peer, events: trio_mq.EventStream) -> str:
    """Wait until a peer is gone, and return why."""
    async for event in events:
        if isinstance(event, trio_mq.Disconnected) and event.peer is peer:
            return event.reason
    raise AssertionError("the socket was closed")


@asynccontextmanager
async def relayed(ours: trio_mq.Socket, theirs: LibzmqSocket, link: Link) -> AsyncIterator[Relay]:
    """Connect one to the other through a relay."""
    binder = ours if link is Link.WE_BIND else theirs
    async with relaying(await binder.bind(TCP)) as relay:
        await (theirs if link is Link.WE_BIND else ours).connect(relay.endpoint)
        yield relay


@each_link
async def test_our_pings_are_answered_by_libzmq(libzmq: Libzmq, link: Link) -> None:
    """It repeats what it is told, which measures the round trip."""
    theirs = await libzmq.open("DEALER")
    async with trio_mq.Dealer(heartbeat_interval=0.01, heartbeat_timeout=5) as dealer:
        await join(dealer, theirs, link, TCP)
        await dealer.wait_for_peers()
        (peer,) = dealer.peers
        while peer.round_trip_time is None:
            await trio.testing.wait_all_tasks_blocked()
        assert 0 < peer.round_trip_time < 5
        assert dealer.peers == (peer,)


@each_link
async def test_a_frozen_libzmq_is_noticed_by_its_silence(programs: Programs, link: Link) -> None:
    """Its kernel still acknowledges: only the missing answers tell."""
    program = await programs.start()
    theirs = await program.open("DEALER")
    async with trio_mq.Dealer(heartbeat_interval=0.03, heartbeat_timeout=0.2) as dealer:
        await join(dealer, theirs, link, TCP)
        await dealer.wait_for_peers()
        (peer,) = dealer.peers
        with dealer.events() as events:
            program.stop()
            assert await end_of(peer, events) == "heartbeat"


async def test_a_libzmq_that_froze_for_a_while_is_found_again(programs: Programs) -> None:
    """The same sockets go on, over a new connection."""
    program = await programs.start()
    theirs = await program.open("DEALER")
    endpoint = await theirs.bind(TCP)
    async with trio_mq.Dealer(
        connect=endpoint, heartbeat_interval=0.03, heartbeat_timeout=1.0, handshake_timeout=1.0
    ) as dealer:
        await dealer.wait_for_peers()
        (peer,) = dealer.peers
        with dealer.events() as events:
            program.stop()
            assert await end_of(peer, events) == "heartbeat"
        program.resume()
        await dealer.wait_for_peers()
        await dealer.send(b"welcome back")
        assert await theirs.receive() == (b"welcome back",)


async def test_the_time_to_live_that_libzmq_sends_ends_its_silence_for_us(
    libzmq: Libzmq,
) -> None:
    """We send no PINGs ourselves; its PINGs have said how long to believe in it."""
    theirs = await libzmq.open("DEALER", **THEIRS)
    limits = trio_mq.Limits(min_remote_ttl=0.1)
    async with (
        trio_mq.Dealer(limits=limits) as dealer,
        relayed(dealer, theirs, Link.WE_BIND) as relay,
    ):
        await relay.heard(b"PONG", from_target=True)
        (peer,) = dealer.peers
        with dealer.events() as events:
            relay.silence(target=False)
            assert await end_of(peer, events) == "heartbeat"


async def test_libzmq_notices_when_it_hears_nothing_more_of_us(libzmq: Libzmq) -> None:
    """Its connection ends by its own timer, and it dials again."""
    theirs = await libzmq.open("DEALER", **THEIRS, RECONNECT_IVL=10)
    async with trio_mq.Dealer() as dealer, relaying(await dealer.bind(TCP)) as relay:
        await theirs.connect(relay.endpoint)
        await relay.heard(b"PONG", from_target=True)
        relay.silence(target=True)
        seen = await theirs.events("DISCONNECTED")
        assert "HANDSHAKE_SUCCEEDED" in dict(seen)


async def test_the_time_to_live_that_we_send_ends_our_silence_for_libzmq(libzmq: Libzmq) -> None:
    """It sends no PINGs itself; ours have said how long to believe in us."""
    theirs = await libzmq.open("DEALER", RECONNECT_IVL=10)
    async with (
        trio_mq.Dealer(heartbeat_interval=0.03, heartbeat_timeout=20, heartbeat_ttl=0.2) as dealer,
        relaying(await dealer.bind(TCP)) as relay,
    ):
        await theirs.connect(relay.endpoint)
        await relay.heard(b"PONG", from_target=False)
        relay.silence(target=True)
        seen = await theirs.events("DISCONNECTED")
        assert "HANDSHAKE_SUCCEEDED" in dict(seen)


@each_link
async def test_both_pinging_each_other_stay_connected(libzmq: Libzmq, link: Link) -> None:
    """Many intervals later it is the same connection."""
    theirs = await libzmq.open("DEALER", **THEIRS_PATIENT)
    async with trio_mq.Dealer(**OURS_PATIENT) as dealer, relayed(dealer, theirs, link) as relay:
        await dealer.wait_for_peers()
        before = dealer.peers
        for from_target in (True, False):
            await relay.heard(b"PONG", from_target=from_target, times=MANY)
        assert dealer.peers == before
        await theirs.send(b"still")
        assert await dealer.receive() == (b"still",)


@pytest.mark.parametrize(
    "options",
    [
        PullOptions(receive_hwm=2),
        PullOptions(receive_hwm=2, heartbeat_interval=0.06, heartbeat_timeout=3),
    ],
    ids=["they-ping", "both-ping"],
)
@each_link
async def test_libzmq_does_not_drop_us_while_we_do_not_read(
    libzmq: Libzmq, link: Link, options: PullOptions
) -> None:
    """Held back by our high-water mark, it can't have its PINGs answered, but hears ours."""
    theirs = await libzmq.open("PUSH", SNDHWM=0, **THEIRS_PATIENT)
    we_are_target = link is Link.WE_BIND
    async with trio_mq.Pull(**options) as pull, relayed(pull, theirs, link) as relay:
        # From two PINGs we know its rhythm.
        await relay.heard(b"PONG", from_target=we_are_target, times=2)
        before = pull.peers
        await theirs.send_many([(b"%d" % number, bytes(10_000)) for number in range(500)])
        await relay.heard(b"PING", from_target=we_are_target, times=MANY)
        assert pull.peers == before
        assert [int((await pull.receive())[0]) for _ in range(500)] == list(range(500))
        assert pull.peers == before
        assert_accounted_for(pull)


#: A peer whose answers the machine keeps waiting for less than a second is not given up.
BUSY: Final = ConnectionOptions(heartbeat_interval=0.3, heartbeat_timeout=1.0, send_hwm=None)


async def test_a_libzmq_that_does_not_read_is_left_alone(libzmq: Libzmq) -> None:
    """With its queue full it reads no PING; its kernel goes on, so it is busy and not dead."""
    theirs = await libzmq.open("PULL", RCVHWM=1)
    async with trio_mq.Push(**BUSY) as push:
        await theirs.connect(await push.bind(TCP))
        await push.wait_for_peers()
        (peer,) = push.peers
        for number in range(10):
            await push.send(b"%d" % number)
        await acquitted(push, times=2)
        assert await theirs.receive_many(10) == [(b"%d" % number,) for number in range(10)]
        assert push.peers == (peer,)
        assert_accounted_for(push)


def heartbeat_of(ours: trio_mq.Socket) -> Heartbeat:
    """Return what keeps the time of the only connection."""
    (link,) = ours._members.links.values()
    heartbeat = link._pulse.heartbeat  # type: ignore[attr-defined]
    assert isinstance(heartbeat, Heartbeat)
    return heartbeat


async def acquitted(ours: trio_mq.Socket, *, times: int) -> None:
    """Wait until the silence of the only peer was found to be no death, so often."""
    verdicts: set[float] = set()
    while len(verdicts) <= times:
        verdicts.add(heartbeat_of(ours)._reprieve)
        await trio.testing.wait_all_tasks_blocked(0.01)


async def freeze_between_pings(program: Libzmq, ours: trio_mq.Socket) -> None:
    """Stop a program that owes us no PONG, and won't for a while: else it counts as hanging."""
    heartbeat = heartbeat_of(ours)
    program.stop()
    while heartbeat._asked or heartbeat.due or heartbeat._next_ping < trio.current_time() + 0.1:
        program.resume()
        await trio.testing.wait_all_tasks_blocked(0.01)
        program.stop()


async def test_a_subscriber_that_froze_under_a_flood_gets_what_was_written_for_it(
    programs: Programs,
) -> None:
    """Nothing that counts as written is thrown away by a heartbeat."""
    program = await programs.start()
    theirs = await program.open("SUB", RCVHWM=0, SUBSCRIBE=b"")
    async with trio_mq.Pub(**BUSY) as pub:
        await theirs.connect(await pub.bind(TCP))
        await pub.wait_for_subscribers()
        await freeze_between_pings(program, pub)
        for number in range(1000):
            await pub.send((b"%d" % number, bytes(10_000)))
        await acquitted(pub, times=2)
        program.resume()
        got = [message[0] for message in await theirs.receive_many(1000)]
        assert got == [b"%d" % number for number in range(1000)]
