"""Scripted peers, in memory and on the kernel's network."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

import trio_mq
from trio_mq.testing import Network, RawPeer


async def test_a_raw_peer_connects_and_talks(mq_network: Network) -> None:
    """It shakes hands, sends and receives messages, and says good-bye."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pair(bind="tcp://*:80", context=field) as pair,
        RawPeer(connect="tcp://field:80", context=lab) as raw,
    ):
        await raw.greet("PAIR", Routing_Id=b"me", X_Mood=b"good")
        assert b"PAIR" in raw.their_metadata
        await raw.send_message(b"a", b"b" * 300)
        assert await pair.receive() == (b"a", b"b" * 300)
        assert pair.peers[0].metadata["X-Mood"] == b"good"
        await pair.send([b"c", b"d" * 300])
        assert await raw.receive_message() == [b"c", b"d" * 300]
        await raw.send_end()
        await raw.expect_end()


async def test_a_raw_peer_listens_on_the_kernels_network_too(tmp_path: Path) -> None:
    """Whatever its context says, as for a socket."""
    async with (
        RawPeer(bind=f"ipc://{tmp_path}/x") as raw,
        trio_mq.Sub(connect=raw.endpoint, topics="news") as sub,
    ):
        await raw.greet("PUB")
        flags, body = await raw.receive_frame()
        assert (flags, body) == (4, b"\x09SUBSCRIBEnews")
        await raw.send_message(b"news")
        assert await sub.receive() == (b"news",)
        await raw.send_command("NO-SUCH-THING")
        await raw.expect_end()


async def test_a_stranger_harms_nobody(mq_network: Network) -> None:
    """Bytes that are no ZMTP end their own connection."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
        RawPeer(connect="tcp://field:80", context=lab) as stranger,
    ):
        await stranger.send(b"GET / HTTP/1.1\r\n\r\n")
        await stranger.expect_end()
        await push.send(b"all is well")
        assert await pull.receive() == (b"all is well",)


async def test_what_is_expected_and_does_not_come_is_an_error(mq_network: Network) -> None:
    """With what came instead."""
    lab = mq_network.host("lab")
    async with (
        RawPeer(bind="tcp://*:80", context=lab) as server,
        RawPeer(connect="tcp://lab:80", context=lab) as client,
    ):
        await client.send(b"abc")
        await client.send_end()
        with pytest.raises(AssertionError, match="b'ab' came instead of b'xy'"):
            await server.expect(b"xy")
        with pytest.raises(EOFError, match="had said b'c'"):
            await server.receive(2)


async def test_a_second_connection_is_accepted_in_place_of_the_first(mq_network: Network) -> None:
    """Who redials is taken in by the next `accept`."""
    lab = mq_network.host("lab")
    async with (
        RawPeer(bind="tcp://*:80", context=lab) as server,
        RawPeer(connect="tcp://lab:80", context=lab) as first,
        RawPeer(connect="tcp://lab:80", context=lab) as second,
    ):
        await first.send(b"1")
        await server.expect(b"1")
        await server.accept()
        await second.send(b"2")
        await server.expect(b"2")
        await first.expect_end()


async def test_a_raw_peer_needs_one_endpoint_with_bytes() -> None:
    """And says so where it is made."""
    with pytest.raises(TypeError, match="either"):
        RawPeer()
    with pytest.raises(TypeError, match="either"):
        RawPeer(bind="tcp://*:80", connect="tcp://lab:80")
    with pytest.raises(ValueError, match="no bytes on a wire"):
        RawPeer(bind="inproc://a")
    with pytest.raises(RuntimeError, match="does not listen"):
        await RawPeer(connect="tcp://lab:80").accept()
    with pytest.raises(RuntimeError, match="does not listen"):
        _ = RawPeer(bind="tcp://lab:80").endpoint


async def test_to_nobody_a_raw_peer_does_not_connect(mq_network: Network) -> None:
    """As a socket that waits for its connect."""
    with pytest.raises(ConnectionRefusedError):
        async with RawPeer(connect="tcp://lab:80", context=mq_network.host("lab")):
            pass


async def test_a_flood_without_end_is_held_back(mq_network: Network) -> None:
    """A sender that goes on for ever waits for the reader, as with the kernel."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field, receive_hwm=10) as pull,
        RawPeer(connect="tcp://field:80", context=lab) as raw,
    ):
        await raw.greet("PUSH")
        with trio.move_on_after(60) as minute:
            while True:
                await raw.send_message(bytes(10_000))
        assert minute.cancelled_caught
        assert pull.statistics().waiting_to_receive <= 11
