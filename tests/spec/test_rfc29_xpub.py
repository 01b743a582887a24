"""RFC 29, the XPUB socket type: what it has beyond PUB; the rest is tested with PUB."""

from __future__ import annotations

import pytest

from tests.spec.departures import Departure, departs
from tests.spec.meeting import NARROW, arrived, eventually, opened, stuff_subscriber, would_block
from tests.spec.raw_peer import raw_client
from trio_mq import Sub, XPub, XSub


async def test_an_xpub_sends_and_receives(place: str) -> None:
    """It may both send and receive messages."""
    async with XPub() as xpub, XSub(connect=await xpub.bind(place)) as xsub:
        xsub.subscribe("A")
        assert await xpub.receive() == (b"\1A",)
        await xsub.send([b"\2", b"upstream"])
        assert await xpub.receive() == (b"\2", b"upstream")
        await xpub.send(b"A downstream")
        assert await xsub.receive() == (b"A downstream",)


async def test_the_two_directions_are_queued_independently(place: str) -> None:
    """It shall maintain a double queue for each connected subscriber."""
    async with (
        XPub(**NARROW) as xpub,
        XSub(connect=await xpub.bind(place), **NARROW) as xsub,
    ):
        xsub.subscribe("")
        assert await xpub.receive() == (b"\1",)
        await stuff_subscriber(xpub)
        for number in range(5):
            await xsub.send([b"\2", b"%d" % number])
            assert await xpub.receive() == (b"\2", b"%d" % number)


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_what_a_departed_subscriber_sent_stays_readable(place: str) -> None:
    """If an accepted subscriber disconnects, its queue shall be destroyed."""
    async with XPub() as xpub:
        async with XSub(connect=await xpub.bind(place)) as xsub:
            await xpub.wait_for_peers()
            (connection,) = xpub.peers
            await xsub.send([b"\2", b"my last words"])
            await xsub.drain()
            await eventually(lambda: xpub.statistics().decoded == 1)
        await connection.wait_closed()
        assert xpub.receive_nowait() == (b"\2", b"my last words")


async def test_messages_are_received_from_all_subscribers_in_turn(place: str) -> None:
    """It shall receive incoming messages from its subscribers using a fair-queuing strategy."""
    async with XPub() as xpub:
        endpoint = await xpub.bind(place)
        async with opened([XSub(connect=endpoint) for _ in range(3)]) as xsubs:
            for number, xsub in enumerate(xsubs):
                await xsub.wait_for_peers()
                for _ in range(4):
                    await xsub.send([b"\2", b"%d" % number])
            await arrived(xpub, 12)
            for _ in range(4):
                turn = sorted([(await xpub.receive())[1] for _ in xsubs])
                assert turn == [b"0", b"1", b"2"]


async def test_messages_of_subscribers_are_delivered(place: str) -> None:
    """It shall deliver these messages to its calling application, unchanged."""
    frames = (b"\2", b"", b"x" * 70_000, b"")
    async with XPub() as xpub, XSub(connect=await xpub.bind(place)) as xsub:
        await xsub.wait_for_peers()
        await xsub.send(frames)
        assert await xpub.receive() == frames


@pytest.mark.parametrize(
    ("version", "wanted", "cancelled"),
    [
        (b"\3\1", b"\4\x0b\x09SUBSCRIBEA", b"\4\x08\x06CANCELA"),
        (b"\3\0", b"\0\2\1A", b"\0\2\0A"),
        (b"\3\1", b"\0\2\1A", b"\0\2\0A"),
    ],
    ids=["commands", "messages of an older peer", "messages of a newer peer"],
)
async def test_subscriptions_are_delivered_whatever_their_form(
    version: bytes, wanted: bytes, cancelled: bytes
) -> None:
    """It shall receive subscribe and unsubscribe requests, and deliver these commands."""
    async with XPub() as xpub, raw_client(await xpub.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"SUB", version=version)
        await peer.send(wanted)
        assert await xpub.receive() == (b"\1A",)
        await peer.send(cancelled)
        assert await xpub.receive() == (b"\0A",)


async def test_identical_subscriptions_are_delivered_once(place: str) -> None:
    """It may normalize commands, so that identical subscriptions result in a single one."""
    async with XPub() as xpub:
        endpoint = await xpub.bind(place)
        async with opened([XSub(connect=endpoint) for _ in range(2)]) as (one, two):
            one.subscribe("A")
            assert await xpub.receive() == (b"\1A",)
            two.subscribe("A")
            two.subscribe("B")
            assert await xpub.receive() == (b"\1B",)
            one.unsubscribe("A")
            two.unsubscribe("B")
            assert await xpub.receive() == (b"\0B",)
            two.unsubscribe("A")
            assert await xpub.receive() == (b"\0A",)


async def test_they_are_all_delivered_if_configured(place: str) -> None:
    """It may normalize, depending on configuration."""
    async with XPub(verbose="all") as xpub:
        endpoint = await xpub.bind(place)
        async with opened([XSub(connect=endpoint) for _ in range(2)]) as xsubs:
            for change in (b"\1A", b"\0A"):
                for xsub in xsubs:
                    await xsub.wait_for_peers()
                    await xsub.send(change)
                    assert await xpub.receive() == (change,)


async def test_a_departing_subscriber_is_unsubscribed(place: str) -> None:
    """It shall generate unsubscribe requests for a subscriber that disconnects prematurely."""
    async with XPub() as xpub:
        async with Sub(connect=await xpub.bind(place), topics=["A", "B"]):
            assert {await xpub.receive(), await xpub.receive()} == {b"\1A", b"\1B"}
        assert {await xpub.receive(), await xpub.receive()} == {b"\0A", b"\0B"}
        assert would_block(xpub.receive_nowait)
