"""How the sockets of a test meet, and how a test waits for what it can see but not be told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TypeAlias, TypedDict, TypeVar

import pytest
import trio

import trio_mq
from tests.ports import held_port

AnySocket = TypeVar("AnySocket")
AnyEvent = TypeVar("AnyEvent")
Filled: TypeAlias = trio_mq.Push | trio_mq.Dealer | trio_mq.Pair

#: A message that no pair of kernel buffers of the size below can hold.
LARGE = bytes(2 * 1024 * 1024)


class Narrow(TypedDict):
    """Options of both ends that let one message wait on each side, and nothing on the way."""

    send_hwm: int
    receive_hwm: int
    send_buffer: int
    receive_buffer: int
    linger: float


NARROW: Narrow = {
    "send_hwm": 1,
    "receive_hwm": 1,
    "send_buffer": 64 * 1024,
    "receive_buffer": 64 * 1024,
    "linger": 0,
}


@contextlib.asynccontextmanager
async def opened(
    sockets: Iterable[contextlib.AbstractAsyncContextManager[AnySocket]],
) -> AsyncIterator[list[AnySocket]]:
    """Open several sockets in this order, and close them in the opposite one."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(one) for one in sockets]


@contextlib.contextmanager
def reserved_tcp() -> Iterator[str]:
    """Hold a tcp endpoint that nobody listens on, and that can still be bound."""
    with held_port() as port:
        yield f"tcp://127.0.0.1:{port}"


async def eventually(condition: Callable[[], bool]) -> None:
    """Let other tasks run until a condition holds; the guard ends a test where it never does."""
    while not condition():
        await trio.lowlevel.checkpoint()


async def arrived(receiver: trio_mq.Socket, count: int) -> None:
    """Wait until so many messages can be received; over inproc they can from the first moment on.

    An inproc connection may leave them on the sender's side until they are asked for.
    """
    if not receiver.endpoints[0].endpoint.startswith("inproc:"):
        await eventually(lambda: receiver.statistics().waiting_to_receive == count)


async def stuff(sender: Filled) -> None:
    """Fill the queues to the one peer of a `NARROW` socket, for as long as it receives nothing."""
    await sender.send(LARGE)
    await sender.send(LARGE)


def fill(sender: Filled, message: trio_mq.Sendable) -> int:
    """Send until the socket would have to wait, and return how many messages it took."""
    count = 0
    with contextlib.suppress(trio.WouldBlock):
        while True:
            sender.send_nowait(message)
            count += 1
    return count


async def bounce(one: trio_mq.Dealer | trio_mq.Pair, other: trio_mq.Dealer | trio_mq.Pair) -> None:
    """Send a message of two frames there and back."""
    for sender, receiver in ((one, other), (other, one)):
        await sender.send([b"there", b"and back"])
        assert await receiver.receive() == (b"there", b"and back")


async def exchange(req: trio_mq.Req, rep: trio_mq.Rep, text: bytes = b"hello") -> None:
    """Ask and answer once."""
    await req.send(text)
    assert await rep.receive() == (text,)
    await rep.send(text.upper())
    assert await req.receive() == (text.upper(),)


def would_block(call: Callable[[], object]) -> bool:
    """Tell whether a call raises `trio.WouldBlock`."""
    with pytest.raises(trio.WouldBlock):
        call()
    return True


async def stuff_subscriber(publisher: trio_mq.Pub | trio_mq.XPub) -> None:
    """Publish until the queue of a `NARROW` subscriber to everything is full."""
    while not publisher.statistics().dropped:
        await publisher.send(LARGE)


async def next_of(events: trio_mq.EventStream, kind: type[AnyEvent]) -> AnyEvent:
    """Wait for the next event of a kind, past those of other kinds."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the socket was closed before there was a {kind.__name__}")


def fill_publisher(publisher: trio_mq.Pub | trio_mq.XPub, message: trio_mq.Sendable) -> int:
    """Publish until the socket, which blocks, would have to wait; return how many it took."""
    count = 0
    with contextlib.suppress(trio.WouldBlock):
        while True:
            publisher.send_nowait(message)
            count += 1
    return count
