"""libzmq's tests of publishing and subscribing, ported; each is named for its original."""

from __future__ import annotations

import pytest
import trio

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import fill_publisher, next_of, opened, would_block
from tests.spec.raw_peer import raw_client, raw_server
from trio_mq import Pub, Sub, XPub, XSub

SUBSCRIBE_A = {b"\3\1": b"\4\x0b\x09SUBSCRIBEA", b"\3\0": b"\0\2\1A"}
CANCEL_A = {b"\3\1": b"\4\x08\x06CANCELA", b"\3\0": b"\0\2\0A"}
versions = pytest.mark.parametrize("version", [b"\3\1", b"\3\0"], ids=["3.1", "3.0"])
subscribers = pytest.mark.parametrize(
    ("socket_type", "name"), [(Sub, b"SUB"), (XSub, b"XSUB")], ids=["SUB", "XSUB"]
)


@versions
@subscribers
@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
async def test_mock_pub_sub_of_a_subscriber_that_connects(
    version: bytes, socket_type: type[Sub | XSub], name: bytes, *, early: bool
) -> None:
    """What a subscriber sends to a publisher made of bytes, and that it hears it."""
    async with raw_server() as server, socket_type(connect=server.endpoint) as sub:
        if early:
            sub.subscribe("A")
        async with server.accept() as peer:
            await peer.shake_hands(b"XPUB", version=version)
            assert peer.their_ready[2:].startswith(
                b"\5READY\x0bSocket-Type\0\0\0" + bytes([len(name)])
            )
            if not early:
                sub.subscribe("A")
            await peer.expect(SUBSCRIBE_A[version])
            await peer.send(b"\0\4ALOL")
            assert await sub.receive() == (b"ALOL",)
            sub.unsubscribe("A")
            await peer.expect(CANCEL_A[version])


@versions
@subscribers
async def test_mock_pub_sub_of_a_subscriber_that_binds(
    version: bytes, socket_type: type[Sub | XSub], name: bytes
) -> None:
    """The same from a bound socket, which sends without being asked to receive."""
    async with socket_type() as sub:
        sub.subscribe("A")
        async with raw_client(await sub.bind("tcp://127.0.0.1:*")) as peer:
            await peer.shake_hands(b"PUB", version=version)
            assert name in peer.their_ready
            await peer.expect(SUBSCRIBE_A[version])
            await peer.send(b"\0\4ALOL")
            assert await sub.receive() == (b"ALOL",)


@versions
async def test_mock_pub_sub_of_a_publisher(version: bytes) -> None:
    """An XPUB takes the subscription of a subscriber made of bytes, and publishes to it."""
    async with XPub() as xpub, raw_client(await xpub.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"SUB", version=version)
        await peer.send(SUBSCRIBE_A[version])
        assert await xpub.receive() == (b"\1A",)
        await xpub.send(b"ALOL")
        await peer.expect(b"\0\4ALOL")
        await peer.send(CANCEL_A[version])
        assert await xpub.receive() == (b"\0A",)


async def test_sub_forward(place: str) -> None:
    """A forwarder by hand: a subscription goes up through it, and a message comes down."""
    async with (
        XPub() as xpub,
        XSub() as xsub,
        Pub(connect=await xsub.bind(place.replace("meeting", "up"))) as pub,
        Sub(connect=await xpub.bind(place), topics="") as sub,
    ):
        await xsub.wait_for_peers()
        await xsub.send(await xpub.receive())
        await pub.wait_for_subscribers()
        await pub.send(b"")
        await xpub.send(await xsub.receive())
        assert await sub.receive() == (b"",)


@pytest.mark.parametrize("length", [245, 246, 255, 256, 1000])
async def test_xpub_topic(place: str, length: int) -> None:
    """A topic whose command crosses the limit between short and long frames arrives whole."""
    topic = b"x" * length
    async with XPub() as xpub, Sub(connect=await xpub.bind(place)) as sub:
        sub.subscribe(topic)
        assert await xpub.receive() == (b"\1" + topic,)
        sub.unsubscribe(topic)
        assert await xpub.receive() == (b"\0" + topic,)


@departs(Departure.SUBSCRIPTION_SENT_ONCE)
async def test_xpub_verbose_one_sub(place: str) -> None:
    """A verbose XPUB sees each subscribe of one SUB, duplicates too."""
    async with XPub(verbose="subscribe") as xpub, Sub(connect=await xpub.bind(place)) as sub:
        for topic in ("A", "B", "A"):
            sub.subscribe(topic)
        sub.subscribe("end")
        received = [await xpub.receive() for _ in range(3)]
        assert received == [(b"\1A",), (b"\1B",), (b"\1end",)]


@pytest.mark.parametrize(
    ("verbose", "seen"),
    [("none", [b"\1A", b"\1B"]), ("subscribe", [b"\1A", b"\1A", b"\1B"])],
)
async def test_xpub_verbose_two_subs(
    place: str, verbose: trio_mq.Verbosity, seen: list[bytes]
) -> None:
    """The subscribe of a second SUB to the same topic is seen if verbose, and else not."""
    async with XPub(verbose=verbose) as xpub:
        endpoint = await xpub.bind(place)
        async with opened([Sub(connect=endpoint) for _ in range(2)]) as (one, two):
            one.subscribe("A")
            await xpub.wait_for_subscribers(1, topic=b"A")
            two.subscribe("A")
            two.subscribe("B")
            assert [bytes(await xpub.receive()) for _ in seen] == seen


@pytest.mark.parametrize(
    ("verbose", "seen"), [("none", [b"\0A"]), ("subscribe", [b"\0A"]), ("all", [b"\0A", b"\0A"])]
)
async def test_xpub_verboser(place: str, verbose: trio_mq.Verbosity, seen: list[bytes]) -> None:
    """Of two SUBs that unsubscribe only the last is seen, unless everything is."""
    async with XPub(verbose=verbose) as xpub:
        endpoint = await xpub.bind(place)
        async with opened([Sub(connect=endpoint, topics="A") for _ in range(2)]) as (one, two):
            await xpub.wait_for_subscribers(2)
            for _ in range(1 if verbose == "none" else 2):
                assert await xpub.receive() == (b"\1A",)
            with xpub.events() as events:
                one.unsubscribe("A")
                await next_of(events, trio_mq.SubscriptionRemoved)
            two.unsubscribe("A")
            two.subscribe("end")
            assert [bytes(await xpub.receive()) for _ in [*seen, 0]] == [*seen, b"\1end"]


@departs(Departure.UNKNOWN_UNSUBSCRIBE_IS_AN_ERROR)
async def test_xpub_verbose_unmatched_unsubscribe(place: str) -> None:
    """An unsubscribe without a subscribe is never sent, whatever the XPUB wants to see."""
    async with XPub(verbose="all") as xpub:
        endpoint = await xpub.bind(place)
        async with Sub(connect=endpoint) as sub, XSub(connect=endpoint) as xsub:
            with pytest.raises(ValueError, match="not subscribed"):
                sub.unsubscribe("A")
            await xsub.send(b"\0A")
            sub.subscribe("B")
            assert await xpub.receive() == (b"\1B",)


async def test_xpub_manual(place: str) -> None:
    """A subscription to A is applied as one to B, and so is its end."""
    async with XPub(manual=True) as xpub, XSub(connect=await xpub.bind(place)) as sub:
        sub.subscribe("A")
        message, peer = await xpub.receive_from()
        assert message.subscription == (True, b"A")
        xpub.accept(peer, "B")
        for text in (b"A", b"B", b"XA"):
            await xpub.send(text)
        assert await sub.receive() == (b"B",)
        sub.unsubscribe("A")
        message, peer = await xpub.receive_from()
        assert message.subscription == (False, b"A")
        xpub.withdraw(peer, "B")
        assert not xpub.statistics().waiting_to_send
        await xpub.send(b"B")
        assert xpub.statistics().dropped[trio_mq.DropReason.FILTERED] == 3


@departs(Departure.NO_LAST_VALUE_CURSOR)
async def test_missing_subscriptions(place: str) -> None:
    """Two subscriptions that are received before one is applied are both applied."""
    async with XPub(manual=True) as xpub:
        endpoint = await xpub.bind(place)
        async with XSub(connect=endpoint) as one, XSub(connect=endpoint) as two:
            one.subscribe("1")
            first = await xpub.receive_from()
            two.subscribe("2")
            second = await xpub.receive_from()
            for message, peer in (first, second):
                assert message.subscription is not None
                xpub.accept(peer, message.subscription[1])
            for text in (b"1", b"2"):
                await xpub.send(text)
            assert (await one.receive(), await two.receive()) == ((b"1",), (b"2",))


async def test_xpub_manual_disconnect(place: str) -> None:
    """A subscriber that leaves is reported for each topic that it asked for, whatever it got."""
    async with XPub(manual=True) as xpub:
        async with Sub(connect=await xpub.bind(place)) as sub:
            for asked, applied in (("A", "XA"), ("B", "XB")):
                sub.subscribe(asked)
                _, peer = await xpub.receive_from()
                xpub.accept(peer, applied)
        assert {await xpub.receive(), await xpub.receive()} == {b"\0A", b"\0B"}
        await xpub.send(b"XA")
        assert xpub.statistics().dropped == {trio_mq.DropReason.NO_PEER: 1}


async def test_xpub_user_message(place: str) -> None:
    """A message of a subscriber that is no subscription is delivered as it is."""
    async with XPub(manual=True) as xpub, XSub(connect=await xpub.bind(place)) as xsub:
        await xsub.wait_for_peers()
        for message in ((b"\2A",), (b"", b"x"), (b"\1A", b"two frames")):
            await xsub.send(message)
            assert await xpub.receive() == message


async def test_xpub_nodrop() -> None:
    """Below the limit all are accepted; at the limit it would block; and all are received."""
    async with (
        XPub(bind="inproc://p", on_full="block", send_hwm=50) as xpub,
        Sub(connect="inproc://p", topics="", receive_hwm=50) as sub,
    ):
        assert fill_publisher(xpub, b"x") == 100
        assert [await sub.receive() for _ in range(100)] == [(b"x",)] * 100
        assert xpub.statistics().waiting_to_send == 0
        xpub.send_nowait(b"again")


async def test_xpub_welcome_msg(place: str) -> None:
    """The welcome is the first message of a SUB that subscribed to it."""
    async with (
        XPub(welcome_message=b"W") as xpub,
        Sub(connect=await xpub.bind(place), topics="W") as sub,
    ):
        await xpub.wait_for_subscribers()
        await xpub.send(b"WW")
        assert [await sub.receive() for _ in range(2)] == [(b"W",), (b"WW",)]


async def test_pub_invert_matching(place: str) -> None:
    """With the option on both sides a subscriber gets exactly what it did not name."""
    async with Pub(invert_matching=True) as pub:
        endpoint = await pub.bind(place)
        async with Sub(connect=endpoint, topics="A", invert_matching=True) as sub:
            await pub.wait_for_subscribers()
            for text in (b"A1", b"B1", b"AB", b"", b"C"):
                await pub.send(text)
            assert [await sub.receive() for _ in range(3)] == [(b"B1",), (b"",), (b"C",)]


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
async def test_hwm_pubsub_defaults(transport: str) -> None:
    """As many as the publisher's mark are sent at once to an idle SUB, and all are received."""
    bind = "inproc://p" if transport == "inproc" else "tcp://127.0.0.1:*"
    async with XPub(send_hwm=100) as xpub, Sub(topics="") as sub:
        await sub.connect(await xpub.bind(bind))
        await xpub.wait_for_subscribers()
        for number in range(100):
            xpub.send_nowait(b"%d" % number)
        assert [bytes(await sub.receive()) for _ in range(100)] == [b"%d" % n for n in range(100)]


async def test_hwm_pubsub_drops_beyond_the_mark() -> None:
    """Beyond the marks of both sides messages are dropped; after reading there is room again."""
    async with (
        Pub(bind="inproc://p", send_hwm=10) as pub,
        Sub(connect="inproc://p", topics="", receive_hwm=10) as sub,
    ):
        for _ in range(2):
            for number in range(25):
                pub.send_nowait(b"%d" % number)
            assert [bytes(sub.receive_nowait()) for _ in range(20)] == [
                b"%d" % n for n in range(20)
            ]
            assert would_block(sub.receive_nowait)


@departs(Departure.PUBLISHER_MAY_BLOCK)
async def test_hwm_pubsub_blocking(place: str) -> None:
    """A publisher that blocks sends three times the mark, and all of it arrives."""
    async with XPub(on_full="block", send_hwm=20) as xpub, trio.open_nursery() as nursery:
        endpoint = await xpub.bind(place)
        async with Sub(connect=endpoint, topics="", receive_hwm=20) as sub:
            await xpub.wait_for_subscribers()

            @nursery.start_soon
            async def publish() -> None:
                for number in range(120):
                    await xpub.send(b"%d" % number)

            received = [bytes(await sub.receive()) for _ in range(120)]
        assert received == [b"%d" % number for number in range(120)]


@pytest.mark.parametrize("verbose", ["all", "none"])
@departs(Departure.NEWS_COALESCES)
async def test_disconnect_inproc(verbose: trio_mq.Verbosity) -> None:
    """A SUB that came and went is seen as a subscribe and an unsubscribe, if all is wanted."""
    async with XPub(bind="inproc://p", verbose=verbose) as xpub, Sub(topics="foo") as sub:
        await sub.connect("inproc://p")
        for _ in range(3):
            await xpub.send([b"foo", b"this is foo!"])
            assert await sub.receive() == (b"foo", b"this is foo!")
        await sub.disconnect("inproc://p")
        if verbose == "all":
            assert [await xpub.receive() for _ in range(2)] == [(b"\1foo",), (b"\0foo",)]
        assert would_block(xpub.receive_nowait)


async def test_topics_count(place: str) -> None:
    """Each distinct topic is added and removed once, nested ones apart."""
    async with Pub() as pub, Sub(connect=await pub.bind(place)) as sub:
        with pub.events() as events:
            for topic in ("topic1", "topic1", "topic", "topic2"):
                sub.subscribe(topic)
            added = [(await next_of(events, trio_mq.SubscriptionAdded)).topic for _ in range(3)]
            for topic in ("topic1", "topic1", "topic"):
                sub.unsubscribe(topic)
            removed = [(await next_of(events, trio_mq.SubscriptionRemoved)).topic for _ in range(2)]
        assert (added, removed) == ([b"topic1", b"topic", b"topic2"], [b"topic1", b"topic"])


async def test_unread_news_are_bounded_in_bytes() -> None:
    """A subscriber that comes and goes, or asks again and again, can't fill a program's memory."""
    limits = trio_mq.Limits(max_subscription_bytes_total=100)
    async with (
        XPub(bind="inproc://news", verbose="all", limits=limits) as xpub,
        XSub(connect="inproc://news") as xsub,
    ):
        await xsub.wait_for_peers()
        (peer,) = xpub.peers
        for _ in range(9):
            assert not peer.closed
            xsub.subscribe(bytes(30))
            xsub.unsubscribe(bytes(30))
            if peer.closed:
                break
        assert peer.closed
        assert 100 < xpub.statistics().waiting_to_receive_bytes + 4 * 31 < 200
