"""Endpoints of a socket: labels, limits, and what the list shows."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.joined import MemoryListener, connect
from trio_mq import EndpointState, Limits, Pull, Push
from trio_mq._transports.trio_stream import TrioStream


async def test_a_label_names_one_listener() -> None:
    """A second one would hide the first, which nobody could unbind any more."""
    async with Pull() as pull, Push() as push:
        listener, another = MemoryListener(), MemoryListener()
        await pull.bind("label", listener=listener)
        with pytest.raises(OSError, match="label is bound already by this socket"):
            await pull.bind("label", listener=another)
        await connect_to(push, listener)
        await push.send(b"1")
        assert await pull.receive() == (b"1",)
        await pull.unbind("label")
        await pull.bind("label", listener=another)
        await another.aclose()


async def connect_to(push: Push, listener: MemoryListener) -> None:
    """Connect to a listener in memory."""
    await push.connect("there", wait=True, open_stream=listener.dial)


async def test_strangers_who_say_nothing_are_limited_and_the_oldest_makes_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Idlers can't keep a real peer out."""
    async with Pull(limits=Limits(max_half_open=2), handshake_timeout=1000) as pull, Push() as push:
        listener = MemoryListener()
        await pull.bind("memory", listener=listener)
        idlers = [await listener.dial() for _ in range(5)]
        await connect(push, pull, listener)
        assert trio.current_time() < 10
        assert "too-many-half-open" in pull.statistics().handshake_failures
        for idler in idlers:
            await idler.aclose()


async def test_endpoints_show_their_state_and_their_queue(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """From the first attempt on."""
    async with Push(linger=0) as push:
        listener = MemoryListener()
        await push.connect("memory", open_stream=listener.dial)
        await push.send_many([b"1", b"2"])
        (endpoint,) = push.endpoints
        assert (endpoint.bound, endpoint.state) == (False, EndpointState.CONNECTING)
        assert (endpoint.queued, endpoint.peers) == (2, 0)
        async with Pull() as pull:
            await pull.bind("memory", listener=listener)
            await push.wait_for_peers()
            await push.drain()
            (endpoint,) = push.endpoints
            assert (endpoint.state, endpoint.queued, endpoint.peers) == (
                EndpointState.CONNECTED,
                0,
                1,
            )
            assert (pull.endpoints[0].state, pull.endpoints[0].peers) == (
                EndpointState.LISTENING,
                1,
            )


async def test_unknown_endpoints_are_refused_with_the_known_ones() -> None:
    """Both the given and the resolved form are known."""
    async with Pull() as pull, Push() as push:
        resolved = await pull.bind("tcp://127.0.0.1:*")
        with pytest.raises(ValueError, match=resolved):
            await pull.unbind("tcp://127.0.0.1:1")
        await pull.unbind("tcp://127.0.0.1:*")
        with pytest.raises(ValueError, match="none"):
            await push.disconnect(resolved)


async def test_an_endpoint_that_is_being_disconnected_gets_nothing_new() -> None:
    """Also if its connection is only made then, to write what waits."""
    listener = MemoryListener()
    async with Pull(bind="inproc://other") as other, Pull() as slow, Push(send_hwm=1) as push:
        await push.connect("slow", open_stream=listener.dial)
        await push.send(b"waits")
        await push.connect("inproc://other")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.disconnect, "slow")
            await trio.testing.wait_all_tasks_blocked()
            await slow.bind("slow", listener=listener)
            assert await slow.receive() == (b"waits",)
            for number in range(10):
                await push.send(b"%d" % number)
                assert await other.receive() == (b"%d" % number,)
        assert slow.statistics().decoded == 1


async def test_who_leaves_in_old_trouble_does_not_wait_out_its_long_pauses(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A server that comes back within the linger gets what waits, at once."""
    listener = MemoryListener()
    up = False

    async def dial() -> TrioStream:
        await trio.lowlevel.checkpoint()
        if not up:
            raise ConnectionRefusedError("nobody listens")
        return await listener.dial()

    async with Pull() as pull, Push(reconnect_interval=60, reconnect_interval_max=60) as push:
        await pull.bind("here", listener=listener)
        await push.connect("there", open_stream=dial)
        await push.send(b"last")
        await trio.sleep(600)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(push.disconnect, "there")
            await trio.sleep(5)
            up = True
            with trio.fail_after(1):
                assert await pull.receive() == (b"last",)
