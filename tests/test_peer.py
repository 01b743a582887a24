"""Peers: one object per connection, with figures of that connection alone."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.joined import WAYS, bind, connect, join
from trio_mq import Dealer, Pull, Push, Router, SocketType

over_each_way = pytest.mark.parametrize("way", WAYS)


@over_each_way
async def test_a_peer_tells_who_it_is(way: str) -> None:
    """What its handshake said."""
    async with (
        Router(metadata={"X-role": "server"}) as router,
        Dealer(routing_id=b"client-7", metadata={"X-role": "client"}) as dealer,
    ):
        await join(router, dealer, way)
        (client,), (server,) = router.peers, dealer.peers
        assert (client.socket_type, server.socket_type) == (SocketType.DEALER, SocketType.ROUTER)
        assert client.routing_id == b"client-7"
        assert (client.metadata["X-role"], server.metadata["X-role"]) == (b"client", b"server")
        assert client.endpoint == router.endpoints[0].endpoint
        assert "client-7" in repr(client)


@over_each_way
async def test_every_connection_is_a_new_peer(way: str) -> None:
    """The old one stays closed, and its figures stay what they were."""
    async with Pull() as pull, Push(linger=0, reconnect_interval=0.001) as push:
        await join(pull, push, way)
        (before,) = push.peers
        await push.send(b"1")
        await pull.receive()
        await push.drain()
        before.disconnect()
        await before.wait_closed()
        await push.wait_for_peers()
        (after,) = push.peers
        assert after is not before
        assert (before.closed, after.closed) == (True, False)
        assert (before.statistics().written, after.statistics().written) == (1, 0)
        await before.wait_closed()


@over_each_way
async def test_the_cut_off_side_is_dialled_again_and_messages_flow(way: str) -> None:
    """Disconnecting a peer is the end of one connection, not of an endpoint."""
    async with Pull(linger=0) as pull, Push(linger=0, reconnect_interval=0.001) as push:
        await join(pull, push, way)
        (peer,) = pull.peers
        peer.disconnect("for a test")
        await peer.wait_closed()
        await pull.wait_for_peers()
        await push.send(b"1")
        assert await pull.receive() == (b"1",)


async def test_figures_of_a_peer_count_from_its_handshake() -> None:
    """What waited for it before counts as accepted for it."""
    async with Push(connect="inproc://later", linger=0) as push:
        await push.send(b"before")
        async with Pull(bind="inproc://later", receive_hwm=1) as pull:
            await push.send_many([b"22", b"333"])
            (peer,) = push.peers
            figures = peer.statistics()
            assert (figures.accepted, figures.written, figures.waiting_to_send) == (3, 1, 2)
            assert (peer.queued_messages, peer.queued_bytes) == (2, 5)
            assert await pull.receive() == (b"before",)


async def test_the_figures_of_a_socket_outlive_its_peers() -> None:
    """Ten connections, one sum."""
    async with Pull() as pull:
        listener = await bind(pull, "inproc")
        for _ in range(10):
            async with Push() as push:
                await connect(push, pull, listener)
                await push.send(b"1")
        assert pull.statistics().decoded == 10
        assert pull.statistics().waiting_to_receive == 10
        assert pull.statistics().peers == ()
        await pull.receive_many()
        assert pull.statistics().delivered == 10


async def test_tasks_that_wait_are_counted() -> None:
    """One in each direction."""
    async with (
        Pull(bind="inproc://empty") as pull,
        Push() as push,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(pull.receive)
        nursery.start_soon(push.send, b"1")
        await trio.testing.wait_all_tasks_blocked()
        assert pull.statistics().tasks_waiting_receive == 1
        assert push.statistics().tasks_waiting_send == 1
        nursery.cancel_scope.cancel()
