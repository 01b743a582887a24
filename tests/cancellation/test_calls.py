"""Cancelled means that it did not happen: every call, cut at every moment.

Each test does the same thing once per cut, on new sockets, and then counts: what was accepted
arrives, once and in order; what was cancelled was neither sent nor taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

import pytest
import trio
import trio.testing

from tests.cancellation.cuts import every_cut
from tests.joined import WAYS, MemoryListener, bind, connect, join
from trio_mq import (
    Dealer,
    EndpointState,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Sub,
    lowlevel,
    proxy,
)
from trio_mq.zmtp import SocketType

over_each_way = pytest.mark.parametrize("way", WAYS)
in_both_modes = pytest.mark.parametrize("mode", ["sliced", "always"])


@contextlib.asynccontextmanager
async def pipeline(way: str, hwm: int = 1000) -> AsyncIterator[tuple[Push, Pull]]:
    """Join a Push and a Pull with queues of that size."""
    async with (
        Pull(receive_hwm=hwm, linger=1) as pull,
        Push(send_hwm=hwm, linger=1) as push,
    ):
        await join(pull, push, way)
        yield push, pull


async def arrivals(push: Push, pull: Pull) -> list[bytes]:
    """Return everything that the sender has accepted and nobody has received yet."""
    count = push.statistics().accepted - pull.statistics().delivered
    return [bytes(await pull.receive()) for _ in range(count)]


@over_each_way
@in_both_modes
async def test_a_cancelled_send_has_queued_nothing(way: str, mode: lowlevel.CheckpointMode) -> None:
    """With room for it, so that only the checkpoints of the call itself are cut."""
    lowlevel.set_checkpoint_mode(mode)
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            await cut.run(partial(push.send, b"it"))
            await push.send(b"next")
            expected = [b"next"] if cut.cancelled else [b"it", b"next"]
            assert await arrivals(push, pull) == expected, cut


async def test_a_cancelled_send_that_waited_for_room_has_queued_nothing() -> None:
    """The receiver makes room meanwhile, so that it may be cut with its message accepted."""
    for cut in every_cut():
        async with pipeline("inproc", hwm=1) as (push, pull):
            await push.send(b"1")
            await push.send(b"2")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive_when_blocked, pull)
                await cut.run(partial(push.send, b"3"))
            expected = [b"2"] if cut.cancelled else [b"2", b"3"]
            assert await arrivals(push, pull) == expected, cut


@over_each_way
async def test_a_cancelled_send_that_waited_for_a_peer_has_queued_nothing(way: str) -> None:
    """The peer comes meanwhile."""
    for cut in every_cut():
        async with Pull(linger=0) as pull, Push(linger=0) as push:
            listener = await bind(pull, way)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connect_when_blocked, push, pull, listener)
                await cut.run(partial(push.send, b"it"))
            await push.send(b"next")
            expected = [b"next"] if cut.cancelled else [b"it", b"next"]
            assert await arrivals(push, pull) == expected, cut


async def connect_when_blocked(push: Push, pull: Pull, listener: MemoryListener) -> None:
    """Connect when nothing else can happen any more."""
    await trio.testing.wait_all_tasks_blocked(0.001)
    await connect(push, pull, listener)


async def receive_when_blocked(pull: Pull) -> None:
    """Take one message when nothing else can happen any more."""
    await trio.testing.wait_all_tasks_blocked()
    await pull.receive()


@over_each_way
@in_both_modes
async def test_a_cancelled_receive_leaves_the_message_first_in_line(
    way: str, mode: lowlevel.CheckpointMode
) -> None:
    """The messages are there already."""
    lowlevel.set_checkpoint_mode(mode)
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            await push.send_many([b"1", b"2"])
            await trio.testing.wait_all_tasks_blocked(0.001)
            await cut.run(pull.receive)
            expected = [b"1", b"2"] if cut.cancelled else [b"2"]
            assert await arrivals(push, pull) == expected, cut


@over_each_way
async def test_a_cancelled_receive_that_waited_has_taken_nothing(way: str) -> None:
    """The message arrives while the call is being cut."""
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_when_blocked, push)
                await cut.run(pull.receive)
            await push.send(b"2")
            expected = [b"1", b"2"] if cut.cancelled else [b"2"]
            assert await arrivals(push, pull) == expected, cut


async def send_when_blocked(push: Push) -> None:
    """Send one message when nothing else can happen any more."""
    await trio.testing.wait_all_tasks_blocked(0.001)
    await push.send(b"1")


@over_each_way
async def test_a_cancelled_receive_many_has_taken_nothing(way: str) -> None:
    """All or none of what is there."""
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            await push.send_many([b"1", b"2", b"3"])
            await trio.testing.wait_all_tasks_blocked(0.001)
            await cut.run(partial(pull.receive_many, 2))
            expected = [b"1", b"2", b"3"] if cut.cancelled else [b"3"]
            assert await arrivals(push, pull) == expected, cut


@over_each_way
async def test_a_cancelled_receive_from_has_taken_nothing(way: str) -> None:
    """As receive, with the name of the sender."""
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            await push.send_many([b"1", b"2"])
            await cut.run(pull.receive_from)
            expected = [b"1", b"2"] if cut.cancelled else [b"2"]
            assert await arrivals(push, pull) == expected, cut


async def test_a_cancelled_send_many_has_queued_nothing() -> None:
    """And one that was not cancelled says how many it queued."""
    for cut in every_cut():
        async with pipeline("inproc", hwm=1) as (push, pull):
            assert await push.send_many([b"1", b"2", b"3"]) == 2
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive_when_blocked, pull)
                await cut.run(partial(push.send_many, [b"4", b"5"]))
            expected = [b"2"] if cut.cancelled else [b"2", b"4"]
            assert await arrivals(push, pull) == expected, cut


@over_each_way
@pytest.mark.parametrize("correlate", [False, True])
async def test_after_a_cancelled_request_the_next_one_gets_its_own_reply(
    way: str, *, correlate: bool
) -> None:
    """Never the late reply to the one that was given up."""
    for cut in every_cut():
        async with (
            Rep(linger=0) as rep,
            Req(correlate=correlate, linger=0) as req,
            trio.open_nursery() as nursery,
        ):
            await join(rep, req, way)
            nursery.start_soon(echo, rep)
            await cut.run(partial(req.request, b"first"))
            assert await req.request(b"second") == (b"second",), cut
            nursery.cancel_scope.cancel()


async def echo(rep: Rep) -> None:
    """Answer every request with itself, when nothing else can happen any more."""
    async for request in rep:
        await trio.testing.wait_all_tasks_blocked()
        await rep.send(request)


@over_each_way
@pytest.mark.parametrize("wait", [False, True])
async def test_a_cancelled_connect_leaves_no_endpoint(way: str, *, wait: bool) -> None:
    """And the socket can connect again."""
    for cut in every_cut():
        async with Pull(linger=0) as pull, Push(linger=0) as push:
            listener = await bind(pull, way)
            await cut.run(partial(connect, push, pull, listener, wait=wait))
            assert len(push.endpoints) == (not cut.cancelled), cut
            await connect(push, pull, listener)
            await push.send(b"1")
            assert await pull.receive() == (b"1",)


@over_each_way
async def test_a_cancelled_bind_has_bound_nothing(way: str) -> None:
    """And the socket can bind again."""
    for cut in every_cut():
        async with Pull(linger=0) as pull:
            await cut.run(partial(bind, pull, way))
            assert len(pull.endpoints) == (not cut.cancelled), cut
            if cut.cancelled:
                await bind(pull, way)


@over_each_way
async def test_a_cancelled_unbind_has_unbound_all_the_same(way: str) -> None:
    """What was accepted is cut off at once; what it had sent stays readable."""
    for cut in every_cut():
        async with pipeline(way) as (push, pull):
            await push.send(b"1")
            await push.drain()
            await trio.testing.wait_all_tasks_blocked(0.001)
            endpoint = pull.endpoints[0].endpoint
            await cut.run(partial(pull.unbind, endpoint))
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert (pull.endpoints, pull.peers) == ((), ()), cut
            assert await pull.receive() == (b"1",)


@over_each_way
async def test_a_cancelled_disconnect_has_disconnected_all_the_same(way: str) -> None:
    """The endpoint, its peer and its queue are gone, and the figures still add up."""
    for cut in every_cut():
        async with pipeline(way, hwm=1) as (push, _):
            await push.send(b"1")
            endpoint = push.endpoints[0].endpoint
            await cut.run(partial(push.disconnect, endpoint))
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert (push.endpoints, push.peers) == ((), ()), cut
            figures = push.statistics()
            dropped = sum(figures.dropped_outgoing.values())
            assert figures.accepted == figures.written + figures.waiting_to_send + dropped


@over_each_way
async def test_a_cancelled_drain_changes_nothing(way: str) -> None:
    """It only stops waiting."""
    for cut in every_cut():
        async with pipeline(way, hwm=1) as (push, pull), trio.open_nursery() as nursery:
            await push.send(b"1")
            nursery.start_soon(receive_when_blocked, pull)
            await cut.run(push.drain)
            await push.send(b"2")
            await push.drain()
            assert push.statistics().written == 2, cut


async def test_cancelled_waits_for_peers_and_subscribers_change_nothing() -> None:
    """They only stop waiting."""
    for cut in every_cut():
        async with Pub(linger=0) as pub, trio.open_nursery() as nursery:
            await bind(pub, "inproc")

            async def subscribe(pub: Pub = pub) -> None:
                await trio.testing.wait_all_tasks_blocked()
                async with Sub(connect=pub.endpoints[0].endpoint, topics="a"):
                    await trio.sleep_forever()

            async def wait(pub: Pub = pub) -> None:
                await pub.wait_for_peers()
                await pub.wait_for_subscribers(topic="a")

            nursery.start_soon(subscribe)
            await cut.run(wait)
            await pub.wait_for_subscribers(topic="a")
            assert [peer.socket_type for peer in pub.peers] == [SocketType.SUB], cut
            assert [place.state for place in pub.endpoints] == [EndpointState.LISTENING], cut
            nursery.cancel_scope.cancel()


@over_each_way
async def test_a_cancelled_aclose_has_closed_all_the_same(way: str) -> None:
    """Without the time to write: but then the drop is counted."""
    for cut in every_cut():
        async with Pull(receive_hwm=1, linger=0) as pull, Push(linger=0.02) as push:
            await join(pull, push, way)
            await push.send_many([b"1", b"2", b"3"])
            await cut.run(push.aclose)
            figures = push.statistics()
            dropped = sum(figures.dropped_outgoing.values())
            assert figures.waiting_to_send == 0
            assert figures.accepted == figures.written + dropped == 3, cut
            with pytest.raises(trio.ClosedResourceError):
                await push.send(b"4")


@over_each_way
async def test_a_cancelled_proxy_has_lost_nothing(way: str) -> None:
    """Each message is on one of the two sides, and the next proxy carries on."""
    for cut in every_cut():
        async with (
            pipeline(way) as (push, front),
            pipeline(way) as (back, pull),
            trio.open_nursery() as nursery,
        ):
            await push.send_many([b"1", b"2", b"3"])

            async def forward(front: Pull = front, back: Push = back, pull: Pull = pull) -> None:
                async with trio.open_nursery() as forwarding:
                    forwarding.start_soon(proxy, front, back)
                    await pull.wait_for_peers()
                    await trio.testing.wait_all_tasks_blocked(0.001)
                    forwarding.cancel_scope.cancel()

            await cut.run(forward)
            nursery.start_soon(proxy, front, back)
            assert [bytes(await pull.receive()) for _ in range(3)] == [b"1", b"2", b"3"], cut
            nursery.cancel_scope.cancel()


async def test_dealers_and_routers_keep_the_same_promise() -> None:
    """Their send and receive are the same code with another pattern: a round trip, cut anywhere."""
    for cut in every_cut():
        async with Router(linger=0) as router, Dealer(linger=0, routing_id=b"me") as dealer:
            await join(router, dealer, "inproc")
            done: list[str] = []

            async def round_trip(
                router: Router = router, dealer: Dealer = dealer, done: list[str] = done
            ) -> None:
                await dealer.send(b"ping")
                done.append("sent")
                await router.receive()
                done.append("received")
                await router.send((b"me", b"pong"))
                done.append("answered")

            await cut.run(round_trip)
            assert dealer.statistics().accepted == ("sent" in done)
            assert router.statistics().delivered == ("received" in done)
            assert router.statistics().accepted == ("answered" in done)
