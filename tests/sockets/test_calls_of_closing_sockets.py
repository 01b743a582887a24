"""Calls that wait for the network when their socket, or what they wait for, is closed."""

from __future__ import annotations

import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
import trio
import trio.testing

from trio_mq import Pair, PeerLost, Pub, Pull, Push, Rep, Req, Router, Socket, Sub, proxy


async def raised_by(
    call: Callable[[], Awaitable[object]], meanwhile: Callable[[], Awaitable[object]]
) -> BaseException | None:
    """Return what a call that waits raises when something is done meanwhile."""
    raised: list[BaseException | None] = []

    async def run() -> None:
        try:
            await call()
        except (trio.ClosedResourceError, PeerLost, RuntimeError) as error:
            raised.append(error)
        else:
            raised.append(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        await meanwhile()
    return raised[0]


#: What `socket.getaddrinfo` returns; its exact type differs between versions of trio.
Addresses: TypeAlias = list[Any]


class SlowNames(trio.abc.HostnameResolver):
    """A name service that answers when it is told to."""

    def __init__(self) -> None:
        self.answer = trio.Event()

    async def getaddrinfo(self, *_: object, **__: object) -> Addresses:
        """Answer with the loopback address, late."""
        await self.answer.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        """Nobody asks."""
        raise NotImplementedError


@pytest.fixture
async def names() -> SlowNames:
    """Put the slow name service in place of the system's, for the run of the test."""
    service = SlowNames()
    trio.socket.set_custom_hostname_resolver(service)
    return service


async def test_a_waiting_connect_ends_with_its_socket() -> None:
    """It must not return as if it had connected."""
    async with Pair() as pair:
        error = await raised_by(lambda: pair.connect("inproc://nobody", wait=True), pair.aclose)
    assert isinstance(error, trio.ClosedResourceError)


async def test_a_waiting_connect_ends_with_its_endpoint() -> None:
    """Another task may disconnect what this one waits for."""
    async with Pair(linger=0) as pair:
        error = await raised_by(
            lambda: pair.connect("inproc://nobody", wait=True),
            lambda: pair.disconnect("inproc://nobody"),
        )
        assert isinstance(error, trio.ClosedResourceError)
        assert pair.endpoints == ()


async def test_a_waiting_connect_over_tcp_ends_with_its_socket(names: SlowNames) -> None:
    """Whatever the dialler is doing, here resolving the name."""
    async with Pair() as pair:
        error = await raised_by(lambda: pair.connect("tcp://localhost:9", wait=True), pair.aclose)
    assert isinstance(error, trio.ClosedResourceError)


async def test_a_waiting_bind_ends_with_its_socket_and_leaves_no_listener(
    names: SlowNames,
) -> None:
    """The guard of every test sees descriptors that stay."""
    async with Pull() as pull:
        error = await raised_by(lambda: pull.bind("tcp://localhost:*"), pull.aclose)
    assert isinstance(error, trio.ClosedResourceError)


async def test_a_bind_that_is_done_as_its_socket_closes_leaves_no_listener(
    names: SlowNames,
) -> None:
    """The name is there in the very step in which the socket closes."""

    async def both() -> None:
        names.answer.set()
        await pull.aclose()

    async with Pull() as pull:
        error = await raised_by(lambda: pull.bind("tcp://localhost:*"), both)
    assert isinstance(error, trio.ClosedResourceError)


async def test_a_request_whose_endpoint_is_cut_off_raises_peer_lost() -> None:
    """It was wholly written, so nobody else may get it, and no reply can come."""
    async with Router(bind="tcp://127.0.0.1:*") as router, Req(linger=0) as req:
        endpoint = router.endpoints[0].endpoint
        await req.connect(endpoint, wait=True)

        async def cut_off() -> None:
            await router.receive()
            await req.disconnect(endpoint)

        error = await raised_by(lambda: req.request(b"question"), cut_off)
    assert isinstance(error, PeerLost)


@pytest.mark.parametrize("correlate", [False, True])
@pytest.mark.parametrize("endpoint", ["inproc://silent", "tcp://127.0.0.1:*"])
async def test_after_a_request_that_nobody_answers_the_next_one_goes_out(
    endpoint: str, *, correlate: bool
) -> None:
    """Giving up the first frees the service for the second, whatever it does with the first."""
    async with (
        Router(bind=endpoint, linger=0) as router,
        Req(
            connect=router.endpoints[0].endpoint,
            correlate=correlate,
            linger=0,
            reconnect_interval=0.001,
        ) as req,
        trio.open_nursery() as nursery,
    ):
        async with trio.open_nursery() as giving_up:
            giving_up.start_soon(req.request, b"first")
            assert (await router.receive())[-1] == b"first"
            giving_up.cancel_scope.cancel()
        nursery.start_soon(answer_one, router)
        assert await req.request(b"second") == (b"second",)


async def answer_one(router: Router) -> None:
    """Send one request back as it came."""
    await router.send(await router.receive())


async def test_a_reply_is_delivered_and_counted_although_its_sender_has_left() -> None:
    """What was decoded was delivered, waits or was dropped, whoever is still there."""
    async with Req(bind="inproc://leaving") as req:
        async with Rep(connect="inproc://leaving") as rep:
            await req.send(b"question")
            await rep.receive()
            await rep.send(b"answer")
        assert await req.receive() == (b"answer",)
        figures = req.statistics()
        assert (figures.decoded, figures.delivered, figures.waiting_to_receive) == (1, 1, 0)


async def test_closing_for_a_second_time_at_once_ends_the_first_closing_too() -> None:
    """What waits for any worker, in the return queue, is dropped under the waiting ``aclose``."""
    async with Push(bind="inproc://workers", linger=math.inf) as push:
        async with Pull(connect="inproc://workers", receive_hwm=1):
            for _ in range(3):
                await push.send(b"work")
        assert push.statistics().waiting_to_send == 2

        async def close_at_once() -> None:
            await trio.aclose_forcefully(push)

        assert await raised_by(push.aclose, close_at_once) is None


async def test_a_publisher_waits_for_its_own_subscribers_when_the_sender_before_it_gives_up() -> (
    None
):
    """Behind a cancelled sender, one whose subscribers have room goes on at once."""
    async with (
        Pub(bind="inproc://blocks", on_full="block", send_hwm=1) as pub,
        Sub(connect="inproc://blocks", topics="a", receive_hwm=1),
        Sub(connect="inproc://blocks", topics="b") as fast,
        trio.open_nursery() as nursery,
    ):
        await pub.send(b"a1")
        await pub.send(b"a2")
        giving_up = trio.CancelScope()

        async def give_up() -> None:
            with giving_up:
                await pub.send(b"a3")

        nursery.start_soon(give_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(pub.send, b"b1")
        await trio.testing.wait_all_tasks_blocked()
        giving_up.cancel()
        assert await fast.receive() == (b"b1",)


@pytest.mark.parametrize("closing", ["frontend", "backend", "capture"])
async def test_a_proxy_that_waits_ends_with_any_of_its_sockets(closing: str) -> None:
    """Whatever it is waiting for at that moment."""
    async with (
        Pull(bind="inproc://front") as frontend,
        Push(bind="inproc://back") as backend,
        Pub(bind="inproc://copy") as capture,
    ):
        sockets: dict[str, Socket] = {"frontend": frontend, "backend": backend, "capture": capture}
        error = await raised_by(lambda: proxy(frontend, backend, capture), sockets[closing].aclose)
    assert isinstance(error, trio.ClosedResourceError)


async def test_a_proxy_that_waits_for_room_counts_what_a_departed_sender_left() -> None:
    """The last message of a forgotten peer is looked at, put back, and still there."""
    async with (
        Pull(bind="inproc://front") as frontend,
        Push(bind="inproc://back") as backend,
        trio.open_nursery() as nursery,
    ):
        async with Push(connect="inproc://front") as sender:
            await sender.send(b"work")
        nursery.start_soon(proxy, frontend, backend)
        await trio.testing.wait_all_tasks_blocked()
        figures = frontend.statistics()
        assert (figures.delivered, figures.waiting_to_receive) == (0, 1)
        nursery.cancel_scope.cancel()
    assert frontend.statistics().dropped_incoming  # it was still there to be dropped


async def test_a_proxy_that_is_cancelled_while_its_sockets_close_is_only_cancelled() -> None:
    """An ordinary end of a program does both in one step."""
    async with Pull(bind="inproc://front") as frontend, Push(bind="inproc://back") as backend:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(proxy, frontend, backend)
                await trio.testing.wait_all_tasks_blocked()
                # One direction has its error, and in the same step the other is cancelled.
                assert frontend._opened is not None
                frontend._refuse_calls(frontend._opened)
                scope.cancel()
    assert scope.cancelled_caught
