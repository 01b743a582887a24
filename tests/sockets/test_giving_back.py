"""A link gives its pipe back before anybody decides about what is left in it.

Who ends an endpoint, a connection or a socket waits for that: otherwise a writer that still writes
sends what others have been given already, and the books are about messages that have left.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from tests.joined import WAYS, join
from tests.property.test_conservation import assert_adds_up
from tests.spec.raw_peer import RawPeer, raw_server, ready
from tests.zmtp.pair import GREETING
from trio_mq import Dealer, DropReason, EndpointState, Pull, Push, Rep, Router, Socket
from trio_mq.zmtp import encode_message

TCP = "tcp://127.0.0.1:*"


@contextlib.asynccontextmanager
async def joined(
    binder: Socket, connector: Socket, way: str
) -> AsyncIterator[tuple[Socket, Socket]]:
    """Open both and join them."""
    async with binder, connector:
        await join(binder, connector, way)
        yield binder, connector


async def disconnect_at_once(socket: Socket) -> None:
    """Call `disconnect`, cancelled, for the first connected endpoint."""
    endpoint = next(status.endpoint for status in socket.endpoints if not status.bound)
    with trio.CancelScope() as scope:
        scope.cancel()
        await socket.disconnect(endpoint)


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "no-linger"])
async def test_a_flood_over_endpoints_that_come_and_go_arrives_once(cancelled: bool) -> None:  # noqa: FBT001  # pytest passes it
    """What the old link has written is not given to another peer too."""
    got: Counter[bytes] = Counter()

    async def collect(pull: Pull) -> None:
        async for message in pull:
            got[bytes(message)[:8]] += 1

    async with (
        Pull(bind=TCP, receive_buffer=8192) as one,
        Pull(bind=TCP, receive_buffer=8192) as two,
        Push(linger=0, send_buffer=8192, send_hwm=200) as push,
        trio.open_nursery() as nursery,
    ):
        endpoints = [pull.endpoints[0].endpoint for pull in (one, two)]
        for endpoint in endpoints:
            await push.connect(endpoint, wait=True)
        nursery.start_soon(collect, one)
        nursery.start_soon(collect, two)
        sent = 0
        flood = trio.CancelScope()

        async def send() -> None:
            nonlocal sent
            with flood:
                while True:
                    await push.send(b"%08d" % sent + bytes(500))
                    sent += 1

        nursery.start_soon(send)
        for turn in range(40):
            before = push.statistics().written
            while push.statistics().written < before + 100:
                await trio.lowlevel.checkpoint()
            with trio.CancelScope() as scope:
                if cancelled:
                    scope.cancel()
                await push.disconnect(endpoints[turn % 2])
            await push.connect(endpoints[turn % 2], wait=True)
        flood.cancel()
        await push.drain()
        while sum(got.values()) < push.statistics().written:
            await trio.lowlevel.checkpoint()
        assert max(got.values()) == 1
        figures = push.statistics()
        assert (figures.written, figures.accepted) == (len(got), sent)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_has_ended_when_disconnect_returns(way: str) -> None:
    """Cancelled or not: its peer is gone, and nothing is written any more."""
    async with joined(Pull(), Push(), way) as (_, push):
        (peer,) = push.peers
        await disconnect_at_once(push)
        assert (peer.closed, push.peers, push.endpoints) == (True, (), ())


@pytest.mark.parametrize("way", WAYS)
async def test_connections_have_ended_when_unbind_returns(way: str) -> None:
    """And what waited for their peers was given to others, or dropped."""
    async with joined(Router(linger=0), Dealer(), way) as (router, _):
        (peer,) = router.peers
        with trio.CancelScope() as scope:
            scope.cancel()
            await router.unbind(router.endpoints[0].endpoint)
        assert (peer.closed, router.peers, router.endpoints) == (True, (), ())


@pytest.mark.parametrize("requests", [1, 4])
@pytest.mark.parametrize("way", WAYS)
async def test_replies_after_a_disconnect_are_counted(way: str, requests: int) -> None:
    """Their requester is gone, and so they go nowhere; the books say so."""
    async with joined(Dealer(), Rep(), way) as (dealer, rep):
        assert isinstance(dealer, Dealer)
        assert isinstance(rep, Rep)
        for _ in range(requests):
            await dealer.send([b"", b"question"])
        await rep.receive()
        while rep.statistics().decoded < requests:
            await trio.lowlevel.checkpoint()
        await disconnect_at_once(rep)
        replies = 0
        with contextlib.suppress(trio.WouldBlock):
            while True:
                rep.send_nowait(b"reply")
                replies += 1
                rep.receive_nowait()
        figures = rep.statistics()
        assert_adds_up(figures)
        assert replies == requests
        assert figures.dropped_outgoing == {DropReason.UNROUTABLE: requests}


async def test_a_connect_that_is_cancelled_as_its_handshake_ends_leaves_nothing() -> None:
    """Neither an endpoint nor a pipe that messages go to."""
    for _ in range(30):
        async with Push(linger=0) as push, raw_server() as server:
            async with trio.open_nursery() as nursery:
                connect = functools.partial(push.connect, server.endpoint, wait=True)
                nursery.start_soon(connect)
                stream = await server.listener.accept()
                await stream.send_all(GREETING)
                await trio.testing.wait_all_tasks_blocked(0.001)
                # At once: the connection is readable in the tick in which the call ends.
                os.write(stream.socket.fileno(), ready(Socket_Type=b"PULL"))
                nursery.cancel_scope.cancel()
            assert (push.endpoints, push.peers) == ((), ())
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert push.peers == ()
            with pytest.raises(trio.WouldBlock):
                push.send_nowait(b"to nobody")
            await stream.aclose()


async def test_what_a_socket_wrote_as_it_closed_is_counted_as_written() -> None:
    """The figures are taken when its last task has ended, and not before."""
    for _ in range(30):
        got = 0

        async def read(peer: RawPeer) -> None:
            nonlocal got  # this turn's
            while True:
                got += read_now(peer)
                await trio.lowlevel.checkpoint()

        async with raw_server() as server, Push(linger=0, send_buffer=8192) as push:
            await push.connect(server.endpoint)
            async with server.accept() as pull:
                await pull.shake_hands(b"PULL")
                await push.send_many([bytes(2000)] * 1000)
                await trio.testing.wait_all_tasks_blocked(0.001)
                # From now on the writer, who reads and who closes run in any order.
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(read, pull)
                    await trio.lowlevel.checkpoint()
                    with trio.CancelScope() as scope:
                        scope.cancel()
                        await push.aclose()
                    nursery.cancel_scope.cancel()
                with contextlib.suppress(trio.BrokenResourceError):
                    while more := await pull.stream.receive_some(65536):
                        got += len(more)
        figures = push.statistics()
        assert_adds_up(figures)
        assert figures.written == got // len(encode_message((bytes(2000),)))


def read_now(peer: RawPeer) -> int:
    """Read what the kernel has for a raw peer without letting others run; return how much."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while more := len(os.read(peer.stream.socket.fileno(), 65536)):
            count += more
    return count


@pytest.mark.parametrize("way", WAYS)
async def test_a_closed_socket_holds_nothing_and_says_what_it_dropped(way: str) -> None:
    """Also what arrived while it closed."""
    async with joined(Pull(), Push(linger=0), way) as (pull, push):
        assert isinstance(push, Push)
        await push.send_many([b"x"] * 100)
        with trio.CancelScope() as scope:
            scope.cancel()
            await pull.aclose()
        figures = pull.statistics()
        assert_adds_up(figures)
        assert (figures.waiting_to_receive, figures.waiting_to_receive_bytes) == (0, 0)
        assert figures.dropped_incoming.get(DropReason.CLOSED, 0) == figures.decoded


@pytest.mark.parametrize("way", WAYS)
async def test_an_endpoint_counts_the_peer_that_is_there(way: str) -> None:
    """And none when it has gone."""
    async with joined(Pull(linger=0), Push(linger=0), way) as (pull, push):
        assert [status.peers for status in (*pull.endpoints, *push.endpoints)] == [1, 1]
        (peer,) = push.peers
        await pull.aclose()
        await peer.wait_closed()
        (status,) = push.endpoints
        assert status.peers == 0
        assert status.state is not EndpointState.CONNECTED


@pytest.mark.parametrize("way", WAYS)
async def test_the_last_figures_of_a_peer_say_what_became_of_its_messages(way: str) -> None:
    """They were dropped because it left, and so they don't wait any more."""
    router = Router(linger=0)
    async with joined(router, Dealer(receive_hwm=1, receive_buffer=4096), way) as (_, dealer):
        (peer,) = router.peers
        for _ in range(200):
            router.send_nowait([peer.routing_id, bytes(20_000)])
        await dealer.aclose()
        await peer.wait_closed()
        figures = peer.statistics()
        assert_adds_up(figures)
        assert figures.waiting_to_send == 0
        assert figures.dropped_outgoing.get(DropReason.PEER_LEFT, 0) > 0
