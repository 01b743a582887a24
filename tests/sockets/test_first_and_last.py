"""The first message of each connection, and the last one in the name of a peer that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_mq import Dealer, DropReason, Req, Router
from trio_mq.testing import assert_nothing_lost

each_way = pytest.mark.parametrize(
    "place", ["inproc://meeting", "tcp://127.0.0.1:*"], ids=["inproc", "tcp"]
)


@each_way
async def test_a_dealer_says_hello_on_each_connection(place: str) -> None:
    """Before all that waits for it, also after a reconnection."""
    async with (
        Router(linger=0) as router,
        Dealer(hello_message=b"hello", routing_id=b"ada", reconnect_interval=0.01) as dealer,
    ):
        await dealer.connect(await router.bind(place))
        await dealer.send(b"first")
        assert [await router.receive() for _ in range(2)] == [
            (b"ada", b"hello"),
            (b"ada", b"first"),
        ]
        (peer,) = router.peers
        peer.disconnect("a test")
        await peer.wait_closed()
        assert await router.receive() == (b"ada", b"hello")
        await dealer.send(b"second")
        assert await router.receive() == (b"ada", b"second")
        assert_nothing_lost(dealer, router)


@each_way
async def test_a_router_says_hello_to_each_peer(place: str) -> None:
    """Which needs no name for that."""
    async with Router(hello_message=b"hello", linger=0) as router:
        endpoint = await router.bind(place)
        for _ in range(2):
            async with Dealer(connect=endpoint) as dealer:
                assert await dealer.receive() == b"hello"


@pytest.mark.parametrize("transport", ["inproc", "ipc"])
async def test_a_probe_comes_before_a_request_that_waited_for_the_peer(
    transport: str, tmp_path: Path
) -> None:
    """The task that waits for a service is served while the connection begins."""
    late, busy = (f"{transport}://{tmp_path}/{name}" for name in ("late", "busy"))
    async with (
        Router(linger=0, bind=busy) as asked,
        Router(linger=0) as router,
        Req(probe=True, linger=0, reconnect_interval=0.01) as req,
        trio.open_nursery() as nursery,
    ):
        await req.connect(busy, wait=True)
        await req.connect(late)
        nursery.start_soon(req.request, b"first")
        assert [(await asked.receive())[1:] for _ in range(2)] == [(b"",), (b"", b"first")]
        nursery.start_soon(req.request, b"second")
        await wait_all_tasks_blocked()
        await router.bind(late)
        assert [(await router.receive())[1:] for _ in range(2)] == [(b"",), (b"", b"second")]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("place", "unread"),
    [
        ("inproc://meeting", 0),
        ("inproc://meeting", 2),
        *(("tcp://127.0.0.1:*", n) for n in (0, 1, 50)),
    ],
)
async def test_a_router_receives_the_end_of_a_peer(place: str, unread: int) -> None:
    """After all that it sent, though most of that had not been decoded; once, and in its name."""
    async with Router(disconnect_message=b"gone", receive_hwm=2, linger=0) as router:
        endpoint = await router.bind(place)
        async with Dealer(connect=endpoint, routing_id=b"ada") as dealer:
            for number in range(unread):
                await dealer.send(b"%d" % number)
            await dealer.drain()
            await router.wait_for_peers()
            (peer,) = router.peers
        await peer.wait_closed()
        for number in range(unread):
            assert await router.receive() == (b"ada", b"%d" % number)
        message, source = await router.receive_from()
        assert (message, source) == ((b"ada", b"gone"), peer)
        figures = router.statistics()
        assert figures.waiting_to_receive == 0
        assert figures.decoded == unread + 1
        assert_nothing_lost(router)


async def test_the_end_of_the_socket_is_nobodys_end() -> None:
    """A Router that closes is told of nobody who leaves by that, nor of one that it has dialled."""
    async with Dealer(bind="inproc://dealer", linger=0) as dealer:
        async with Router(disconnect_message=b"gone", bind="inproc://router", linger=0) as router:
            await router.connect("inproc://dealer", wait=True)
            async with Dealer(linger=0) as other:
                await other.connect("inproc://router", wait=True)
                (dialled,) = [peer for peer in router.peers if peer.endpoint == "inproc://dealer"]
                dialled.disconnect("a test")
                await dialled.wait_closed()
                assert router.statistics().decoded == 0
                await router.aclose()
        assert router.statistics().decoded == 0
        assert dealer.statistics().dropped == {}


async def test_an_end_that_nobody_reads_is_dropped_with_the_socket() -> None:
    """As any message that was not read."""
    async with Router(disconnect_message=b"gone", bind="inproc://router", linger=0) as router:
        async with Dealer(linger=0) as dealer:
            await dealer.connect("inproc://router", wait=True)
            (peer,) = router.peers
        await peer.wait_closed()
    assert router.statistics().dropped == {DropReason.CLOSED: 1}


def test_a_connection_begins_with_one_message() -> None:
    """A probe is such a message, too."""
    with pytest.raises(ValueError, match="leave probe out"):
        Dealer(hello_message=b"hello", probe=True)
