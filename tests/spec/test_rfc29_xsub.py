"""RFC 29, the XSUB socket type: what it has beyond SUB; the rest is tested with SUB."""

from __future__ import annotations

import pytest

from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, eventually, opened
from tests.spec.raw_peer import raw_server
from trio_mq import DropReason, XPub, XSub


async def test_the_two_directions_are_queued_independently(place: str) -> None:
    """It shall maintain a double queue for each connected publisher."""
    async with (
        XSub(**NARROW) as xsub,
        XPub(connect=await xsub.bind(place), **NARROW) as xpub,
    ):
        xsub.subscribe("")
        assert await xpub.receive() == (b"\1",)
        while not xsub.statistics().dropped:
            await xsub.send([b"\2", LARGE])
        for number in range(5):
            await xpub.send(b"%d" % number)
            assert await xsub.receive() == (b"%d" % number,)


async def test_a_connecting_xsub_keeps_its_queue_between_connections(unbound: str) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with XSub(connect=unbound) as xsub:
        await xsub.send([b"\2", b"before there was one"])
        async with XPub(bind=unbound) as xpub:
            assert await xpub.receive() == (b"\2", b"before there was one")


async def test_what_waits_for_a_departed_publisher_is_discarded(place: str) -> None:
    """If an accepted publisher disconnects, the messages in its queue shall be discarded."""
    async with XSub(**NARROW) as xsub:
        async with XPub(connect=await xsub.bind(place), **NARROW):
            await xsub.wait_for_peers()
            (connection,) = xsub.peers
            while not xsub.statistics().dropped:
                await xsub.send([b"\2", LARGE])
        await connection.wait_closed()
        assert xsub.statistics().waiting_to_send == 0
        assert xsub.statistics().dropped[DropReason.PEER_LEFT] == 1


async def test_outgoing_messages_go_to_all_publishers_unchanged(place: str) -> None:
    """It shall not modify outgoing messages, and send them to all connected publishers."""
    frames = (b"\2", b"", b"x" * 70_000, b"")
    async with XSub() as xsub:
        endpoint = await xsub.bind(place)
        async with opened([XPub(connect=endpoint) for _ in range(3)]) as xpubs:
            await xsub.wait_for_peers(3)
            await xsub.send(frames)
            for xpub in xpubs:
                assert await xpub.receive() == frames


async def test_a_message_for_a_full_publisher_is_dropped(place: str) -> None:
    """It shall silently drop the message if the outgoing queue for a publisher is full."""
    async with XSub(**NARROW) as xsub:
        endpoint = await xsub.bind(place)
        async with XPub(connect=endpoint, **NARROW), XPub(connect=endpoint) as quick:
            await xsub.wait_for_peers(2)
            for number in range(6):
                await xsub.send([b"\2", b"%d" % number, LARGE])
                assert (await quick.receive())[1] == b"%d" % number
            assert xsub.statistics().dropped[DropReason.HIGH_WATER_MARK] >= 4


async def test_an_xsub_never_blocks(place: str) -> None:
    """It shall not block on sending: with nobody there, or with nobody who reads."""
    async with XSub(**NARROW) as xsub:
        endpoint = await xsub.bind(place)
        xsub.send_nowait([b"\2", b"nobody"])
        assert xsub.statistics().dropped == {DropReason.NO_PEER: 1}
        async with XPub(connect=endpoint, **NARROW):
            await xsub.wait_for_peers()
            for _ in range(20):
                xsub.send_nowait([b"\2", LARGE])


async def test_subscription_commands_are_messages_of_one_frame(place: str) -> None:
    """It shall accept subscription commands from its calling application."""
    async with XPub() as xpub, XSub(connect=await xpub.bind(place)) as xsub:
        await xsub.send(b"\1A")
        assert await xpub.receive() == (b"\1A",)
        await xpub.send(b"A1")
        assert await xsub.receive() == (b"A1",)
        await xsub.send(b"\0A")
        assert await xpub.receive() == (b"\0A",)


@pytest.mark.parametrize(
    ("version", "wanted", "cancelled"),
    [
        (b"\3\1", b"\4\x0b\x09SUBSCRIBEA", b"\4\x08\x06CANCELA"),
        (b"\3\0", b"\0\2\1A", b"\0\2\0A"),
    ],
    ids=["3.1", "3.0"],
)
async def test_subscriptions_are_sent_in_the_form_of_the_protocol(
    version: bytes, wanted: bytes, cancelled: bytes
) -> None:
    """It shall send subscribe and unsubscribe requests depending on the protocol used."""
    async with (
        raw_server() as server,
        XSub(connect=server.endpoint) as xsub,
        server.accept() as peer,
    ):
        await peer.shake_hands(b"XPUB", version=version)
        xsub.subscribe("A")
        await peer.expect(wanted)
        xsub.unsubscribe("A")
        await peer.expect(cancelled)


@departs(Departure.CLOSING_IS_UNSUBSCRIBING)
async def test_closing_a_connection_ends_its_subscriptions(place: str) -> None:
    """When closing a connection it should send unsubscribe requests for all subscriptions."""
    async with XPub() as xpub:
        endpoint = await xpub.bind(place)
        async with XSub(connect=endpoint) as xsub:
            xsub.subscribe("A")
            assert await xpub.receive() == (b"\1A",)
            await xsub.disconnect(endpoint)
            assert await xpub.receive() == (b"\0A",)
            await eventually(lambda: not xpub.peers)
