"""Two sockets joined over inproc, memory streams, tcp or CURVE: the same test on each."""

from __future__ import annotations

import math
from typing import Final

import trio
import trio.testing

from tests.hostile.secured import CURVE_CLIENT, counterpart
from trio_mq import Socket
from trio_mq._transports.trio_stream import TrioStream
from trio_mq.zmtp import MechanismFactory

#: What a test can be run over.
WAYS: Final = ("inproc", "memory", "tcp", "curve")


class MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    """Streams in memory: `dial` makes a pair and gives the other end to ``accept``."""

    def __init__(self) -> None:
        self._dialled, self._accepted = trio.open_memory_channel[trio.abc.Stream](math.inf)
        #: What a client needs if `bind` has bound something else, under CURVE.
        self.mechanism: MechanismFactory | None = None

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
        case "curve":
            listener.mechanism = CURVE_CLIENT
            mechanism, authenticator = counterpart(CURVE_CLIENT)
            await binder.bind("tcp://127.0.0.1:*", mechanism=mechanism, authenticator=authenticator)
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
    if listener.mechanism is not None:
        return await connector.connect(endpoint, wait=wait, mechanism=listener.mechanism)
    return await connector.connect(endpoint, wait=wait)


async def join(binder: Socket, connector: Socket, way: str) -> None:
    """Join two open sockets, and return when each knows the other."""
    listener = await bind(binder, way)
    await connect(connector, binder, listener)
    await binder.wait_for_peers()
