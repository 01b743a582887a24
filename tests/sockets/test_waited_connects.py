"""``connect(wait=True)`` raises what its documentation names, whatever the other end does."""

from __future__ import annotations

import socket
import struct

import pytest
import trio

from trio_mq import HandshakeError, Pair, Req


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
