"""The reading half of a link: what was read and not decoded waits for room, in order and whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.connections.test_link import next_of
from tests.hostile import wire
from tests.joined import MemoryListener, bind
from trio_mq import Disconnected, EventStream, Pull
from trio_mq.zmtp import RemoteProtocolError

HWM = 10
#: Flags that no frame has.
GARBAGE = b"\xff\x00"


def numbered(first: int, last: int) -> bytes:
    """Return messages as they are on the wire."""
    return b"".join(wire.message(b"%d" % number) for number in range(first, last))


async def take(pull: Pull, first: int, last: int) -> None:
    """Receive these messages, in order."""
    for number in range(first, last):
        assert await pull.receive() == (b"%d" % number,)


@asynccontextmanager
async def flooded(said: bytes) -> AsyncIterator[tuple[Pull, trio.abc.Stream, EventStream]]:
    """Open a socket, and a raw peer that has said all of this in one go."""
    async with Pull(receive_hwm=HWM, linger=0) as pull:
        listener: MemoryListener = await bind(pull, "memory")
        with pull.events() as events:
            stream = (await listener.dial())._stream
            await stream.send_all(wire.hello(b"PUSH") + said)
            await trio.testing.wait_all_tasks_blocked()
            assert pull.statistics().waiting_to_receive == HWM
            yield pull, stream, events


async def test_one_read_of_many_messages_is_decoded_as_room_comes() -> None:
    """The mark holds while the rest of what was read waits, and nothing more is read meanwhile."""
    async with flooded(numbered(0, 100)) as (pull, stream, _):
        await stream.send_all(numbered(100, 200))
        for number in range(200):
            await take(pull, number, number + 1)
            assert pull.statistics().waiting_to_receive <= HWM


async def test_the_next_batch_is_there_without_a_turn_of_the_scheduler() -> None:
    """It is decoded from the stack of the receive that made the room."""
    async with flooded(numbered(0, 50)) as (pull, _, _):
        for number in range(50):
            assert pull.receive_nowait() == (b"%d" % number,)
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()


async def test_garbage_behind_messages_ends_the_connection_and_no_receive() -> None:
    """The messages before it arrive; the one who receives them has done nothing wrong."""
    async with flooded(numbered(0, 50) + GARBAGE) as (pull, _, events):
        await take(pull, 0, 50)
        ended = await next_of(events, Disconnected)
        assert isinstance(ended.error, RemoteProtocolError)
        assert pull.peers == ()


async def test_what_was_read_from_a_peer_that_left_still_arrives() -> None:
    """The end of the stream comes after everything before it."""
    async with flooded(numbered(0, 50)) as (pull, stream, events):
        await stream.aclose()
        await take(pull, 0, 50)
        assert (await next_of(events, Disconnected)).error is None


async def test_nothing_of_a_connection_that_was_cut_is_decoded_afterwards() -> None:
    """What its pipe holds is received, and what it had only read is not brought back to life."""
    async with flooded(numbered(0, 50)) as (pull, _, events):
        (peer,) = pull.peers
        peer.disconnect()
        await next_of(events, Disconnected)
        await take(pull, 0, HWM)
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()


async def test_a_flood_ends_with_the_socket_that_it_is_for() -> None:
    """Closing does not wait for, or decode, what nobody will receive."""
    async with flooded(numbered(0, 50)) as (pull, _, _):
        await take(pull, 0, 3)
        await pull.aclose()
        assert pull.statistics().waiting_to_receive == 0
