"""A connection on any stream of trio's: in memory, over SSH, or whatever a program brings."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

import trio

from .failure import in_words
from .stream import ByteStream

_TRIOS_WORDS: Final = (trio.BrokenResourceError, trio.ClosedResourceError)
#: Seconds for a stream's own farewell.
_GOODBYE_SECONDS: Final = 1.0


class TrioStream(ByteStream):
    """A `ByteStream` on any `trio.abc.Stream`, which it owns from now on.

    Every write waits, and nobody can know how much of a failed one arrived: a message whose
    ``write_all`` raised counts as handed over.

    Args:
        stream: The stream; where it is a `trio.abc.HalfCloseableStream`, our end can be shut.
        local_address: Our end as text, for people.
        peer_address: The peer's end as text, for people.
    """

    __slots__ = ("_stream",)

    def __init__(
        self, stream: trio.abc.Stream, *, local_address: str = "", peer_address: str = ""
    ) -> None:
        self.local_address = local_address
        self.peer_address = peer_address or type(stream).__name__
        self._stream = stream

    def __repr__(self) -> str:
        return f"<TrioStream on {self._stream!r}>"

    async def receive_some(self, max_bytes: int) -> bytes:
        """See `ByteStream.receive_some`."""
        try:
            # Memory streams return a bytearray, which would not be ours alone.
            return bytes(await self._stream.receive_some(max_bytes))
        except _TRIOS_WORDS:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `ByteStream.try_write`: trio streams only write while one waits."""

    async def write_all(self, data: bytes) -> None:
        """See `ByteStream.write_all`."""
        try:
            await self._stream.send_all(data)
        except _TRIOS_WORDS:
            raise
        except Exception as error:
            raise self._failure(error) from error

    async def wait_writable(self) -> None:
        """See `ByteStream.wait_writable`."""
        try:
            await self._stream.wait_send_all_might_not_block()
        except _TRIOS_WORDS:
            raise
        except Exception as error:
            raise self._failure(error) from error

    async def shutdown_write(self) -> bool:
        """See `ByteStream.shutdown_write`; streams that cannot (TLS) stay as they are."""
        if not isinstance(self._stream, trio.abc.HalfCloseableStream):
            return False
        with contextlib.suppress(Exception):
            await self._stream.send_eof()
        return True

    async def farewell(self) -> None:
        """See `ByteStream.farewell`: in the stream's own way, which for TLS says good-bye."""
        with trio.move_on_after(_GOODBYE_SECONDS), contextlib.suppress(Exception):
            await self._stream.aclose()
        await self.aclose()

    async def aclose(self) -> None:
        """See `ByteStream.aclose`: no farewell is waited for."""
        with contextlib.suppress(Exception):
            await trio.aclose_forcefully(self._stream)

    def _failure(self, error: Exception) -> Exception:
        # Not only errors of an operating system: streams of users raise what they like.
        said = in_words(error)
        return trio.BrokenResourceError(f"connection to {self.peer_address} failed: {said}")
