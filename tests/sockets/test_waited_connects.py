"""``connect(wait=True)`` raises what its documentation names, whatever the other end does."""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import cast

import pytest
import trio
import trio.testing

from tests.ports import held_port
from trio_mq import EndpointState, HandshakeError, Options, Pair, Pull, Push, Req
from trio_mq._connections.connected import AnyConnected, Connected
from trio_mq._connections.waiting_calls import WaitingCalls


async def test_a_peer_that_resets_the_connection_is_an_os_error() -> None:
    """As everything that the network does."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, Req() as req, trio.open_nursery() as nursery:
        nursery.start_soon(reset_one, listener)
        port = listener.socket.getsockname()[1]
        with pytest.raises(ConnectionError, match="handshake"):
            await req.connect(f"tcp://127.0.0.1:{port}", wait=True)
        assert not req.endpoints


async def reset_one(listener: trio.SocketListener) -> None:
    """Accept a connection and cut it off with our greeting unread."""
    stream = await listener.accept()
    await trio.lowlevel.wait_readable(stream.socket)
    linger = struct.pack("ii", 1, 0)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await stream.aclose()


async def test_a_pair_that_is_taken_can_connect_to_nobody_else() -> None:
    """Our own refusal is a failed handshake, with the endpoint that was tried in its text."""
    async with (
        Pair(bind="inproc://one"),
        Pair(bind="inproc://two"),
        Pair(connect="inproc://one") as taken,
    ):
        await taken.wait_for_peers()
        with pytest.raises(HandshakeError, match="inproc://two"):
            await taken.connect("inproc://two", wait=True)
        assert len(taken.endpoints) == 1


@pytest.mark.parametrize("other_waits", [False, True])
async def test_who_gives_up_takes_nothing_from_another_call(
    *, other_waits: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """Two tasks connect to the same endpoint, and the first is cancelled: the other's stays."""
    async with Push(linger=0) as push, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as first:
                first.start_soon(partial(push.connect, "inproc://late", wait=True))
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(partial(push.connect, "inproc://late", wait=other_waits))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert [status.endpoint for status in push.endpoints] == ["inproc://late"]
        async with Pull(bind="inproc://late") as pull:
            await push.send(b"x")
            assert await pull.receive() == (b"x",)


async def test_an_attempt_that_fails_takes_nothing_from_who_did_not_wait() -> None:
    """Their endpoint dials on."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    endpoint = "tcp://{}:{}".format(*listener.socket.getsockname()[:2])
    async with Push(linger=0, reconnect_interval=0.001) as push:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_to_connect, push, endpoint)
            async with await listener.accept():
                assert await push.connect(endpoint) == endpoint
        async with await listener.accept() as again:
            assert await again.receive_some()
        assert [status.endpoint for status in push.endpoints] == [endpoint]
        await listener.aclose()


async def test_an_attempt_that_fails_fails_for_all_who_wait() -> None:
    """And the next call makes one of its own."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    endpoint = "tcp://{}:{}".format(*listener.socket.getsockname()[:2])
    async with listener, Push(linger=0) as push:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail_to_connect, push, endpoint)
                nursery.start_soon(fail_to_connect, push, endpoint)
                await (await listener.accept()).aclose()
            assert push.endpoints == ()


async def fail_to_connect(push: Push, endpoint: str) -> None:
    """Wait for a handshake that never comes."""
    with pytest.raises(ConnectionError):
        await push.connect(endpoint, wait=True)


async def test_what_an_attempt_met_is_past_when_a_later_one_succeeds() -> None:
    """Who did not wait dials on, and who asks again then finds the connection."""
    with held_port() as port:
        endpoint = f"tcp://127.0.0.1:{port}"
        async with Push(linger=0, reconnect_interval=0.001) as push:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail_to_connect, push, endpoint)
                nursery.start_soon(push.connect, endpoint)
            async with Pull(bind=endpoint):
                await push.wait_for_peers()
                assert await push.connect(endpoint, wait=True) == endpoint


class Dial:
    """An endpoint whose connection was lost: before the attempt that is waited for, or after it."""

    endpoint = "tcp://there:1"
    options = Options()

    def __init__(
        self, *, made: bool = False, failure: Exception | None = None, done: bool = False
    ) -> None:
        self.state = EndpointState.RETRYING
        self.last_error = trio.BrokenResourceError("reset")
        self.made = made
        self.failure = failure
        self.tried = trio.Event()
        self.tried.set()
        self.done = trio.Event()
        if done:
            self.done.set()


async def handshake(dial: Dial) -> Connected:
    """Wait for the handshake of an endpoint."""
    endpoint = Connected(dial.endpoint, cast("AnyConnected", dial), {}, kept=False)
    await endpoint.handshake(WaitingCalls())
    return endpoint


async def test_a_connection_that_was_lost_at_once_had_been_made() -> None:
    """The waiting call may run after both, and what ended the connection is no error of its own."""
    assert (await handshake(Dial(made=True))).kept


async def test_an_attempt_that_failed_says_why() -> None:
    """What it met, and not what ended an earlier connection."""
    with pytest.raises(ConnectionRefusedError, match="nobody"):
        await handshake(Dial(failure=ConnectionRefusedError("nobody")))


async def test_an_attempt_that_was_given_up_is_no_failure() -> None:
    """Somebody has disconnected the endpoint while it paused after an earlier connection."""
    with pytest.raises(trio.ClosedResourceError, match="disconnected meanwhile"):
        await handshake(Dial(done=True))
