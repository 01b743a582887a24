"""``send_to``: a message for one peer of many; a Router's is in ``test_service.py``."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.spec.meeting import opened
from trio_mq import DropReason, Sub, Unroutable, XPub
from trio_mq.testing import assert_nothing_lost


@pytest.mark.parametrize("place", ["inproc://news", "tcp://127.0.0.1:*"], ids=["inproc", "tcp"])
@pytest.mark.parametrize("manual", [False, True])
async def test_an_xpub_sends_to_one_subscriber(place: str, *, manual: bool) -> None:
    """The others get nothing of it, though they want the topic too."""
    async with XPub(linger=0, verbose="all", manual=manual) as xpub:
        endpoint = await xpub.bind(place)
        async with opened([Sub(connect=endpoint, topics="news") for _ in range(3)]) as subs:
            for number in range(3):
                _, peer = await xpub.receive_from()
                if manual:
                    xpub.accept(peer, "news")
                await xpub.send_to(peer, [b"news", b"%d" % number])
            await xpub.send([b"news", b"for all"])
            private = set()
            for sub in subs:
                private.add((await sub.receive())[1])
                assert await sub.receive() == (b"news", b"for all")
            assert private == {b"0", b"1", b"2"}
        assert_nothing_lost(xpub)


async def test_a_subscriber_that_has_left_is_unroutable() -> None:
    """And what it would have got is not counted as sent."""
    async with XPub(bind="inproc://news", linger=0) as xpub:
        async with Sub(connect="inproc://news", topics="news"):
            _, peer = await xpub.receive_from()
        await peer.wait_closed()
        with pytest.raises(Unroutable, match="gone"):
            await xpub.send_to(peer, b"news")
        assert xpub.statistics().accepted == 0
        with pytest.raises(TypeError, match="takes a Peer"):
            await xpub.send_to(b"name", b"news")  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("on_full", ["drop_newest", "drop_oldest", "disconnect"])
async def test_a_full_queue_is_what_the_option_says(on_full: str) -> None:
    """As for what is published."""
    async with (
        XPub(bind="inproc://news", linger=0, send_hwm=1, on_full=on_full) as xpub,  # type: ignore[arg-type]  # one of them
        Sub(connect="inproc://news", topics="", receive_hwm=1) as sub,
    ):
        _, peer = await xpub.receive_from()
        for number in range(4):
            await xpub.send_to(peer, b"%d" % number)
            if peer.closed:
                break
        if on_full == "disconnect":
            await peer.wait_closed()
        else:
            assert peer.dropped == {DropReason.HIGH_WATER_MARK: 2}
            last = b"1" if on_full == "drop_newest" else b"3"
            assert [await sub.receive(), await sub.receive()] == [b"0", last]


async def test_an_xpub_that_blocks_waits_for_the_one() -> None:
    """And no longer when that has left."""
    async with (
        XPub(bind="inproc://news", linger=0, send_hwm=1, on_full="block") as xpub,
        Sub(connect="inproc://news", topics="", receive_hwm=1) as sub,
    ):
        _, peer = await xpub.receive_from()
        await xpub.send_to(peer, b"0")
        await xpub.send_to(peer, b"1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(xpub.send_to, peer, b"2")
            await trio.testing.wait_all_tasks_blocked()
            assert xpub.statistics().tasks_waiting_send == 1
            assert await sub.receive() == b"0"
        async with trio.open_nursery() as nursery:

            async def wait_in_vain() -> None:
                with pytest.raises(Unroutable):
                    await xpub.send_to(peer, b"3")

            nursery.start_soon(wait_in_vain)
            await trio.testing.wait_all_tasks_blocked()
            await sub.aclose()
