"""One connection as the link sees it: bytes in, bytes out, and no protocol.

Two kinds: a `PollableStream` can be read and written without waiting, as a kernel socket can
(`SocketStream`); any other stream of trio's (`trio_stream`) cannot. A third, in `tls`, encrypts.

Why not trio's own `trio.SocketStream` for kernel sockets? Its ``send_all`` cannot say how much the
kernel took, which must be known to send a message again or not; each of its calls is a full
checkpoint, where a link that writes what it was just given needs none; and it cannot gather several
buffers. A round trip spends most of its time in these few lines.

Errors are trio's: `trio.BrokenResourceError` for whatever the peer or the network did, with the
operating system's word as its cause; `trio.ClosedResourceError` after our own ``aclose``, also in
a task that was waiting.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

import trio
from trio.lowlevel import wait_readable, wait_writable

from . import kernel_view, system
from .kernel_view import Patience, Vital
from .turns import Turns

#: Buffers that one system call gathers; more are left for the next call.
MAX_BUFFERS: Final = system.most_buffers()

_CLOSED: Final = "this stream was closed"
#: What is read and thrown away before a close: more than a kernel keeps of one connection.
_DISCARDED_AT_ONCE: Final = 256 * 1024
_MOST_DISCARDED: Final = 256


class ByteStream(abc.ABC):
    """A reliable, ordered stream of bytes in both directions.

    One task may read and one may write at a time. A cancelled read took nothing; a cancelled
    `write_all` leaves an unknown part written, after which the stream is only good for closing.
    """

    __slots__ = ("local_address", "peer_address")

    #: The peer as text: ``127.0.0.1:5555``, ``[::1]:5555``, a path, or who a local process is.
    peer_address: str
    #: Our own end, in the same form.
    local_address: str
    takes_real_time: bool = False  # a kernel moves the bytes: no virtual clock goes with that

    async def begin(self, turns: Turns | None = None) -> None:  # noqa: B027
        """Do what comes before the first byte, if anything; wait for a turn before it costs much.

        Raises:
            trio.BrokenResourceError: The connection failed.
        """

    @abc.abstractmethod
    async def receive_some(self, max_bytes: int) -> bytes:
        """Wait for bytes and return up to ``max_bytes`` of them; ``b""`` at the end of the stream.

        Raises:
            trio.BrokenResourceError: The connection failed.
            trio.ClosedResourceError: This end was closed.
        """

    @abc.abstractmethod
    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int | None:
        """Write what fits now and return the number of bytes, without waiting and no checkpoint.

        Returns:
            The number of bytes that the kernel took, in order from the first buffer on: 0 when it
            is full, possibly less than there are (at most `MAX_BUFFERS` are looked at).
            ``None`` if this stream cannot write without waiting: use `write_all`.

        Raises:
            trio.BrokenResourceError: The connection failed; what was not counted was not sent.
            trio.ClosedResourceError: This end was closed.
        """

    @abc.abstractmethod
    async def write_all(self, data: bytes) -> None:
        """Write all of ``data``, waiting as long as it takes. Errors as `try_write`."""

    @abc.abstractmethod
    async def wait_writable(self) -> None:
        """Wait until writing is worth another try.

        Raises:
            trio.ClosedResourceError: This end was closed.
        """

    @abc.abstractmethod
    async def shutdown_write(self) -> bool:
        """Tell the peer that nothing follows, where the stream can; reading goes on.

        Never raises for a peer that is dead already.

        Returns:
            False if the stream cannot: then only its close tells the peer.
        """

    # What a stream can say of its other end without reading. One that can't tell says so.

    def vital(self, seconds: float) -> Vital:  # noqa: ARG002  # for those that know
        """Tell what the other end has shown of itself in the last ``seconds``."""
        return Vital.UNKNOWN

    def certificate(self) -> Mapping[str, object] | None:
        """Return the certificate that the peer has shown and that was found good."""
        return None

    def ended(self) -> bool:
        """Tell whether the peer's end has arrived, perhaps behind what we have not read."""
        return False

    def unacknowledged(self) -> int | None:
        """Return how many written bytes have not arrived at the other kernel; ``None``: unknown."""
        return None

    def vanished(self) -> Exception | None:
        """Look whether the other host has gone while it did not read, and return the error then."""
        return None

    async def farewell(self) -> None:
        """Close after everything was written, in a way that resets nothing if that can be done.

        What was written is on its way; what the peer still sends is of no interest.
        """
        await self.aclose()

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Close at once, without waiting for anything; idempotent."""


class PollableStream(ByteStream):
    """A `ByteStream` that reads, writes and closes without waiting, and tells when to try."""

    __slots__ = ()
    is_overheard: bool = False  # the log is told of each write, and whoever reads it may send more

    # Waiting comes first, although bytes may be there already: every read needs a schedule point,
    # and this one costs less than a try, a failure and a wait. A second round is for the rare
    # socket that only seemed readable.

    async def receive_some(self, max_bytes: int) -> bytes:
        """See `ByteStream.receive_some`."""
        while True:
            await self.wait_readable()
            data = self.read_now(max_bytes)
            if data is not None:
                return data

    @abc.abstractmethod
    async def wait_readable(self) -> None:
        """Wait until reading is worth a try, or until somebody calls `interrupt`.

        Raises:
            trio.ClosedResourceError: This end was closed.
        """

    def readable(self) -> Awaitable[object]:
        """Return what waits as `wait_readable` does, perhaps with one coroutine less.

        That one may also raise `trio.ClosedResourceError` after `interrupt`: see `closed`.
        """
        return self.wait_readable()

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """This end was closed."""

    @abc.abstractmethod
    def read_now(self, max_bytes: int) -> bytes | None:
        """Return what is there, ``b""`` at the end, or ``None``; errors as `receive_some`."""

    @abc.abstractmethod
    def interrupt(self) -> None:
        """Let the tasks that wait for this stream look again."""

    @abc.abstractmethod
    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """See `ByteStream.try_write`; never ``None``."""

    def write_now(self, data: bytes) -> int:
        """Do as `try_write` for one small buffer."""
        return self.try_write((data,))

    async def write_all(self, data: bytes) -> None:
        """See `ByteStream.write_all`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        rest = memoryview(data)
        while rest:
            rest = rest[self.try_write((rest,)) :]
            if rest:
                await self.wait_writable()


class SocketStream(PollableStream):
    """A `ByteStream` on a connected kernel socket of any family, which it owns from now on.

    Args:
        sock: A connected stream socket; made non-blocking.
        local_address: Our end as text.
        peer_address: The peer's end as text.
        patience: How long data may be on the way; ``None``: as long as the system likes.
    """

    __slots__ = ("_awaited", "_fileno", "_recv", "_send", "_socket", "patience")
    takes_real_time = True

    def __init__(
        self,
        sock: socket.socket,
        *,
        local_address: str,
        peer_address: str,
        patience: Patience | None = None,
    ) -> None:
        sock.settimeout(0)
        self.patience: Patience | None = patience
        self.local_address = local_address
        self.peer_address = peer_address
        self._socket = sock
        # Bound once: looking a method up costs a tenth of the system call that it makes.
        self._recv = sock.recv
        self._send = sock.send
        # What trio uses in the end; -1 after the close, since the next connection gets the number.
        self._fileno = sock.fileno()
        #: A task may be waiting for it, for one has begun to since all were woken.
        self._awaited = False

    def __repr__(self) -> str:
        state = "closed " if self._fileno < 0 else ""
        return f"<{state}SocketStream {self.local_address} to {self.peer_address}>"

    async def wait_readable(self) -> None:
        """See `PollableStream.wait_readable`."""
        try:
            await self.readable()
        except trio.ClosedResourceError:
            if self._fileno < 0:
                raise

    def readable(self) -> Awaitable[object]:
        """See `PollableStream.readable`."""
        if self._fileno < 0:
            raise trio.ClosedResourceError(_CLOSED)
        self._awaited = True
        return wait_readable(self._fileno)  # noqa: ASYNC105  # whoever calls awaits it

    @property
    def closed(self) -> bool:
        """See `PollableStream.closed`."""
        return self._fileno < 0

    def read_now(self, max_bytes: int) -> bytes | None:
        """See `PollableStream.read_now`."""
        try:
            return self._recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._failure(error) from error

    def interrupt(self) -> None:
        """See `PollableStream.interrupt`."""
        if self._awaited and self._fileno >= 0:
            self._awaited = False
            trio.lowlevel.notify_closing(self._fileno)

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """See `PollableStream.try_write`."""
        try:
            if len(buffers) == 1:
                return self._send(buffers[0])
            return system.gather(self._socket)(buffers[:MAX_BUFFERS])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._failure(error) from error

    def write_now(self, data: bytes) -> int:
        """See `PollableStream.write_now`."""
        try:
            return self._send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._failure(error) from error

    async def wait_writable(self) -> None:
        """See `ByteStream.wait_writable`."""
        if self._fileno < 0:
            raise trio.ClosedResourceError(_CLOSED)
        self._awaited = True
        try:
            await wait_writable(self._fileno)
        except trio.ClosedResourceError:
            # Or the task that reads was meant.
            if self._fileno < 0:
                raise

    async def shutdown_write(self) -> bool:
        """See `ByteStream.shutdown_write`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        return True

    def vital(self, seconds: float) -> Vital:
        """See `ByteStream.vital`."""
        return kernel_view.vital(self._socket, seconds) if self._fileno >= 0 else Vital.UNKNOWN

    def ended(self) -> bool:
        """See `ByteStream.ended`."""
        return self._fileno >= 0 and kernel_view.ended(self._socket)

    def unacknowledged(self) -> int | None:
        """See `ByteStream.unacknowledged`."""
        return kernel_view.unacknowledged(self._socket) if self._fileno >= 0 else None

    def vanished(self) -> Exception | None:
        """See `ByteStream.vanished`: meanwhile the kernel must not give up either."""
        patience = self.patience
        if patience is None or self._fileno < 0 or not patience.is_over(self._socket):
            return None
        cause = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        error = self._failure(cause)
        error.__cause__ = cause
        return error

    async def farewell(self) -> None:
        """See `ByteStream.farewell`: the kernel goes on to send what it was given.

        A close with unread input would be a reset. And a kernel that was told to give up on a shut
        window would drop what waits behind it.
        """
        with contextlib.suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            if not system.is_local(self._socket):
                kernel_view.set_user_timeout(self._socket, 0)
            for _ in range(_MOST_DISCARDED):
                if not self.read_now(_DISCARDED_AT_ONCE):
                    break
        await self.aclose()

    async def aclose(self) -> None:
        """See `ByteStream.aclose`. Tasks waiting on the stream get `trio.ClosedResourceError`."""
        if self._fileno >= 0:
            self.interrupt()
            self._fileno = -1
            self._socket.close()

    def _failure(self, error: OSError) -> Exception:
        if self._fileno < 0:
            return trio.ClosedResourceError(_CLOSED)
        return trio.BrokenResourceError(f"connection to {self.peer_address} failed: {error}")
