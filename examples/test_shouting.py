"""How to test a program that uses sockets: one process, virtual time, no ports."""

import trio
import trio.testing

import trio_mq


async def shout(source: str, sink: str) -> None:
    """Pass on what comes, louder: the program under test."""
    async with trio_mq.Pull(connect=source) as pull, trio_mq.Push(connect=sink) as push:
        async for message in pull:
            await push.send(bytes(message).upper())


async def test_what_goes_in_comes_out_louder(nursery: trio.Nursery) -> None:
    """The test holds both ends; whoever is bound later is waited for."""
    nursery.start_soon(shout, "inproc://source", "inproc://sink")
    async with (
        trio_mq.Push(bind="inproc://source") as source,
        trio_mq.Pull(bind="inproc://sink") as sink,
    ):
        await source.send(b"hello")
        assert await sink.receive() == (b"HELLO",)


async def test_silence_stays_silence(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """An hour of waiting passes at once: the clock jumps whenever every task waits."""
    nursery.start_soon(shout, "inproc://source", "inproc://sink")
    async with trio_mq.Pull(bind="inproc://sink") as sink:
        with trio.move_on_after(3600) as hour:
            await sink.receive()
    assert hour.cancelled_caught
