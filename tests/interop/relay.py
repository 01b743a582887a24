"""A tcp relay between two programs: it sees what they say, and can fall silent for one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio


class Relay:
    """Passes the bytes of each connection on to a port, and the answers back."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self._target = host, int(port)
        self._listeners: list[trio.SocketListener] = []
        self._gates = {True: trio.Event(), False: trio.Event()}
        self._changed = trio.Condition()
        self._said = {True: bytearray(), False: bytearray()}
        for gate in self._gates.values():
            gate.set()

    @property
    def endpoint(self) -> str:
        """Where to connect to instead of the target."""
        return f"tcp://127.0.0.1:{self._listeners[0].socket.getsockname()[1]}"

    async def heard(self, text: bytes, *, from_target: bool, times: int = 1) -> None:
        """Wait until one end has said something so often, since the beginning."""
        async with self._changed:
            while self._said[from_target].count(text) < times:
                await self._changed.wait()

    def silence(self, *, target: bool) -> None:
        """Pass on nothing any more of what one end says; its kernel goes on acknowledging."""
        self._gates[target] = trio.Event()

    def let_speak(self, *, target: bool) -> None:
        """Pass on again what one end says, and what it has said meanwhile."""
        self._gates[target].set()

    async def listen(self) -> None:
        """Begin to listen."""
        self._listeners = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))

    async def run(self) -> None:
        """Relay until cancelled."""
        await trio.serve_listeners(self._serve, self._listeners)

    async def _serve(self, caller: trio.SocketStream) -> None:
        target = await trio.open_tcp_stream(*self._target)
        async with target, trio.open_nursery() as nursery:
            both = nursery.cancel_scope
            nursery.start_soon(partial(self._pass, target, caller, both, from_target=True))
            nursery.start_soon(partial(self._pass, caller, target, both, from_target=False))

    async def _pass(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        both: trio.CancelScope,
        *,
        from_target: bool,
    ) -> None:
        try:
            async for data in source:
                await self._gates[from_target].wait()
                await sink.send_all(data)
                async with self._changed:
                    self._said[from_target] += data
                    self._changed.notify_all()
        except trio.BrokenResourceError:
            pass
        both.cancel()


@asynccontextmanager
async def relaying(target: str) -> AsyncIterator[Relay]:
    """Relay to a tcp endpoint during the block."""
    relay = Relay(target)
    async with trio.open_nursery() as nursery:
        await relay.listen()
        nursery.start_soon(relay.run)
        yield relay
        nursery.cancel_scope.cancel()
