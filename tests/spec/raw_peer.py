"""A peer made of bytes: what is on the wire, exactly."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs
import trio

from tests.zmtp.pair import GREETING
from trio_mq.zmtp.commands import join_command
from trio_mq.zmtp.frames import COMMAND, encode_frame
from trio_mq.zmtp.metadata import encode_metadata


def ready(**properties: bytes) -> bytes:
    """Return a READY frame; underscores in the names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in properties.items()}
    return encode_frame(COMMAND, join_command(b"READY", encode_metadata(named)))


@attrs.define(eq=False)
class RawPeer:
    """One end of a tcp connection that writes and reads bytes."""

    stream: trio.SocketStream
    #: What the other end said in its READY, as it was on the wire.
    their_ready: bytes = b""
    _arrived: bytearray = attrs.field(factory=bytearray)

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        await self.stream.send_all(data)

    async def receive(self, count: int) -> bytes:
        """Wait for so many bytes."""
        while len(self._arrived) < count:
            more = await self.stream.receive_some(65536)
            assert more, f"the connection ended after {bytes(self._arrived)!r}"
            self._arrived += more
        taken = bytes(self._arrived[:count])
        del self._arrived[:count]
        return taken

    async def expect(self, data: bytes) -> None:
        """Wait for exactly these bytes."""
        assert await self.receive(len(data)) == data

    async def expect_end(self) -> None:
        """Wait for the end of the connection; a reset is one too."""
        with contextlib.suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(65536):
                pass

    async def shake_hands(
        self, socket_type: bytes, version: bytes = b"\3\1", **properties: bytes
    ) -> None:
        """Do both halves of a NULL handshake."""
        greeting = GREETING[:10] + version + GREETING[12:]
        await self.send(greeting + ready(Socket_Type=socket_type, **properties))
        await self.receive(64)
        head = await self.receive(2)
        self.their_ready = head + await self.receive(head[1])


@contextlib.asynccontextmanager
async def raw_client(endpoint: str) -> AsyncIterator[RawPeer]:
    """Connect to a tcp endpoint."""
    host, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        yield RawPeer(stream)


@attrs.define(eq=False)
class RawServer:
    """Somebody who listens and speaks in bytes."""

    listener: trio.SocketListener

    @property
    def endpoint(self) -> str:
        """Where to connect to."""
        return f"tcp://127.0.0.1:{self.listener.socket.getsockname()[1]}"

    @contextlib.asynccontextmanager
    async def accept(self) -> AsyncIterator[RawPeer]:
        """Take the next connection."""
        async with await self.listener.accept() as stream:
            yield RawPeer(stream)


@contextlib.asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    """Listen on a tcp port."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        yield RawServer(listener)
