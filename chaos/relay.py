"""A tcp relay that stands for a network: it can be cut, with or without a word, and mended."""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from typing import Final

import attrs
import trio

#: Closes with a reset.
_ABORT: Final = struct.pack("ii", 1, 0)
_CHUNK: Final = 65_536


@attrs.define(eq=False)
class Relay:
    """Passes the bytes of each connection on to a port of this host, and the answers back."""

    target: int
    _listeners: list[trio.SocketListener] = attrs.field(factory=list)
    _open: trio.Event = attrs.field(factory=trio.Event)
    _streams: set[trio.SocketStream] = attrs.field(factory=set)
    done: Counter[str] = attrs.field(factory=Counter)

    async def listen(self) -> str:
        """Begin to listen, and return the endpoint."""
        self._listeners = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))
        self._open.set()
        return f"tcp://127.0.0.1:{self._listeners[0].socket.getsockname()[1]}"

    async def run(self) -> None:
        """Relay until cancelled."""
        await trio.serve_listeners(self._serve, self._listeners)

    def part(self) -> None:
        """Let nothing through any more, in either direction, without a word."""
        self._open = trio.Event()

    def mend(self) -> None:
        """Let everything through, also what was said meanwhile."""
        self._open.set()

    def reset(self) -> None:
        """Break every connection that is not broken yet."""
        for stream in self._streams:
            if stream.socket.fileno() < 0:
                continue  # its tasks have not found out
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            stream.socket.close()

    async def suffer(self, chance: random.Random, pause: float) -> None:
        """Part and mend, break and mend, until cancelled."""
        try:
            while True:
                await trio.sleep(chance.random() * pause)
                self.part()
                await trio.sleep(chance.random() * pause / 2)
                if chance.random() < 0.5:
                    self.done["reset"] += 1
                    self.reset()
                else:
                    self.done["partition"] += 1
                self.mend()
        finally:
            self.mend()

    async def _serve(self, caller: trio.SocketStream) -> None:
        try:
            target = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            return
        pair = {caller, target}
        self._streams |= pair
        try:
            async with target, trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, caller, target, nursery.cancel_scope)
                nursery.start_soon(self._pass_on, target, caller, nursery.cancel_scope)
        finally:
            self._streams -= pair

    async def _pass_on(
        self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(_CHUNK):
                await self._open.wait()
                await sink.send_all(data)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # One direction is broken, so the other is of no use.
            both.cancel()
