"""Peers that take more than their share of what all have to share, or of our patience."""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from tests.hostile.wire import command, hello, message
from trio_mq import Disconnected, EventStream, Limits, Pub, Pull, Sub


async def next_end(events: EventStream) -> Disconnected:
    """Return the next end of a peer's connection."""
    while not isinstance(event := await events.receive(), Disconnected):
        pass
    return event


async def connect(endpoint: str) -> trio.SocketStream:
    """Connect to an endpoint of ours, without a word of ZMTP."""
    return await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2]))


async def test_a_frame_that_does_not_get_on_ends_its_connection() -> None:
    """What came whole before it is received; its rest may not keep us waiting for ever."""
    async with Pull(limits=Limits(frame_progress_timeout=0.05)) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        with pull.events() as events:
            async with await connect(endpoint) as stream:
                await stream.send_all(hello(b"PUSH") + message(b"whole") + b"\0\5ab")
                assert await pull.receive() == (b"whole",)
                assert (await next_end(events)).reason == "timeout"


async def test_who_uses_up_the_topic_lengths_is_turned_out_not_who_comes_last() -> None:
    """Else one subscriber could lock all others out, for as long as it likes."""
    lengths = b"".join(command(b"SUBSCRIBE", bytes(length)) for length in range(10, 18))
    async with Pub(linger=0, limits=Limits(max_topic_lengths=8)) as pub:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        async with await connect(endpoint) as hog:
            await hog.send_all(hello(b"SUB") + lengths)
            await pub.wait_for_subscribers(1, topic=bytes(17))
            (hogging,) = pub.peers
            with pub.events() as events:
                async with Sub(topics="A", connect=endpoint) as honest:
                    await pub.wait_for_subscribers(1, topic="A")
                    assert (await next_end(events)).peer is hogging
                    await pub.send(b"A message")
                    assert await honest.receive() == (b"A message",)


async def test_strangers_with_little_each_do_not_push_out_who_was_there_before() -> None:
    """A subscriber that came while there was plenty has more than each of them, and stays."""
    async with Pub(linger=0, limits=Limits(max_topic_lengths=12)) as pub:
        endpoint = await pub.bind("tcp://127.0.0.1:*")
        async with Sub(topics=["A", "BB", "CCC"], connect=endpoint) as honest:
            await pub.wait_for_subscribers(1, topic="CCC")
            (known,) = pub.peers
            async with AsyncExitStack() as strangers:
                with pub.events() as events:
                    for index in range(12):
                        stranger = await strangers.enter_async_context(await connect(endpoint))
                        two = [command(b"SUBSCRIBE", bytes(10 + 2 * index + n)) for n in range(2)]
                        await stranger.send_all(hello(b"SUB") + b"".join(two))
                    assert (await next_end(events)).peer is not known
                await pub.send(b"A message")
                assert await honest.receive() == (b"A message",)
                assert not known.closed
