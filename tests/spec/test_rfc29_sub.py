"""RFC 29, the SUB socket type, and what it shares with XSUB: one test for each demand."""

from __future__ import annotations

import pytest
import trio

from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, arrived, opened, stuff_subscriber
from trio_mq import DropReason, Pub, Sub, XPub, XSub

subscribers = pytest.mark.parametrize("subscriber", [Sub, XSub])
Subscriber = type[Sub | XSub]


@subscribers
async def test_a_subscriber_may_have_pub_and_xpub_peers(place: str, subscriber: Subscriber) -> None:
    """It may be connected to any number of PUB or XPUB publishers."""
    async with subscriber() as sub:
        sub.subscribe("")
        endpoint = await sub.bind(place)
        async with Pub(connect=endpoint) as pub, XPub(connect=endpoint) as xpub:
            for publisher in (pub, xpub):
                await publisher.wait_for_subscribers()
                await publisher.send(b"news")
                assert await sub.receive() == (b"news",)


def test_a_sub_only_receives() -> None:
    """It shall only receive messages."""
    assert not issubclass(Sub, trio.abc.SendChannel)
    assert not hasattr(Sub, "send")


@subscribers
async def test_each_publisher_has_a_queue_of_its_own(subscriber: Subscriber) -> None:
    """It shall maintain an incoming queue for each connected publisher."""
    async with subscriber(bind="inproc://s", receive_hwm=2) as sub:
        sub.subscribe("")
        async with opened([Pub(connect="inproc://s", send_hwm=1, linger=0) for _ in "12"]) as pubs:
            for pub in pubs:
                for _ in range(5):
                    await pub.send(b"x")
            assert sub.statistics().waiting_to_receive == 2 * 2


@subscribers
async def test_a_connecting_subscriber_keeps_its_queue_between_connections(
    unbound: str, subscriber: Subscriber
) -> None:
    """It shall maintain the queue whether or not the connection is established."""
    async with subscriber(connect=unbound) as sub:
        sub.subscribe("")
        for text in (b"before", b"after"):
            async with Pub(bind=unbound) as pub:
                await pub.wait_for_subscribers()
                await pub.send(text)
        assert [await sub.receive() for _ in range(2)] == [(b"before",), (b"after",)]


@departs(Departure.UNREAD_STAYS_READABLE)
@subscribers
async def test_what_a_departed_publisher_sent_stays_readable(
    place: str, subscriber: Subscriber
) -> None:
    """If an accepted publisher disconnects, its queue shall be destroyed."""
    async with subscriber() as sub:
        sub.subscribe("")
        async with Pub(connect=await sub.bind(place)) as pub:
            await pub.wait_for_subscribers()
            await pub.send(b"my last words")
            (connection,) = sub.peers
        await connection.wait_closed()
        assert sub.receive_nowait() == (b"my last words",)


@subscribers
async def test_the_queues_have_limits_that_can_be_set(subscriber: Subscriber) -> None:
    """It should constrain queue sizes to a configurable limit."""
    async with (
        subscriber(bind="inproc://s", receive_hwm=3) as sub,
        Pub(connect="inproc://s", send_hwm=4, linger=0) as pub,
    ):
        sub.subscribe("")
        for _ in range(10):
            await pub.send(b"x")
        assert sub.statistics().waiting_to_receive == 3
        assert pub.statistics().waiting_to_send == 4


@departs(Departure.FULL_SUBSCRIBER_STOPS_READING)
@subscribers
async def test_a_full_subscriber_leaves_it_to_the_publisher_what_to_drop(
    place: str, subscriber: Subscriber
) -> None:
    """It shall silently discard messages if the queue for a publisher is full."""
    async with subscriber(**NARROW) as sub:
        sub.subscribe("")
        async with Pub(connect=await sub.bind(place), **NARROW) as pub:
            await pub.wait_for_subscribers()
            await stuff_subscriber(pub)
            assert await sub.receive() == (LARGE,)
            assert not sub.statistics().dropped
            assert pub.statistics().dropped == {DropReason.HIGH_WATER_MARK: 1}


@subscribers
async def test_messages_are_received_from_all_publishers_in_turn(
    place: str, subscriber: Subscriber
) -> None:
    """It shall receive incoming messages from its publishers using a fair-queuing strategy."""
    async with subscriber() as sub:
        sub.subscribe("")
        endpoint = await sub.bind(place)
        async with opened([Pub(connect=endpoint) for _ in range(3)]) as pubs:
            for number, pub in enumerate(pubs):
                await pub.wait_for_subscribers()
                for _ in range(4):
                    await pub.send(b"%d" % number)
            await arrived(sub, 12)
            for _ in range(4):
                assert sorted([bytes(await sub.receive()) for _ in pubs]) == [b"0", b"1", b"2"]


@subscribers
async def test_incoming_messages_are_delivered_unchanged(
    place: str, subscriber: Subscriber
) -> None:
    """It shall not modify incoming messages in any way, and deliver them to its application."""
    frames = (b"A", b"", b"\0" * 70_000, b"")
    async with subscriber() as sub, Pub(connect=await sub.bind(place)) as pub:
        sub.subscribe("A")
        await pub.wait_for_subscribers()
        await pub.send(frames)
        assert await sub.receive() == frames


async def test_a_sub_filters_what_it_did_not_ask_for(place: str) -> None:
    """It may filter messages according to subscriptions, using a prefix match algorithm."""
    async with (
        Sub(topics=["AB", "C"]) as sub,
        Pub(connect=await sub.bind(place)) as pub,
    ):
        await pub.wait_for_subscribers(topic=b"C")
        for text in (b"A", b"AB", b"B", b"ABC", b"", b"C"):
            await pub.send(text)
        assert [bytes(await sub.receive()) for _ in range(3)] == [b"AB", b"ABC", b"C"]


async def test_a_sub_without_topics_receives_nothing(place: str) -> None:
    """It may filter: without any subscription everything is filtered."""
    async with Sub() as sub, Pub(connect=await sub.bind(place)) as pub:
        await pub.wait_for_peers()
        await pub.send(b"unheard")
        sub.subscribe("heard")
        await pub.wait_for_subscribers()
        await pub.send(b"heard")
        assert await sub.receive() == (b"heard",)


@subscribers
async def test_subscriptions_are_sent_to_publishers(place: str, subscriber: Subscriber) -> None:
    """It may send subscribe and unsubscribe requests to publishers: now, and to later ones."""
    async with subscriber() as sub:
        sub.subscribe("early")
        endpoint = await sub.bind(place)
        async with opened([XPub(connect=endpoint) for _ in range(2)]) as xpubs:
            for xpub in xpubs:
                assert await xpub.receive() == (b"\1early",)
            sub.subscribe("late")
            sub.unsubscribe("early")
            for xpub in xpubs:
                assert [await xpub.receive() for _ in range(2)] == [(b"\1late",), (b"\0early",)]
