"""Whose a message is where a pipe outlives its peers, and what a proxy that looks may change."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.spec.meeting import eventually
from trio_mq import Dealer, Pull, Push, Rep, Req, Router, Sub, XPub, proxy


@pytest.fixture(params=["inproc", "ipc"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an endpoint that nobody has bound."""
    return "inproc://place" if request.param == "inproc" else f"ipc://{tmp_path}/place"


async def test_the_last_message_of_a_lost_peer_is_its_own() -> None:
    """Although taking it lets in the first of the next peer, through the same pipe."""
    async with Pull(receive_hwm=1) as pull:
        await pull.connect("inproc://pushes")
        async with Push(linger=1) as first:
            await first.bind("inproc://pushes")
            await pull.wait_for_peers()
            (one,) = pull.peers
            await first.send(b"from one")
            await trio.testing.wait_all_tasks_blocked()
        async with Push(linger=0) as second:
            await second.bind("inproc://pushes")
            await pull.wait_for_peers()
            (other,) = pull.peers
            await second.send(b"from the other")
            await trio.testing.wait_all_tasks_blocked()
            assert await pull.receive_from() == ((b"from one",), one)
            assert await pull.receive_from() == ((b"from the other",), other)


async def test_the_answer_to_a_lost_client_does_not_go_to_the_next() -> None:
    """It is dropped; the next one gets the answer to its own question."""
    async with Rep(receive_hwm=1) as rep:
        await rep.connect("inproc://clients")
        async with Req(linger=0) as first:
            await first.bind("inproc://clients")
            await rep.wait_for_peers()
            await first.send(b"1")
            await trio.testing.wait_all_tasks_blocked()
        async with Req(linger=0) as second, trio.open_nursery() as nursery:
            await second.bind("inproc://clients")
            await rep.wait_for_peers()
            answers = []

            async def ask() -> None:
                answers.append(await second.request(b"2"))

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            for question in (b"1", b"2"):
                assert await rep.receive() == (question,)
                await rep.send(b"answer to " + question)
        assert answers == [(b"answer to 2",)]


async def test_a_proxy_that_only_looks_frees_no_room() -> None:
    """The mark holds while what was looked at is put back."""
    for mark in (1, 2, 4, 8):
        async with (
            Pull(receive_hwm=mark) as frontend,
            Push(linger=0) as backend,
            Push(linger=0) as source,
            trio.open_nursery() as nursery,
        ):
            await frontend.bind("tcp://127.0.0.1:*")
            await source.connect(frontend.endpoints[0].endpoint, wait=True)
            await source.send_many([b"%d" % number for number in range(100)])
            nursery.start_soon(proxy, frontend, backend)
            while frontend.statistics().waiting_to_receive < mark:
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked()
            assert frontend.statistics().waiting_to_receive == mark
            nursery.cancel_scope.cancel()


async def test_a_proxy_moves_everything_through_the_smallest_marks() -> None:
    """Room that was reserved for putting back is given free in the end."""
    async with (
        Pull(receive_hwm=1) as frontend,
        Push(send_hwm=1) as backend,
        Push() as source,
        Pull(receive_hwm=1) as sink,
        trio.open_nursery() as nursery,
    ):
        await frontend.bind("tcp://127.0.0.1:*")
        await backend.bind("tcp://127.0.0.1:*")
        await source.connect(frontend.endpoints[0].endpoint)
        await sink.connect(backend.endpoints[0].endpoint)
        nursery.start_soon(proxy, frontend, backend)
        await source.send_many([b"%d" % number for number in range(100)])
        for number in range(100):
            assert await sink.receive() == (b"%d" % number,)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("place", ["inproc://sub", "tcp://127.0.0.1:*"])
async def test_the_end_of_a_subscription_is_news_of_the_peer_that_had_it(place: str) -> None:
    """Although the endpoint keeps it when that peer goes, until it is disconnected."""
    async with XPub() as xpub:
        async with Sub(bind=place, topics="a") as sub:
            endpoint = await xpub.connect(sub.endpoints[0].endpoint, wait=True)
            news, peer = await xpub.receive_from()
            assert news.subscription == (True, b"a")
        await peer.wait_closed()
        await xpub.disconnect(endpoint)
        news, former = await xpub.receive_from()
        assert (news.subscription, former) == ((False, b"a"), peer)


async def test_the_end_of_a_subscription_is_not_news_of_the_next_peer() -> None:
    """Another program at the same endpoint has not cancelled what it never asked for."""
    async with XPub() as xpub:
        await xpub.connect("inproc://sub")
        async with Sub(bind="inproc://sub", topics="a"):
            _, first = await xpub.receive_from()
        async with Sub(bind="inproc://sub", topics="b"):
            heard = [await xpub.receive_from() for _ in range(2)]
        assert [(news.subscription, peer is first) for news, peer in heard] == [
            ((False, b"a"), True),
            ((True, b"b"), False),
        ]


@pytest.mark.parametrize("binds", ["Router", "Dealer"])
@pytest.mark.parametrize("names", [(b"", b""), (b"first", b"second"), (b"same", b"same")])
async def test_a_message_has_the_name_that_its_sender_had(
    place: str, binds: str, names: tuple[bytes, ...]
) -> None:
    """Also when that has left, and another has its endpoint or its name."""
    async with Router() as router:
        endpoint = await router.bind(place) if binds == "Router" else await router.connect(place)
        known = []
        for name in names:
            async with Dealer(routing_id=name) as dealer:
                await (dealer.connect if binds == "Router" else dealer.bind)(endpoint)
                await router.wait_for_peers()
                (peer,) = router.peers
                known.append(peer.routing_id)
                await dealer.send(b"from " + name)
            await peer.wait_closed()
            assert peer.routing_id == known[-1] != b""
        for was_called, name in zip(known, names, strict=True):
            assert await router.receive() == (was_called, b"from " + name)
        assert (known[0] == known[1]) is (names == (b"same", b"same"))


async def test_what_a_peer_sent_before_it_lost_its_name_has_that_name(place: str) -> None:
    """A newcomer took it over; replies go there."""
    async with (
        Router(handover=True) as router,
        Dealer(routing_id=b"A") as old,
        Dealer(routing_id=b"A") as new,
    ):
        endpoint = await router.bind(place)
        await old.connect(endpoint)
        await router.wait_for_peers()
        (first,) = router.peers
        await old.send(b"old")
        await eventually(lambda: router.statistics().waiting_to_receive == 1)
        await new.connect(endpoint)
        await first.wait_closed()
        await old.disconnect(endpoint)
        assert await router.receive_from() == ((b"A", b"old"), first)
        await router.send([b"A", b"reply"])
        assert await new.receive() == (b"reply",)
