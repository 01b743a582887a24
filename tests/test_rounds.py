"""Messages for one subscriber of many: in a flood they wait for each other, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from tests.joined import bind, connect
from tests.slices import count_messages_only, have_patience
from tests.spec.meeting import LARGE, eventually
from tests.writes import note_writes
from trio_mq import Dropped, DropReason, Pub, Sub, XPub
from trio_mq._connections.link import Link
from trio_mq._debug import faults
from trio_mq.auth import ALLOW_ANY, CurveClient, CurveKeys, CurveServer
from trio_mq.lowlevel import set_checkpoint_mode

#: Messages that a task sends before it yields, where slices are ended by their number alone.
SLICE = 64


def topic(number: int) -> bytes:
    """Return the topic of one subscriber, which begins no other's."""
    return b"%03d" % number


@asynccontextmanager
async def readers(pub: Pub | XPub, count: int, way: str = "tcp") -> AsyncIterator[list[Sub]]:
    """Subscribers to a topic each, in the order of their peers; the clock stands still."""
    count_messages_only()
    have_patience()
    listener = await bind(pub, way)
    async with AsyncExitStack() as stack:
        subs = []
        for number in range(count):
            sub = await stack.enter_async_context(Sub(topics=topic(number), linger=0))
            await connect(sub, pub, listener)
            await pub.wait_for_subscribers(number + 1)
            subs.append(sub)
        yield subs
        await listener.aclose()


def news(count: int, subscribers: int) -> list[bytes]:
    """Return so many messages for each of them in turn."""
    return [topic(n % subscribers) + b" %d" % n for n in range(count * subscribers)]


async def received(sub: Sub, count: int) -> list[bytes]:
    """Receive so many messages of one frame."""
    return [bytes(await sub.receive()) for _ in range(count)]


async def assert_all_arrive(subs: Sequence[Sub], sent: Sequence[bytes]) -> None:
    """Each gets what is for it, in order."""
    for number, sub in enumerate(subs):
        mine = [message for message in sent if message.startswith(topic(number))]
        assert await received(sub, len(mine)) == mine


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the messages that were written to tcp streams, write by write."""
    return note_writes(monkeypatch)


@pytest.mark.parametrize("publisher", [Pub, XPub])
async def test_a_lone_message_is_written_at_once(
    publisher: type[Pub | XPub], written: list[bytes]
) -> None:
    """Before the task that sends it does anything else."""
    async with publisher() as pub, readers(pub, 2) as subs:
        written.clear()
        pub.send_nowait(topic(1))
        assert len(written) == 1
        await assert_all_arrive(subs, [topic(1)])


async def test_what_follows_is_written_together_for_each(written: list[bytes]) -> None:
    """When the task that sends it yields, and not later."""
    async with Pub() as pub, readers(pub, 3) as subs:
        sent = news(10, 3)
        written.clear()
        for message in sent:
            pub.send_nowait(message)
        assert len(written) == 1  # the first one could not know
        assert pub.statistics().waiting_to_send == 29
        await assert_all_arrive(subs, sent)
    assert len(written) == 4


@pytest.mark.parametrize("way", ["tcp", "memory"])
@pytest.mark.parametrize("many", [False, True])
async def test_a_flood_arrives_in_order(way: str, many: bool) -> None:  # noqa: FBT001  # pytest passes it
    """Over streams that can be written at once, and over those that can't."""
    async with Pub(on_full="block") as pub, readers(pub, 5, way) as subs:
        sent = news(200, 5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(assert_all_arrive, subs, sent)
            if many:
                rest = sent
                while rest:
                    rest = rest[await pub.send_many(rest) :]
            else:
                for message in sent:
                    await pub.send(message)


async def test_a_flood_is_written_in_rounds_of_several_turns(written: list[bytes]) -> None:
    """So that a write has several messages, although a turn brings two or three for each."""
    async with Pub() as pub, readers(pub, 24) as subs:
        sent = news(32, 24)
        written.clear()
        for message in sent:
            await pub.send(message)
        await assert_all_arrive(subs, sent)
    # A write at the end of each turn would be twelve for each subscriber.
    assert len(written) < 24 * len(sent) / SLICE / 2


async def test_no_round_lasts_until_a_queue_is_full() -> None:
    """Whoever reads loses nothing, however small the marks are, if they hold what a slice brings.

    A task may send two slices before the queues are written.
    """
    async with Pub(send_hwm=2 * SLICE) as pub, readers(pub, 2) as subs:
        sent = [topic(0) + b" %d" % number for number in range(40 * SLICE)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(assert_all_arrive, subs, sent)
            for message in sent:
                await pub.send(message)
        assert not pub.statistics().dropped


async def test_the_mark_holds_in_a_round() -> None:
    """What is above it is dropped, for its own peer only."""
    async with Pub(send_hwm=5) as pub, readers(pub, 2) as subs:
        pub.send_nowait(topic(0))
        for number in range(8):
            pub.send_nowait(topic(1) + b" %d" % number)
        pub.send_nowait(topic(0))
        figures = pub.statistics()
        assert figures.waiting_to_send == 6
        assert figures.dropped == {DropReason.HIGH_WATER_MARK: 3}
        assert await received(subs[1], 5) == [topic(1) + b" %d" % number for number in range(5)]
        assert await received(subs[0], 2) == [topic(0)] * 2


async def test_blocked_senders_go_on_when_the_round_is_written() -> None:
    """With a mark of one message, so that each of them waits for the one before."""
    async with Pub(send_hwm=1, on_full="block") as pub, readers(pub, 3) as subs:
        sent = news(30, 3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(assert_all_arrive, subs, sent)
            for message in sent:
                await pub.send(message)


async def test_figures_are_exact_before_during_and_after() -> None:
    """Whoever asks, and whatever has been counted when."""
    async with Pub() as pub, readers(pub, 2) as subs:
        pub.send_nowait(topic(0))
        for message in news(4, 2):
            pub.send_nowait(message)
        assert pub.peers[1].statistics().waiting_to_send == 4
        for message in news(3, 2):
            pub.send_nowait(message)
        figures = pub.statistics()
        assert (figures.accepted, figures.written, figures.waiting_to_send) == (15, 1, 14)
        await received(subs[0], 8)
        await received(subs[1], 7)
        figures = pub.statistics()
        assert (figures.accepted, figures.written, figures.waiting_to_send) == (15, 15, 0)
        assert figures.accepted_bytes == figures.written_bytes == 3 + 14 * 5
        assert figures.peak_waiting_to_send == 7
        # What nobody looked at before it was written is in the books as well.
        for message in news(5, 2):
            pub.send_nowait(message)
        for sub in subs:
            await received(sub, 5)
        assert pub.statistics().written == 25


async def test_messages_for_all_and_for_one_keep_their_order() -> None:
    """A round and an edition may end up in the same queue, whichever began first."""
    async with Pub() as pub, readers(pub, 3) as subs:
        for sub in subs:
            sub.subscribe("all")
        await pub.wait_for_subscribers(3, "all")
        sent = [b"all 1", topic(0), topic(1), b"all 2", b"all 3", b"all 4", topic(1), b"all 5"]
        sent += [topic(2), topic(2) + LARGE[:3000], topic(2), b"all 6", b"all 7", topic(0)]
        for message in sent:
            pub.send_nowait(message)
        for number, sub in enumerate(subs):
            mine = [each for each in sent if each.startswith((b"all", topic(number)))]
            assert await received(sub, len(mine)) == mine


async def test_a_drain_waits_for_a_round() -> None:
    """It was accepted."""
    async with Pub() as pub, readers(pub, 2) as subs:
        sent = news(10, 2)
        for message in sent:
            pub.send_nowait(message)
        await pub.drain()
        assert pub.statistics().written == 20
        await assert_all_arrive(subs, sent)


async def test_closing_writes_a_round() -> None:
    """Leaving is the next thing that happens after the last message."""
    async with Pub() as pub, readers(pub, 2) as subs:
        sent = news(10, 2)
        for message in sent:
            pub.send_nowait(message)
        await pub.aclose()
        await assert_all_arrive(subs, sent)


async def test_a_peer_that_goes_loses_its_messages_and_nobody_elses() -> None:
    """They are counted as dropped, and nothing is written to it any more."""
    async with Pub() as pub, readers(pub, 3) as subs:
        sent = news(10, 3)
        for message in sent:
            pub.send_nowait(message)
        leaver = pub.peers[1]
        leaver.disconnect()
        await leaver.wait_closed()
        await assert_all_arrive([subs[0]], sent)
        assert await received(subs[2], 10) == sent[2::3]
        assert pub.statistics().dropped == {DropReason.PEER_LEFT: 10}


async def test_no_task_stays_when_a_peer_has_left() -> None:
    """What the peer's messages have started ends with it, and begins again for the others."""
    async with Pub() as pub, readers(pub, 3) as subs:
        printer = pub._pattern.ledger.printer
        for leaver in (0, 1):
            sent = news(3, 3)
            for message in sent:
                pub.send_nowait(message)
            assert printer._runs
            for number in range(leaver, 3):
                assert await received(subs[number], 3) == sent[number::3]
            # What it has in hand it does first.
            pub.send_nowait(topic(2))
            pub.send_nowait(topic(2))
            await subs[leaver].aclose()
            await eventually(lambda: not printer._runs)
            assert await received(subs[2], 2) == [topic(2)] * 2


async def test_a_sealed_peer_gets_its_round_in_boxes() -> None:
    """A round is written in the clear only where the connection is."""
    ours, theirs = CurveKeys.generate(), CurveKeys.generate()
    async with (
        Pub(mechanism=CurveServer(ours), authenticator=ALLOW_ANY) as pub,
        Sub(topics="0", mechanism=CurveClient(theirs, server=ours.public)) as one,
        Sub(topics="1", mechanism=CurveClient(theirs, server=ours.public)) as two,
    ):
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for number, sub in enumerate((one, two), 1):
            await sub.connect(endpoint)
            await pub.wait_for_subscribers(number)
        for number in range(40):
            pub.send_nowait(b"%d" % (number % 2))
        assert await received(one, 20) == [b"0"] * 20
        assert await received(two, 20) == [b"1"] * 20


async def test_inproc_peers_have_each_message_at_once() -> None:
    """There, what was sent can be received before anybody has yielded."""
    async with (
        Pub(bind="inproc://topics") as pub,
        readers(pub, 2) as subs,
        Sub(topics="here", connect="inproc://topics") as here,
    ):
        await pub.wait_for_subscribers(3)
        sent = news(3, 2)
        for message in sent:
            pub.send_nowait(message)
            pub.send_nowait(b"here")
            assert here.receive_nowait() == b"here"
        await assert_all_arrive(subs, sent)


async def test_only_the_last_message_of_a_round_is_kept_where_that_is_wanted() -> None:
    """The round changes nothing about ``conflate``."""
    async with Pub(conflate=True) as pub, readers(pub, 2) as subs:
        sent = news(10, 2)
        for message in sent:
            pub.send_nowait(message)
        last = [sent[-2], sent[-1]]
        for sub, mine in zip(subs, last, strict=True):
            while await sub.receive() != mine:
                pass
        figures = pub.statistics()
        assert figures.written + figures.dropped[DropReason.CONFLATED] == 20


async def test_every_call_may_yield() -> None:
    """Then a round has one message, or a few."""
    set_checkpoint_mode("always")
    async with Pub() as pub, readers(pub, 3) as subs:
        sent = news(20, 3)
        for message in sent:
            await pub.send(message)
        await assert_all_arrive(subs, sent)


async def test_what_nobody_wants_is_counted_when_somebody_asks() -> None:
    """And is told at once to whoever follows events; nobody is told of what was before."""
    async with Pub() as pub, readers(pub, 2) as subs:
        for _ in range(3):
            pub.send_nowait(b"nobody's")
        pub.send_nowait(topic(0))
        async with pub.events() as events:
            figures = pub.statistics()
            assert (figures.accepted, figures.dropped) == (4, {DropReason.FILTERED: 3})
            pub.send_nowait(b"nobody's")
            pub.send_nowait(topic(0))
            dropped = await anext(events)
            assert isinstance(dropped, Dropped)
            assert (dropped.reason, dropped.count) == (DropReason.FILTERED, 1)
            assert pub.statistics().dropped == {DropReason.FILTERED: 4}
        assert await received(subs[0], 2) == [topic(0)] * 2


async def test_a_batch_is_taken_as_it_comes() -> None:
    """What goes to one, to all, to some and to nobody, in any order."""
    async with Pub() as pub, readers(pub, 3) as subs:
        for sub in subs:
            sub.subscribe("all")
        for sub in subs[1:]:
            sub.subscribe("some")
        await pub.wait_for_subscribers(3, "all")
        await pub.wait_for_subscribers(2, "some")
        kinds = [topic(0), b"all", b"all", topic(1), topic(2), b"some", b"none", b"all", b"some"]
        sent = [kind + b" %d" % number for number in range(4) for kind in kinds]
        rest: list[bytes | list[bytes]] = list(sent)
        rest[5] = [sent[5]]
        while rest:
            rest = rest[await pub.send_many(rest) :]
        for number, sub in enumerate(subs):
            wanted = (topic(number), b"all", b"some") if number else (topic(0), b"all")
            mine = [message for message in sent if message.startswith(wanted)]
            assert await received(sub, len(mine)) == mine
        assert pub.statistics().dropped == {DropReason.FILTERED: 4}


async def test_the_debug_mode_sees_a_round_that_nobody_writes() -> None:
    """It would wait for ever."""
    async with Pub() as pub, readers(pub, 2) as subs:
        sent = news(2, 2)
        for message in sent:
            pub.send_nowait(message)
        printer = pub._pattern.ledger.printer
        assert list(faults(pub._pattern)) == []
        runs, printer._runs = printer._runs, False
        assert list(faults(pub._pattern)) == ["what was published waits, and nobody writes it"]
        printer._runs = runs
        await assert_all_arrive(subs, sent)


async def test_the_debug_mode_sees_a_writer_that_was_forgotten() -> None:
    """By the round in which it waits, or by itself."""
    async with Pub() as pub, readers(pub, 2) as subs:
        sent = news(2, 2)
        for message in sent:
            pub.send_nowait(message)
        printer = pub._pattern.ledger.printer
        (link, *_) = pub._pattern.ledger.links.values()
        assert isinstance(link, Link)
        assert link._writer is not None
        whose = f"the writer of {link._stream.peer_address}"
        (waiting, printer._round) = (printer._round, [])
        assert f"{whose} waits for the end of a turn in vain" in list(faults(pub._pattern))
        link._writer._at_turn_end = False
        assert f"{whose} sleeps, and should write" in list(faults(pub._pattern))
        printer._round, link._writer._at_turn_end = waiting, True
        assert list(faults(pub._pattern)) == []
        await assert_all_arrive(subs, sent)
