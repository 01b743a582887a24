"""What a subscriber may ask of a publisher: how much, how often, and how oddly."""

from __future__ import annotations

import pytest
import trio

from tests.hostile.arena import PATIENCE, PLACES, Place, arena, play
from tests.hostile.good_peers import unread
from tests.hostile.wire import command, hello, message
from trio_mq import Limits, Pub, XPub

SUB = hello(b"SUB")


def subscribe(topic: bytes) -> bytes:
    """Return a subscription as ZMTP 3.1 has it."""
    return command(b"SUBSCRIBE", topic)


def cancel(topic: bytes) -> bytes:
    """Return the end of one."""
    return command(b"CANCEL", topic)


A, NOT_A = subscribe(b"A"), cancel(b"A")
#: What a peer says, and what of it is news to the program.
NEWS = {
    "B64 cancel of nothing": (cancel(b"nope"), []),
    "B64 cancel twice": (A + subscribe(b"B") + NOT_A + NOT_A, [b"\1B"]),
    "B64 subscribe twice, cancel once": (A + A + NOT_A, []),
    "B64 in the form of 3.0": (message(b"\1A") + message(b"\0nope"), [b"\1A"]),
    "B64 commands and messages mixed": (A + message(b"\0A") + message(b"\1C"), [b"\1C"]),
    "many times the same": (A * 30_000, [b"\1A"]),
    "on and off many times": ((A + NOT_A) * 15_000, []),
    "a message of several frames is none": (message(b"\1A", b""), [b"\1A,"]),
    "an empty message is none": (message(b""), [b""]),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", NEWS)
async def test_subscriptions_are_a_set_and_only_news_is_told(case: str, place: Place) -> None:
    """What was never subscribed to is not cancelled either."""
    said, news = NEWS[case]
    ours = XPub(linger=0)
    async with arena(ours, place) as stage, stage.bad_peer() as bad:
        assert await ours.receive() == (b"\1",)  # the good peer's
        await bad.say(SUB + said + subscribe(b"end"))
        with trio.fail_after(PATIENCE):
            await ours.wait_for_subscribers(2, topic=b"end")
        told = [b",".join(news) for news in unread(ours)]
        assert sorted(told) == sorted([*news, b"\1end"])
        await bad.leave()


LIMITS = Limits(max_subscriptions=300, max_subscription_bytes=10_000, max_topic_length=300)
#: What is allowed, and one more.
EXCESS = {
    "B65 topics": b"".join(subscribe(b"%d" % number) for number in range(300)) + A,
    "B65 bytes": b"".join(subscribe(b"%0100d" % number) for number in range(100)) + A,
    "B66 a long topic": subscribe(bytes(300)) + subscribe(bytes(301)),
    "B66 a topic in the old form": message(b"\1" + bytes(300)) + message(b"\1" + bytes(301)),
    "B66 many lengths": b"".join(subscribe(bytes(length)) for length in range(257)),
    "a topic of a gigabyte": bytes.fromhex("060000000040000000"),
    "a cancel of a long topic": cancel(bytes(301)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("socket", [Pub, XPub], ids=["Pub", "XPub"])
@pytest.mark.parametrize("case", EXCESS)
async def test_subscriptions_have_limits(case: str, socket: type[Pub | XPub], place: Place) -> None:
    """Who exceeds them is cut off, and its subscriptions are gone with it."""
    ours = socket(linger=0, limits=LIMITS)
    assert (await play(ours, place, SUB + EXCESS[case])).reason == "subscription-limit"
    assert ours.statistics().handshake_failures == {}


@pytest.mark.parametrize("socket", [Pub, XPub], ids=["Pub", "XPub"])
async def test_b65_many_topics_cost_no_more_than_each_of_them(
    socket: type[Pub | XPub],
) -> None:
    """Fifty thousand at once, published to meanwhile, and gone when their peer is."""
    topics = [b"%06d" % number for number in range(50_000)]
    ours = socket(linger=0)
    async with arena(ours, "connecting") as stage, stage.bad_peer() as bad:
        await bad.say(SUB + b"".join(map(subscribe, topics)))
        with trio.fail_after(PATIENCE):
            await ours.wait_for_subscribers(2, topic=topics[-1])
            await ours.send([topics[-1], b"hello"])
        said = hello(ours.socket_type.value.encode()) + message(topics[-1], b"hello")
        assert await bad.hear(len(said)) == said
        await bad.leave()
        await stage.end()
        list(unread(ours))


async def test_b66_nested_topics_get_a_message_once() -> None:
    """A subscriber that has it many times over is still one subscriber."""
    ours = Pub(linger=0)
    async with arena(ours, "connecting") as stage, stage.bad_peer() as bad:
        topics = [b"a" * length for length in range(1, 200)]
        await bad.say(SUB + b"".join(map(subscribe, topics)) + subscribe(b"end"))
        await ours.wait_for_subscribers(2, topic=b"end")
        await ours.send(b"a" * 250)
        await ours.send(b"end")
        said = hello(b"PUB") + message(b"a" * 250) + message(b"end")
        assert await bad.hear(len(said)) == said
        await bad.leave()
