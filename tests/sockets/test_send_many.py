"""``send_many``: as many as fit, also where ``send`` would drop what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import trio
import trio.testing

from tests.slices import count_messages_only, have_patience
from trio_mq import Dealer, DropReason, Message, Pub, Router, Sub, XPub

COUNT = 4000


@pytest.fixture(params=["inproc", "ipc"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an endpoint that nobody has bound."""
    return "inproc://place" if request.param == "inproc" else f"ipc://{tmp_path}/place"


async def send_all(socket: Pub | XPub | Router, messages: list[list[bytes]]) -> int:
    """Send everything, as its docstring says, and return in how many calls."""
    calls = 0
    while messages:
        messages = messages[await socket.send_many(messages) :]
        calls += 1
    return calls


async def take_all(socket: Sub | Dealer) -> None:
    """Receive them in order, with none lost."""
    for number in range(COUNT):
        message: Message = await socket.receive()
        assert message[0] == b"%d" % number


@pytest.mark.parametrize("publisher", [Pub, XPub])
@pytest.mark.parametrize("size", [1, 1000])
async def test_a_subscriber_that_keeps_up_loses_nothing(
    place: str, publisher: type[Pub | XPub], size: int
) -> None:
    """Though the batch is many times what its queue admits."""
    async with publisher(bind=place) as pub, Sub(connect=place, topics="") as sub:
        await pub.wait_for_subscribers()
        have_patience()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_all, sub)
            await send_all(pub, [[b"%d" % number, bytes(size)] for number in range(COUNT)])
        assert not pub.statistics().dropped


async def test_a_peer_of_a_router_that_keeps_up_loses_nothing(place: str) -> None:
    """A Router drops for a full queue as well."""
    async with Router(bind=place) as router, Dealer(connect=place, routing_id=b"d") as dealer:
        await router.wait_for_peers()
        have_patience()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_all, dealer)
            await send_all(router, [[b"d", b"%d" % number] for number in range(COUNT)])
        assert not router.statistics().dropped


async def test_a_subscriber_that_does_not_read_holds_up_nobody(place: str) -> None:
    """It loses what does not fit, and the other one nothing, in a few calls."""
    async with (
        Pub(bind=place, send_hwm=1000) as pub,
        Sub(connect=place, topics="", linger=0) as sub,
        Sub(connect=place, topics="", receive_hwm=1, receive_buffer=4096) as stuck,
    ):
        await pub.wait_for_subscribers(2)
        # A call ends with its time slice.
        count_messages_only()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_all, sub)
            calls = await send_all(pub, [[b"%d" % n, bytes(1000)] for n in range(COUNT)])
        assert calls < COUNT / 10
        by_type = {
            peer.dropped_outgoing.get(DropReason.HIGH_WATER_MARK, 0) > 0
            for peer in pub.statistics().peers
        }
        assert by_type == {True, False}
        assert (await stuck.receive())[0] == b"0"


@pytest.mark.parametrize("on_full", ["drop_newest", "block"])
async def test_what_waits_for_a_slow_peer_learns_that_the_socket_was_closed(
    on_full: Literal["drop_newest", "block"],
) -> None:
    """It has accepted nothing, and does not wait for a room that nobody makes any more."""
    async with (
        Pub(bind="inproc://place", on_full=on_full, send_hwm=1, linger=0) as pub,
        Sub(connect="inproc://place", topics="", receive_hwm=1),
        trio.open_nursery() as nursery,
    ):
        await pub.wait_for_subscribers()
        for _ in range(2):
            await pub.send(b"one here, one there")
        nursery.start_soon(pub.aclose)
        with pytest.raises(trio.ClosedResourceError):
            await pub.send_many([b"more"])
        assert pub.statistics().accepted == 2
