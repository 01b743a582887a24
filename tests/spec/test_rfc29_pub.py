"""RFC 29, the PUB socket type, and what it shares with XPUB: one test for each demand."""

from __future__ import annotations

import pytest
import trio

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, eventually, opened, would_block
from tests.spec.raw_peer import raw_client
from trio_mq import DropReason, Pub, Sub, XPub, XSub

publishers = pytest.mark.parametrize("publisher", [Pub, XPub])


@publishers
async def test_a_publisher_may_have_sub_and_xsub_peers(
    place: str, publisher: type[Pub | XPub]
) -> None:
    """It may be connected to any number of SUB or XSUB subscribers."""
    async with publisher() as pub:
        endpoint = await pub.bind(place)
        async with Sub(connect=endpoint, topics="") as sub, XSub(connect=endpoint) as xsub:
            xsub.subscribe("")
            await pub.wait_for_subscribers(2)
            await pub.send(b"news")
            assert await sub.receive() == await xsub.receive() == (b"news",)


def test_a_pub_only_sends() -> None:
    """It shall only send messages."""
    assert not issubclass(Pub, trio.abc.ReceiveChannel)
    assert not hasattr(Pub, "receive")


@publishers
async def test_each_subscriber_has_a_queue_of_its_own(
    place: str, publisher: type[Pub | XPub]
) -> None:
    """It shall maintain a queue for each connected subscriber: a full one is alone with it."""
    async with publisher(**NARROW) as pub:
        endpoint = await pub.bind(place)
        async with (
            Sub(connect=endpoint, topics="", **NARROW),
            Sub(connect=endpoint, topics="") as quick,
        ):
            await pub.wait_for_subscribers(2)
            for number in range(10):
                await pub.send([b"%d" % number, LARGE])
                assert (await quick.receive())[0] == b"%d" % number
            assert pub.statistics().dropped[DropReason.HIGH_WATER_MARK] >= 8


@publishers
async def test_a_connecting_publisher_keeps_its_queue_between_connections(
    unbound: str, publisher: type[Pub | XPub]
) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with publisher(connect=unbound) as pub:
        async with Sub(bind=unbound, topics="A"):
            await pub.wait_for_subscribers()
            (connection,) = pub.peers
        await connection.wait_closed()
        await pub.send(b"A while you were out")
        async with Sub(bind=unbound, topics="A") as sub:
            assert await sub.receive() == (b"A while you were out",)


@publishers
async def test_a_new_connection_begins_without_the_subscriptions_of_the_last(
    unbound: str, publisher: type[Pub | XPub]
) -> None:
    """It shall maintain the queue; what its subscriber wants is asked at each connection."""
    async with publisher(connect=unbound) as pub:
        async with XSub(bind=unbound) as xsub:
            xsub.subscribe("A")
            await pub.wait_for_subscribers(topic=b"A")
            (connection,) = pub.peers
        await connection.wait_closed()
        async with XSub(bind=unbound) as xsub:
            xsub.subscribe("B")
            await pub.wait_for_subscribers(topic=b"B")
            for text in (b"A", b"B"):
                await pub.send(text)
            assert await xsub.receive() == (b"B",)


@publishers
async def test_a_subscription_that_came_twice_is_cancelled_at_once(
    publisher: type[Pub | XPub],
) -> None:
    """It shall receive subscribe and unsubscribe requests: a set of them for each subscriber."""
    async with publisher() as pub, raw_client(await pub.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"SUB")
        await peer.send(b"\4\x0b\x09SUBSCRIBEA" * 2 + b"\4\x08\x06CANCELA")
        await peer.send(b"\4\x0b\x09SUBSCRIBEB")
        await pub.wait_for_subscribers(topic=b"B")
        for text in (b"A", b"B"):
            await pub.send(text)
        await peer.expect(b"\0\1B")


@publishers
async def test_what_waits_for_a_departed_subscriber_is_discarded(
    place: str, publisher: type[Pub | XPub]
) -> None:
    """If an accepted subscriber disconnects, the messages in its queue shall be discarded."""
    async with publisher(**NARROW) as pub:
        async with Sub(connect=await pub.bind(place), topics="", **NARROW):
            await pub.wait_for_subscribers()
            (connection,) = pub.peers
            while not pub.statistics().dropped:
                await pub.send(LARGE)
        await connection.wait_closed()
        assert pub.statistics().waiting_to_send == 0
        assert pub.statistics().dropped[DropReason.PEER_LEFT] == 1


@publishers
async def test_the_queues_have_limits_that_can_be_set(publisher: type[Pub | XPub]) -> None:
    """It should constrain queue sizes to a configurable limit."""
    async with (
        publisher(bind="inproc://p", send_hwm=3, linger=0) as pub,
        Sub(connect="inproc://p", topics="", receive_hwm=4) as sub,
    ):
        for _ in range(10):
            await pub.send(b"x")
        assert pub.statistics().waiting_to_send == 3
        assert sub.statistics().waiting_to_receive == 4


async def test_what_subscribers_send_to_a_pub_is_discarded(place: str) -> None:
    """It shall silently discard any messages that subscribers send it."""
    async with Pub() as pub, XSub(connect=await pub.bind(place)) as xsub:
        xsub.subscribe("")
        await pub.wait_for_subscribers()
        await xsub.send([b"\2", b"dear publisher"])
        await eventually(lambda: pub.statistics().decoded == 1)
        assert pub.statistics().dropped == {DropReason.FILTERED: 1}
        await pub.send(b"still here")
        assert await xsub.receive() == (b"still here",)


@publishers
async def test_outgoing_messages_are_not_modified(place: str, publisher: type[Pub | XPub]) -> None:
    """It shall not modify outgoing messages in any way."""
    frames = (b"", b"\0\1", b"x" * 70_000, b"")
    async with publisher() as pub, Sub(connect=await pub.bind(place), topics="") as sub:
        await pub.wait_for_subscribers()
        await pub.send(frames)
        assert await sub.receive() == frames


@publishers
async def test_only_matching_subscribers_get_a_message(
    place: str, publisher: type[Pub | XPub]
) -> None:
    """It may send messages only to subscribers who have a matching subscription."""
    async with publisher() as pub:
        endpoint = await pub.bind(place)
        async with opened([XSub(connect=endpoint), XSub(connect=endpoint)]) as (one, two):
            one.subscribe("A")
            two.subscribe("B")
            await pub.wait_for_subscribers(2)
            await pub.send(b"B1")
            await pub.send(b"A1")
            assert (await one.receive(), await two.receive()) == ((b"A1",), (b"B1",))


@publishers
@pytest.mark.parametrize(
    ("topic", "matching", "other"),
    [
        (b"A", [b"ABC", b"C"], [b"BA", b"A"]),
        (b"\0\xff", [b"\0\xff\1"], [b"\0\xfe"]),
        (b"AB", [b"AB"], [b"A", b"B"]),
        (b"a", [b"a"], [b"A"]),
    ],
)
async def test_a_subscription_is_compared_with_the_start_of_the_first_frame(
    publisher: type[Pub | XPub], topic: bytes, matching: list[bytes], other: list[bytes]
) -> None:
    """It shall perform a binary comparison against the start of the first frame."""
    async with publisher(bind="inproc://p") as pub, XSub(connect="inproc://p") as xsub:
        xsub.subscribe(topic)
        for message in (other, matching):
            await pub.send(message)
        assert xsub.receive_nowait() == tuple(matching)
        assert would_block(xsub.receive_nowait)


@departs(Departure.DROPS_ARE_VISIBLE)
async def test_a_message_for_a_full_subscriber_is_dropped() -> None:
    """It shall silently drop the message if the queue for a subscriber is full."""
    async with (
        Pub(bind="inproc://p", send_hwm=1, linger=0) as pub,
        Sub(connect="inproc://p", topics="", receive_hwm=1) as sub,
    ):
        with pub.events() as events:
            for number in range(3):
                await pub.send(b"%d" % number)
            (peer,) = pub.peers
            reason = DropReason.HIGH_WATER_MARK
            assert await events.receive() == trio_mq.Dropped(peer=peer, reason=reason, count=1)
        assert [await sub.receive() for _ in range(2)] == [(b"0",), (b"1",)]


@publishers
async def test_a_publisher_never_blocks(place: str, publisher: type[Pub | XPub]) -> None:
    """It shall not block on sending: with nobody there, or with nobody who reads."""
    async with publisher(**NARROW) as pub:
        endpoint = await pub.bind(place)
        pub.send_nowait(b"nobody")
        assert pub.statistics().dropped == {DropReason.NO_PEER: 1}
        async with Sub(connect=endpoint, topics="", **NARROW):
            await pub.wait_for_subscribers()
            for _ in range(20):
                pub.send_nowait(LARGE)


@departs(Departure.PUBLISHER_MAY_BLOCK)
@publishers
async def test_a_publisher_that_blocks_loses_nothing(
    place: str, publisher: type[Pub | XPub]
) -> None:
    """It shall not block on sending."""
    async with publisher(on_full="block", send_hwm=2) as pub, trio.open_nursery() as nursery:
        async with Sub(connect=await pub.bind(place), topics="", receive_hwm=2) as sub:
            await pub.wait_for_subscribers()

            async def publish() -> None:
                for number in range(100):
                    await pub.send(b"%d" % number)

            nursery.start_soon(publish)
            for number in range(100):
                assert await sub.receive() == (b"%d" % number,)
        assert not pub.statistics().dropped


@publishers
async def test_subscriptions_come_as_commands_or_as_messages(
    publisher: type[Pub | XPub],
) -> None:
    """It shall receive subscribe and unsubscribe requests depending on the protocol used."""
    async with publisher() as pub:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        async with raw_client(endpoint) as new, raw_client(endpoint) as old:
            await new.shake_hands(b"SUB", version=b"\3\1")
            await new.send(b"\4\x0b\x09SUBSCRIBEA" + b"\4\x0b\x09SUBSCRIBEB" + b"\4\x08\x06CANCELA")
            await old.shake_hands(b"SUB", version=b"\3\0")
            await old.send(b"\0\2\1A" + b"\0\2\1B" + b"\0\2\0A")
            for peer in (new, old):
                await peer.send(b"\4\x0b\x09SUBSCRIBEC" if peer is new else b"\0\2\1C")
            await pub.wait_for_subscribers(2, topic=b"C")
            await pub.send(b"A")
            await pub.send(b"B")
            for peer in (new, old):
                await peer.expect(b"\0\1B")


async def test_subscriptions_are_not_delivered_to_the_application(place: str) -> None:
    """It shall not deliver these commands to its calling application: they are no messages."""
    async with Pub() as pub, Sub(connect=await pub.bind(place), topics=["A", "B"]) as sub:
        await pub.wait_for_subscribers(topic=b"B")
        sub.unsubscribe("A")
        await pub.send(b"B")
        assert await sub.receive() == (b"B",)
        assert pub.statistics().decoded == 0
