"""Editions in sockets: nothing is different, but what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

from tests.joined import bind, connect
from tests.slices import have_patience
from tests.spec.meeting import LARGE, NARROW, eventually
from trio_mq import DropReason, Pub, Sub, XPub
from trio_mq._connections.outbox import Outbox
from trio_mq._connections.writer import Writer
from trio_mq._debug import faults
from trio_mq._pipes.shared import SharedOutbound
from trio_mq.auth import ALLOW_ANY, CurveClient, CurveKeys, CurveServer
from trio_mq.lowlevel import set_checkpoint_mode

FIRST, COUNT = b"first", 40


@asynccontextmanager
async def audience(pub: Pub | XPub, count: int, way: str = "tcp") -> AsyncIterator[list[Sub]]:
    """Subscribers to everything, who have received a first message: the next begins an edition."""
    listener = await bind(pub, way)
    async with AsyncExitStack() as stack:
        subs = [await stack.enter_async_context(Sub(topics="", linger=0)) for _ in range(count)]
        for number, sub in enumerate(subs, start=1):
            await connect(sub, pub, listener)
            await pub.wait_for_subscribers(number)  # so that its peers are in this order
        await pub.send(FIRST)
        for sub in subs:
            assert await sub.receive() == FIRST
        await eventually(lambda: not pub._pattern.ledger.sending())
        yield subs
        await listener.aclose()


def publish(pub: Pub | XPub, count: int = COUNT) -> list[bytes]:
    """Publish without yielding, and return what that was."""
    messages = [b"%d" % number for number in range(count)]
    for message in messages:
        pub.send_nowait(message)
    return messages


def edition_of(pub: Pub | XPub) -> int:
    """Return how many messages wait in an edition."""
    return len(pub._pattern.ledger.printer.edition.items)


async def all_of(sub: Sub, count: int = COUNT) -> list[bytes]:
    """Receive so many messages of one frame."""
    return [bytes(await sub.receive()) for _ in range(count)]


@pytest.mark.parametrize("publisher", [Pub, XPub])
@pytest.mark.parametrize("way", ["tcp", "memory"])
async def test_everybody_gets_an_edition_in_order(publisher: type[Pub | XPub], way: str) -> None:
    """Over streams that can be written at once, and over those that can't."""
    async with publisher() as pub, audience(pub, 3, way) as subs:
        sent = publish(pub)
        assert edition_of(pub) == COUNT
        assert [await all_of(sub) for sub in subs] == [sent] * 3


async def test_a_batch_is_shared_as_far_as_there_is_room() -> None:
    """What fits goes out; the rest is for the next call, and nothing is dropped."""
    async with Pub(send_hwm=30) as pub, audience(pub, 3) as subs:
        batch: list[bytes | list[bytes]] = [[b"%d" % number, b"body"] for number in range(COUNT)]
        batch[1] = b"1"
        have_patience()
        sent = await pub.send_many(batch)
        assert sent == 30
        # How much room there is by now depends on the time slice.
        while sent < COUNT:
            sent += await pub.send_many(batch[sent:])
        for sub in subs:
            assert [(await sub.receive())[0] for _ in batch] == [b"%d" % n for n in range(COUNT)]
        assert not pub.statistics().dropped


async def test_a_batch_goes_to_whom_it_is_for() -> None:
    """Where messages for all take turns with messages for one, or are too large to share."""
    async with Pub() as pub, audience(pub, 2) as subs, Sub(linger=0, topics="one") as other:
        await other.connect(pub.endpoints[0].endpoint)
        await pub.wait_for_subscribers(3)
        sent = [b"all", b"all", b"one", b"all", LARGE[:2000], b"all"]
        assert await pub.send_many(sent) == len(sent)
        assert [await all_of(sub, 6) for sub in subs] == [sent] * 2
        await pub.send(b"one, the last")
        assert await all_of(other, 2) == [b"one", b"one, the last"]


async def test_messages_of_several_frames_are_shared_too() -> None:
    """With a topic, as most publishers have one."""
    async with Pub() as pub, audience(pub, 2) as subs:
        for number in range(COUNT):
            pub.send_nowait([b"topic", b"%d" % number])
        assert edition_of(pub) == COUNT
        for sub in subs:
            assert [await sub.receive() for _ in range(COUNT)] == [
                (b"topic", b"%d" % number) for number in range(COUNT)
            ]


async def test_an_edition_costs_each_peer_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no step of a writer's task."""
    writes = Counter[str]()

    def counting(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def counted(*arguments: object) -> object:
            writes[name] += 1
            return real(*arguments)

        monkeypatch.setattr(kind, name, counted)

    async with Pub() as pub, audience(pub, 3) as subs:
        counting(Outbox, "write")
        counting(Writer, "write_at_once")
        counting(Writer, "_announce")
        counting(Outbox, "write_for_many")
        sent = publish(pub)
        assert [await all_of(sub) for sub in subs] == [sent] * 3
    assert writes["write_for_many"] == 3
    assert writes["write"] + writes["write_at_once"] == 0


async def test_figures_are_exact_before_during_and_after() -> None:
    """Whoever asks, and whichever peer is asked about."""
    async with Pub() as pub, audience(pub, 3) as subs:
        before = pub.statistics()
        publish(pub, 10)
        # One peer is looked at: its queue takes over what is there, the others' don't.
        peer = pub.peers[1]
        assert peer.statistics().waiting_to_send == 10
        publish(pub, 5)
        figures = pub.statistics()
        assert figures.waiting_to_send == 45
        assert figures.accepted - before.accepted == 45
        assert figures.accepted_bytes - before.accepted_bytes == 45
        assert [each.statistics().waiting_to_send for each in pub.peers] == [15] * 3
        for sub in subs:
            assert len(await all_of(sub, 15)) == 15
        await eventually(lambda: pub.statistics().written - before.written == 45)
        after = pub.statistics()
        assert after.written_bytes - before.written_bytes == 45
        assert after.waiting_to_send == 0
        assert after.peak_waiting_to_send == 15


async def test_what_was_written_unseen_is_in_the_books() -> None:
    """An edition that nobody looked at is counted when somebody asks."""
    async with Pub() as pub, audience(pub, 2) as subs:
        publish(pub)
        for sub in subs:
            await all_of(sub)
        figures = pub.statistics()
        assert figures.accepted == figures.written == 2 * (COUNT + 1)
        assert figures.peak_waiting_to_send == COUNT


async def test_a_drain_waits_for_what_is_in_an_edition() -> None:
    """It was accepted."""
    async with Pub() as pub, audience(pub, 2) as subs:
        sent = publish(pub)
        await pub.drain()
        assert pub.statistics().written == 2 * (COUNT + 1)
        assert [await all_of(sub) for sub in subs] == [sent] * 2


async def test_closing_writes_what_is_in_an_edition() -> None:
    """Leaving is the next thing that happens after the last message."""
    async with Pub() as pub, audience(pub, 2) as subs:
        sent = publish(pub)
        await pub.aclose()
        assert [await all_of(sub) for sub in subs] == [sent] * 2


async def test_a_cancelled_block_makes_its_last_write() -> None:
    """Each connection tries to write what waits, an edition as well as a queue."""
    async with AsyncExitStack() as stack:
        ready, sent = trio.Event(), list[bytes]()

        async def body(pub: Pub) -> None:
            with trio.CancelScope() as scope:
                async with pub:
                    opened.set()
                    await ready.wait()
                    sent.extend(publish(pub))
                    scope.cancel()
                    await trio.sleep_forever()

        pub, opened = Pub(), trio.Event()
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(body, pub)
        await opened.wait()
        async with audience(pub, 2) as subs:
            ready.set()
            assert [await all_of(sub) for sub in subs] == [sent] * 2


async def test_who_unsubscribes_gets_what_was_published_before() -> None:
    """And who subscribes, what is published after: an edition ends there."""
    async with Pub() as pub, audience(pub, 3) as subs, Sub(linger=0) as late:
        await late.connect(pub.endpoints[0].endpoint)
        await pub.wait_for_peers(4)
        link = pub._pattern.ledger.links[pub.peers[0]]
        assert link.pipe is not None
        # The first one after somebody came is put into each queue.
        before = publish(pub, 5)
        assert edition_of(pub) == 4
        # As when its cancellation arrives just now.
        pub._pattern.peer_cancelled(link, link.pipe, b"")
        after = publish(pub, 5)
        assert [peer.statistics().accepted for peer in pub.peers] == [6, 11, 11, 0]
        late.subscribe("")
        await pub.wait_for_subscribers(3)
        last = publish(pub, 5)
        assert await all_of(subs[0], 5) == before
        assert [await all_of(sub, 15) for sub in subs[1:]] == [before + after + last] * 2
        assert await all_of(late, 5) == last


async def test_a_peer_that_goes_loses_its_messages_and_nobody_elses() -> None:
    """They are counted as dropped."""
    async with Pub() as pub, audience(pub, 3) as subs:
        sent = publish(pub)
        pub.peers[0].disconnect()
        assert [await all_of(sub) for sub in subs[1:]] == [sent] * 2
        await eventually(lambda: len(pub.peers) == 2)
        figures = pub.statistics()
        dropped = figures.dropped.get(DropReason.PEER_LEFT, 0)
        assert figures.accepted == figures.written + dropped == 3 * (COUNT + 1)


async def test_a_peer_that_does_not_read_stands_apart() -> None:
    """The others share, and lose nothing."""
    async with (
        Pub(send_hwm=COUNT, send_buffer=64 * 1024, linger=0) as pub,
        audience(pub, 2) as subs,
        Sub(topics=["1", "slow"], **NARROW) as slow,
    ):
        await slow.connect(pub.endpoints[0].endpoint)
        await pub.wait_for_subscribers(3, "slow")
        for sub in subs:
            sub.subscribe("1")
            sub.unsubscribe("")
        await eventually(lambda: len(pub._pattern.matching(b"slow")) == 1)
        assert len(pub._pattern.matching(b"1")) == 3
        while not pub.statistics().dropped:
            pub.send_nowait([b"slow", LARGE])
            await trio.lowlevel.checkpoint()
        sent = [b"1%d" % number for number in range(COUNT)]
        for message in sent:
            pub.send_nowait(message)
        edition = pub._pattern.ledger.printer.edition
        assert (len(edition.members), len(edition.apart)) == (2, 1)
        assert [await all_of(sub) for sub in subs] == [sent] * 2


async def test_sealed_peers_get_an_edition_each_in_its_own_box() -> None:
    """What is encoded once is the clear."""
    ours, theirs = CurveKeys.generate(), CurveKeys.generate()
    async with (
        Pub(mechanism=CurveServer(ours), authenticator=ALLOW_ANY) as pub,
        Sub(topics="", mechanism=CurveClient(theirs, server=ours.public)) as one,
        Sub(topics="", mechanism=CurveClient(theirs, server=ours.public)) as two,
    ):
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        for number, sub in enumerate((one, two), 1):
            await sub.connect(endpoint)
            await pub.wait_for_subscribers(number)
        publish(pub, 1)
        sent = publish(pub)
        assert edition_of(pub) == COUNT
        assert [await all_of(sub, COUNT + 1) for sub in (one, two)] == [[b"0", *sent]] * 2


async def test_inproc_peers_have_each_message_at_once() -> None:
    """There, what was sent can be received before anybody has yielded."""
    async with (
        Pub(bind="inproc://news") as pub,
        audience(pub, 2) as subs,
        Sub(topics="", connect="inproc://news") as here,
        Sub(topics="", connect="inproc://news") as there,
    ):
        await pub.wait_for_subscribers(4)
        sent = publish(pub)
        assert [bytes(here.receive_nowait()) for _ in sent] == sent
        assert [bytes(there.receive_nowait()) for _ in sent] == sent
        assert [await all_of(sub) for sub in subs] == [sent] * 2


async def test_every_call_may_yield() -> None:
    """Then each edition has one message, or a few."""
    set_checkpoint_mode("always")
    async with Pub() as pub, audience(pub, 3) as subs:
        for number in range(COUNT):
            await pub.send(b"%d" % number)
        sent = [b"%d" % number for number in range(COUNT)]
        assert [await all_of(sub) for sub in subs] == [sent] * 3


async def test_the_debug_mode_sees_an_edition_that_not_everybody_would_get() -> None:
    """Because nobody writes it, or because a member has left."""
    async with Pub() as pub, audience(pub, 2) as subs:
        publish(pub, 2)
        printer = pub._pattern.ledger.printer
        assert list(faults(pub._pattern)) == []
        runs, printer._runs = printer._runs, False
        assert list(faults(pub._pattern)) == ["what was published waits, and nobody writes it"]
        printer._runs = runs
        for pipe in pub._pattern.ledger.pipes:
            assert isinstance(pipe.outbound, SharedOutbound)
            edition, pipe.outbound._edition = pipe.outbound._edition, None
            fault = "an edition can be added to, and not all who read it would get that"
            assert fault in list(faults(pub._pattern))
            pipe.outbound._edition = edition
        for sub in subs:
            await all_of(sub, 2)
