"""Who closes normally has been heard: everything sent before arrives, whichever end goes first."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.conftest import Programs
from tests.interop.libzmq import Frames, Libzmq
from tests.interop.libzmq_worker import pattern
from tests.interop.pairs import PAIRS, Conversation, Link, Pair, join, open_ours, open_theirs
from tests.interop.test_order import receive_all

MIB: Final = 1024 * 1024
#: Many that are small, and some of which each is in flight for a while.
LOADS: Final[dict[str, list[Frames]]] = {
    "10000-small": [(b"%d" % number,) for number in range(10_000)],
    "4-of-16MiB": [(pattern(16 * MIB),)] * 4,
}
each_load = pytest.mark.parametrize("load", LOADS.values(), ids=list(LOADS))
each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
LASTING: Final = [pair for pair in PAIRS if not pair.in_turns and pair.ours != "ROUTER"]


def _pairs(wanted: Callable[[Pair], bool]) -> list[Pair]:
    return [pair for pair in LASTING if wanted(pair)]


@pytest.mark.parametrize("pair", _pairs(lambda pair: pair.we_tell), ids=str)
@each_link
@each_load
async def test_libzmq_gets_everything_that_was_sent_before_we_closed(
    libzmq: Libzmq, pair: Pair, link: Link, load: list[Frames]
) -> None:
    """The end of the block waits until it is written, and until libzmq has read it."""
    theirs = await open_theirs(pair, libzmq, RCVHWM=0)
    unlimited = {"send_hwm": None} if pair.ours in {"PUB", "XPUB"} else {}
    async with open_ours(pair, send_hwm_bytes=None, **unlimited) as ours:
        await join(ours, theirs, link, "tcp://127.0.0.1:*")
        talk = Conversation(pair, ours, theirs)
        await talk.begin()
        assert isinstance(ours, trio.abc.SendChannel)
        for body in load:
            await ours.send(talk.to_send(body))
    assert assert_accounted_for(ours).written == len(load)
    assert await theirs.receive_many(len(load)) == [talk.for_them(body) for body in load]


@pytest.mark.parametrize(
    "pair", _pairs(lambda pair: pair.we_hear and pair.theirs != "ROUTER"), ids=str
)
@each_link
@each_load
async def test_we_get_everything_that_libzmq_sent_before_it_closed(
    libzmq: Libzmq, pair: Pair, link: Link, load: list[Frames]
) -> None:
    """Libzmq lingers as long as we hold it back."""
    theirs = await open_theirs(pair, libzmq, SNDHWM=0, LINGER=-1)
    async with open_ours(pair) as ours, trio.open_nursery() as nursery:
        await join(ours, theirs, link, "tcp://127.0.0.1:*")
        talk = Conversation(pair, ours, theirs)
        await talk.begin()
        await theirs.send_many([talk.they_send(body) for body in load])
        nursery.start_soon(libzmq.end)
        assert await receive_all(ours, len(load)) == [talk.for_us(body) for body in load]
        assert_accounted_for(ours)


@each_link
async def test_closing_while_libzmq_sends_loses_none_of_ours(libzmq: Libzmq, link: Link) -> None:
    """Unread input does not reset the connection under what we wrote."""
    theirs = await libzmq.open("DEALER", SNDHWM=0, RCVHWM=0, LINGER=0)
    messages = LOADS["10000-small"]
    async with trio_mq.Dealer() as dealer, trio.open_nursery() as nursery:
        await join(dealer, theirs, link, "tcp://127.0.0.1:*")
        await theirs.send(b"first")
        # As much more as it can: when we are gone it has nobody to send to, and would wait.
        nursery.start_soon(partial(theirs.offer, b"theirs", count=len(messages)))
        await dealer.receive()
        for message in messages:
            await dealer.send(message)
        await dealer.aclose()
    assert await theirs.receive_many(len(messages)) == messages


async def test_what_a_slow_libzmq_does_not_take_is_dropped_when_linger_ends(
    libzmq: Libzmq,
) -> None:
    """And told: by an event and in the statistics."""
    theirs = await libzmq.open("PULL", RCVHWM=1, RCVBUF=4096)
    endpoint = await theirs.bind("tcp://127.0.0.1:*")
    async with trio_mq.Push(connect=endpoint, linger=0.1, send_buffer=4096) as push:
        await push.wait_for_peers()
        events = push.events()
        for _ in range(8):
            await push.send(pattern(MIB))
    figures = assert_accounted_for(push)
    assert figures.dropped
    told = [event async for event in events]
    events.close()
    assert sum(e.count for e in told if isinstance(e, trio_mq.Undelivered)) == sum(
        figures.dropped.values()
    )


async def test_disconnecting_writes_what_waits_for_libzmq_first(libzmq: Libzmq) -> None:
    """The endpoint ends in order, and the socket goes on."""
    theirs = await libzmq.open("PULL", RCVHWM=0)
    messages = LOADS["10000-small"][:500]
    async with trio_mq.Push() as push:
        endpoint = await push.connect(await theirs.bind("tcp://127.0.0.1:*"))
        for message in messages:
            await push.send(message)
        await push.disconnect(endpoint)
        assert await theirs.receive_many(500) == messages
        assert not push.endpoints


async def test_unbinding_writes_what_waits_for_libzmq_first(libzmq: Libzmq) -> None:
    """The connections that it accepted end in order."""
    theirs = await libzmq.open("PULL", RCVHWM=0)
    messages = LOADS["10000-small"][:500]
    async with trio_mq.Push() as push:
        endpoint = await push.bind("tcp://127.0.0.1:*")
        await theirs.connect(endpoint)
        for message in messages:
            await push.send(message)
        await push.unbind(endpoint)
        assert await theirs.receive_many(500) == messages
        assert not push.peers


@pytest.mark.parametrize(("ours", "theirs"), [("Push", "PULL"), ("Dealer", "DEALER")])
@each_link
async def test_who_has_written_everything_is_not_held_by_one_that_does_not_read(
    programs: Programs, ours: str, theirs: str, link: Link
) -> None:
    """Linger is the time to write; the rest is the kernel's, and arrives."""
    program = await programs.start()
    busy = await program.open(theirs, RCVHWM=1)
    load = [(b"%d" % number, bytes(10_000)) for number in range(100)]
    async with getattr(trio_mq, ours)(linger=math.inf) as leaver:
        await join(leaver, busy, link, "tcp://127.0.0.1:*")
        await leaver.wait_for_peers()
        program.stop()
        for message in load:
            await leaver.send(message)
    assert assert_accounted_for(leaver).written == len(load)
    program.resume()
    assert await busy.receive_many(len(load)) == load
