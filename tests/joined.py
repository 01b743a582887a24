"""Two sockets joined over inproc, memory streams or tcp: the same test on each."""

from __future__ import annotations

import math
from typing import Final

import trio
import trio.testing

from trio_mq import Socket
from trio_mq._transports.stream import TrioStream

#: What a test can be run over.
WAYS: Final = ("inproc", "memory", "tcp")


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Streams in memory: `dial` makes a pair and gives the other end to ``accept``."""

    def __init__(self) -> None:
        self._dialled, self._accepted = trio.open_memory_channel[trio.abc.Stream](math.inf)

    async def accept(self) -> trio.abc.Stream:
        """Wait for the other end of a dialled stream."""
        return await self._accepted.receive()

    async def dial(self) -> TrioStream:
        """Connect to whoever listens; refused when nobody does any more."""
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        try:
            self._dialled.send_nowait(theirs)
        except trio.BrokenResourceError:
            raise ConnectionRefusedError("nobody listens") from None
        return TrioStream(ours)

    async def aclose(self) -> None:
        """Stop listening."""
        self._accepted.close()
        await trio.lowlevel.checkpoint()


async def bind(binder: Socket, way: str) -> MemoryListener:
    """Bind a socket; the listener is only listened to over memory streams."""
    listener = MemoryListener()
    match way:
        case "inproc":
            await binder.bind(f"inproc://{id(binder)}")
        case "memory":
            await binder.bind("memory", listener=listener)
        case _:
            await binder.bind("tcp://127.0.0.1:*")
    return listener


async def connect(
    connector: Socket, binder: Socket, listener: MemoryListener, *, wait: bool = True
) -> str:
    """Connect a socket to one that was bound with `bind`."""
    endpoint = binder.endpoints[0].endpoint
    if endpoint == "memory":
        return await connector.connect(endpoint, wait=wait, open_stream=listener.dial)
    return await connector.connect(endpoint, wait=wait)


async def join(binder: Socket, connector: Socket, way: str) -> None:
    """Join two open sockets, and return when each knows the other."""
    listener = await bind(binder, way)
    await connect(connector, binder, listener)
    await binder.wait_for_peers()
