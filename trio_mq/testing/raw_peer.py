"""A peer that is nothing but bytes: it says what you tell it to, when you tell it to."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import trio

from trio_mq._context import Context, default_context
from trio_mq._options import Options
from trio_mq._transports.endpoint import Endpoint, InprocEndpoint
from trio_mq._transports.listener import Acceptor, Acceptors
from trio_mq._transports.schemes import parse_bind, parse_connect
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp.commands import join_command, split_command
from trio_mq.zmtp.frames import COMMAND, LONG, MORE, encode_frame, encode_message
from trio_mq.zmtp.metadata import encode_metadata

#: What a peer of ZMTP 3.1 with the NULL mechanism says first.
_GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
_MOST_BYTES: Final = 65_536


class RawPeer:
    """A scripted peer on the wire, for what no well-behaved socket does.

    It can connect or listen, on a host of a `Network` as well as on the kernel's network. What it
    says is up to you: `greet` and `send_message` are for the parts of the script in which it
    behaves well.

    Args:
        connect: An endpoint to connect to, once.
        bind: An endpoint to listen on; the first connection is taken when it is needed.
        context: Where it is, as for a socket.

    Raises:
        TypeError: Neither or both of the two were given.
        ValueError: The endpoint is malformed, or one of inproc, where there are no bytes.

    Use it as an async context manager; entering raises `OSError` as ``bind`` and ``connect`` do.
    """

    def __init__(
        self,
        *,
        connect: str | None = None,
        bind: str | None = None,
        context: Context | None = None,
    ) -> None:
        if (connect is None) == (bind is None):
            raise TypeError("give a RawPeer either connect=endpoint or bind=endpoint")
        self._bind: Final = None if bind is None else _with_bytes(parse_bind(bind))
        self._connect: Final = None if connect is None else _with_bytes(parse_connect(connect))
        self._context = context
        self._listening: Acceptors[Acceptor] | None = None
        self._stream: ByteStream | None = None
        self._arrived = bytearray()
        self._metadata = b""

    def __repr__(self) -> str:
        where = self._bind or self._connect
        return f"<RawPeer {'connected' if self._stream else 'not connected'}, {where}>"

    async def __aenter__(self) -> Self:
        """Connect, or begin to listen."""
        network = (self._context or default_context()).network
        if self._connect is not None:
            self._stream = await network.dial(self._connect, Options())
        elif self._bind is not None:
            self._listening = await network.listen(self._bind, Options())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and stop listening, at once."""
        if self._listening is not None:
            self._listening.close()
        if self._stream is not None:
            await self._stream.aclose()
        await trio.lowlevel.checkpoint()

    @property
    def endpoint(self) -> str:
        """Where it listens, with its port, for others to connect to."""
        if self._listening is None:
            raise RuntimeError(f"{self!r} does not listen: give it bind=endpoint, and enter it")
        return self._listening.endpoint

    async def accept(self) -> None:
        """Take the next connection, in place of the one before it, which is closed.

        Cancelled, it took none.
        """
        if self._listening is None:
            raise RuntimeError(f"{self!r} does not listen: give it bind=endpoint, and enter it")
        stream = await self._listening.listeners[0].accept()
        if self._stream is not None:
            await self._stream.aclose()
        self._stream = stream
        self._arrived.clear()

    # -- bytes --

    async def send(self, data: bytes) -> None:
        """Write bytes.

        Raises:
            trio.BrokenResourceError: The connection has failed.
        """
        stream = await self._connected()
        await stream.write_all(data)

    async def receive(self, count: int) -> bytes:
        """Wait for ``count`` bytes, and return them.

        Raises:
            EOFError: The connection ended before, with what had come until then in the text.
            trio.BrokenResourceError: It has failed.

        Cancelled, what has come is kept for the next call.
        """
        stream = await self._connected()
        while len(self._arrived) < count:
            data = await stream.receive_some(_MOST_BYTES)
            if not data:
                raise EOFError(f"the connection ended, and had said {bytes(self._arrived)!r}")
            self._arrived += data
        taken = bytes(self._arrived[:count])
        del self._arrived[:count]
        return taken

    async def expect(self, data: bytes) -> None:
        """Wait for exactly these bytes.

        Raises:
            AssertionError: Others came.
        """
        received = await self.receive(len(data))
        if received != data:
            raise AssertionError(f"{received!r} came instead of {data!r}")

    async def expect_end(self) -> None:
        """Wait until the other end has closed or reset the connection, whatever it says before."""
        stream = await self._connected()
        try:
            while await stream.receive_some(_MOST_BYTES):
                pass
        except trio.BrokenResourceError:
            pass

    async def send_end(self) -> None:
        """Say that nothing follows; reading goes on."""
        stream = await self._connected()
        await stream.shutdown_write()

    # -- what good peers say --

    async def greet(self, socket_type: str, **properties: bytes) -> None:
        """Do our half of a NULL handshake of ZMTP 3.1, and wait for the other.

        Args:
            socket_type: What to claim to be, such as ``"PUSH"``.
            **properties: Further metadata; an underscore in a name stands for a hyphen.
        """
        claimed = {"Socket-Type": socket_type.encode()}
        claimed |= {name.replace("_", "-"): value for name, value in properties.items()}
        await self.send(_GREETING + _command(b"READY", encode_metadata(claimed)))
        await self.receive(len(_GREETING))
        flags, body = await self.receive_frame()
        name, self._metadata = split_command(body) if flags & COMMAND else (b"", body)
        if name != b"READY":
            raise AssertionError(f"{body!r} came instead of READY")

    @property
    def their_metadata(self) -> bytes:
        """What the other end said of itself in its READY, as it was on the wire."""
        return self._metadata

    async def send_command(self, name: str, data: bytes = b"") -> None:
        """Send a command, ``"PING"`` or ``"SUBSCRIBE"`` for instance."""
        await self.send(_command(name.encode(), data))

    async def send_message(self, *frames: bytes) -> None:
        """Send a message of these frames."""
        await self.send(encode_message(frames))

    async def receive_message(self) -> list[bytes]:
        """Wait for a message, and return its frames; commands before it are passed over."""
        frames: list[bytes] = []
        while True:
            flags, body = await self.receive_frame()
            if flags & COMMAND:
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    async def receive_frame(self) -> tuple[int, bytes]:
        """Wait for a frame, and return its flags and its body."""
        flags = (await self.receive(1))[0]
        size = await self.receive(8 if flags & LONG else 1)
        return flags, await self.receive(int.from_bytes(size, "big"))

    async def _connected(self) -> ByteStream:
        if self._stream is None:
            await self.accept()
        if self._stream is None:
            raise RuntimeError(f"{self!r} is not open: use it inside 'async with'")
        return self._stream


def _with_bytes(endpoint: Endpoint) -> Endpoint:
    if isinstance(endpoint, InprocEndpoint):
        raise ValueError(f"{endpoint}: inproc has no bytes on a wire; use tcp or ipc")  # noqa: TRY004  # of an endpoint, which is a str
    return endpoint


def _command(name: bytes, data: bytes) -> bytes:
    return encode_frame(COMMAND, join_command(name, data))
