"""Subscriptions come and go on either side, by the thousand, and always mean the same to both."""

from __future__ import annotations

from typing import Final

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Libzmq, LibzmqSocket
from tests.interop.pairs import Link, join

each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
TCP: Final = "tcp://127.0.0.1:*"
LONG_TOPICS: Final = [
    bytes([count % 256]) * count for count in (1, 244, 245, 246, 254, 255, 256, 4096)
]
MANY_TOPICS: Final = [b"topic %d" % number for number in range(5000)]


async def libzmq_publisher(libzmq: Libzmq, **options: bytes | int) -> tuple[LibzmqSocket, str]:
    """Bind an XPUB of libzmq, which says what it hears."""
    theirs = await libzmq.open("XPUB", **options)
    return theirs, await theirs.bind(TCP)


async def wait_until_unsubscribed(events: trio_mq.EventStream, topic: bytes) -> None:
    """Wait until a peer has cancelled a topic."""
    async for event in events:
        if isinstance(event, trio_mq.SubscriptionRemoved) and event.topic == topic:
            return


# -- ours subscribes --


@each_link
async def test_a_libzmq_publisher_sees_each_topic_come_once_and_go_once(
    libzmq: Libzmq, place: str, link: Link
) -> None:
    """We count, as libzmq keeps a set: a topic subscribed twice is sent once."""
    theirs = await libzmq.open("XPUB", XPUB_VERBOSER=1)
    async with trio_mq.Sub(topics=["a", "a", "b"]) as sub:
        await join(sub, theirs, link, place)
        await sub.wait_for_peers()
        sub.unsubscribe("a")
        sub.unsubscribe("b")
        sub.unsubscribe("a")
        seen = await theirs.receive_many(4)
        assert seen == [(b"\x01a",), (b"\x01b",), (b"\x00b",), (b"\x00a",)]


@each_link
async def test_we_receive_what_we_subscribed_to_and_nothing_else(
    libzmq: Libzmq, place: str, link: Link
) -> None:
    """By prefixes of the first frame."""
    theirs = await libzmq.open("XPUB")
    async with trio_mq.Sub(topics=["a", "bc"]) as sub:
        await join(sub, theirs, link, place)
        assert sorted(await theirs.receive_many(2)) == [(b"\x01a",), (b"\x01bc",)]
        for first in [b"a", b"b", b"bc", b"", b"bcd", b"cbc", b"end of bc", b"a end"]:
            await theirs.send(first, b"body")
        got = [(await sub.receive())[0] for _ in range(4)]
        assert got == [b"a", b"bc", b"bcd", b"a end"]
        assert_accounted_for(sub)


async def test_after_unsubscribing_nothing_of_the_topic_is_received(libzmq: Libzmq) -> None:
    """Not even what libzmq sent before it heard of it."""
    theirs, endpoint = await libzmq_publisher(libzmq)
    async with trio_mq.Sub(topics=["a", "b"], connect=endpoint) as sub:
        await theirs.receive_many(2)
        await theirs.send_many([(b"a%d" % number,) for number in range(100)])
        assert await sub.receive() == (b"a0",)
        sub.unsubscribe("a")
        await theirs.send(b"b")
        assert await sub.receive() == (b"b",)
        assert assert_accounted_for(sub).dropped[trio_mq.DropReason.FILTERED] == 99


@pytest.mark.parametrize("topic", LONG_TOPICS, ids=len)
async def test_a_topic_of_any_length_reaches_libzmq(libzmq: Libzmq, topic: bytes) -> None:
    """Around the lengths where the command's frame is written differently."""
    theirs, endpoint = await libzmq_publisher(libzmq)
    async with trio_mq.Sub(topics=topic, connect=endpoint) as sub:
        assert await theirs.receive() == (b"\x01" + topic,)
        await theirs.send(topic + b"!")
        assert await sub.receive() == (topic + b"!",)
        sub.unsubscribe(topic)
        assert await theirs.receive() == (b"\x00" + topic,)


@each_link
async def test_thousands_of_subscriptions_reach_libzmq_beyond_any_limit(
    libzmq: Libzmq, link: Link
) -> None:
    """Subscriptions are state: a high-water mark of one does not stop them."""
    theirs = await libzmq.open("XPUB", RCVHWM=0)
    async with trio_mq.Sub(topics=MANY_TOPICS, send_hwm=1) as sub:
        await join(sub, theirs, link, TCP)
        seen = await theirs.receive_many(len(MANY_TOPICS))
        assert seen == [(b"\x01" + topic,) for topic in MANY_TOPICS]
        await theirs.send(MANY_TOPICS[-1])
        assert await sub.receive() == (MANY_TOPICS[-1],)


async def test_libzmq_sees_the_end_of_a_subscriber(libzmq: Libzmq) -> None:
    """As the end of its subscriptions."""
    theirs, endpoint = await libzmq_publisher(libzmq)
    async with trio_mq.Sub(topics="news", connect=endpoint):
        assert await theirs.receive() == (b"\x01news",)
    assert await theirs.receive() == (b"\x00news",)


async def test_an_xsub_speaks_to_a_libzmq_xpub(libzmq: Libzmq) -> None:
    """Subscriptions as frames that it sends, and messages of its own."""
    theirs, endpoint = await libzmq_publisher(libzmq)
    async with trio_mq.XSub(connect=endpoint) as xsub:
        await xsub.wait_for_peers()
        await xsub.send(b"\x01a")
        await xsub.send([b"hello", b"upstream"])
        assert await theirs.receive() == (b"\x01a",)
        assert await theirs.receive() == (b"hello", b"upstream")
        await theirs.send(b"a!")
        assert await xsub.receive() == (b"a!",)


# -- libzmq subscribes --


@pytest.mark.parametrize("kind", [trio_mq.Pub, trio_mq.XPub])
@each_link
async def test_a_libzmq_subscriber_gets_what_it_asked_for(
    libzmq: Libzmq, place: str, link: Link, kind: type[trio_mq.Pub | trio_mq.XPub]
) -> None:
    """By prefixes of the first frame, filtered before it is sent."""
    theirs = await libzmq.open("SUB", SUBSCRIBE=b"a")
    async with kind() as ours:
        await join(ours, theirs, link, place)
        await theirs.meet_peer()
        await theirs.set(SUBSCRIBE=b"bc")
        await ours.wait_for_subscribers(topic="a")
        await ours.wait_for_subscribers(topic="bc")
        for first in [b"a", b"b", b"bc", b"", b"bcd", b"cbc", b"a end"]:
            await ours.send([first, b"body"])
        got = [frames[0] for frames in await theirs.receive_many(4)]
        assert got == [b"a", b"bc", b"bcd", b"a end"]
        assert_accounted_for(ours)


async def test_a_topic_that_libzmq_cancelled_is_not_sent_to_it(libzmq: Libzmq) -> None:
    """It is dropped where it is published."""
    theirs = await libzmq.open("SUB", SUBSCRIBE=b"a")
    async with trio_mq.Pub() as pub:
        with pub.events() as events:
            await theirs.connect(await pub.bind(TCP))
            await pub.wait_for_subscribers()
            await theirs.set(SUBSCRIBE=b"b")
            await theirs.set(UNSUBSCRIBE=b"a")
            await wait_until_unsubscribed(events, b"a")
        await pub.send(b"a")
        await pub.send(b"b")
        assert await theirs.receive() == (b"b",)
        figures = assert_accounted_for(pub)
        assert (figures.written, figures.dropped) == (1, {trio_mq.DropReason.FILTERED: 1})


@pytest.mark.parametrize("subscriber", ["SUB", "XSUB"])
async def test_our_xpub_sees_libzmq_come_and_go(libzmq: Libzmq, subscriber: str) -> None:
    """One frame each: subscribed, cancelled; and again when the subscriber leaves."""

    async def change(kind: bytes, topic: bytes) -> None:
        if subscriber == "XSUB":
            await theirs.send(kind + topic)
        elif kind == b"\x01":
            await theirs.set(SUBSCRIBE=topic)
        else:
            await theirs.set(UNSUBSCRIBE=topic)

    theirs = await libzmq.open(subscriber)
    async with trio_mq.XPub() as xpub:
        await theirs.connect(await xpub.bind(TCP))
        for kind in (b"\x01", b"\x00", b"\x01"):
            await change(kind, b"a")
            assert await xpub.receive() == (kind + b"a",)
        await theirs.close()
        assert await xpub.receive() == (b"\x00a",)


async def test_our_xpub_receives_what_a_libzmq_xsub_says(libzmq: Libzmq) -> None:
    """Messages pass upstream beside the subscriptions."""
    theirs = await libzmq.open("XSUB")
    async with trio_mq.XPub() as xpub:
        await theirs.connect(await xpub.bind(TCP))
        await theirs.send(b"\x01a")
        assert await xpub.receive() == (b"\x01a",)
        await theirs.send(b"hello", b"downstream")
        assert await xpub.receive() == (b"hello", b"downstream")


@pytest.mark.parametrize("topic", LONG_TOPICS, ids=len)
async def test_a_topic_of_any_length_comes_from_libzmq(libzmq: Libzmq, topic: bytes) -> None:
    """Around the lengths where the command's frame is written differently."""
    theirs = await libzmq.open("SUB", SUBSCRIBE=topic)
    async with trio_mq.XPub() as xpub:
        await theirs.connect(await xpub.bind(TCP))
        assert await xpub.receive() == (b"\x01" + topic,)
        await xpub.send(topic + b"!")
        assert await theirs.receive() == (topic + b"!",)


async def test_thousands_of_libzmq_subscriptions_are_all_kept(libzmq: Libzmq) -> None:
    """Five times as many as a high-water mark of libzmq, which must be lifted for that."""
    theirs = await libzmq.open("XSUB", SNDHWM=0)
    await theirs.send_many([(b"\x01" + topic,) for topic in MANY_TOPICS])
    async with trio_mq.XPub() as xpub:
        await theirs.connect(await xpub.bind(TCP))
        seen = [await xpub.receive() for _ in MANY_TOPICS]
        assert sorted(seen) == sorted((b"\x01" + topic,) for topic in MANY_TOPICS)
        await xpub.send(MANY_TOPICS[-1])
        assert await theirs.receive() == (MANY_TOPICS[-1],)


async def test_each_libzmq_subscriber_gets_its_own_topics(libzmq: Libzmq) -> None:
    """One publisher, three subscribers, one message encoded once for all who want it."""
    subscribers = [await libzmq.open("SUB", SUBSCRIBE=topic) for topic in (b"", b"odd", b"even")]
    async with trio_mq.Pub(send_hwm=None) as pub:
        endpoint = await pub.bind(TCP)
        for subscriber in subscribers:
            await subscriber.connect(endpoint)
        await pub.wait_for_subscribers(3)
        for number in range(1000):
            await pub.send([b"odd" if number % 2 else b"even", b"%d" % number])
            await trio.lowlevel.checkpoint()
        for subscriber, numbers in zip(
            subscribers, [range(1000), range(1, 1000, 2), range(0, 1000, 2)], strict=True
        ):
            got = [int(body) for _, body in await subscriber.receive_many(len(numbers))]
            assert got == list(numbers)
        assert assert_accounted_for(pub).written == 2000
