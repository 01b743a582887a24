"""Streams: what a link relies on, on kernel sockets and on any trio stream."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import trio
import trio.testing

from trio_mq._transports.stream import MAX_BUFFERS, ByteStream, SocketStream
from trio_mq._transports.trio_stream import TrioStream

MIB = 1024 * 1024


def local_sockets() -> tuple[socket.socket, socket.socket]:
    """Connect two Unix-domain sockets."""
    return socket.socketpair()


def tcp_sockets() -> tuple[socket.socket, socket.socket]:
    """Connect two tcp sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    return client, accepted


def socket_streams(
    make: Callable[[], tuple[socket.socket, socket.socket]] = tcp_sockets,
) -> tuple[SocketStream, SocketStream]:
    """Connect two streams on kernel sockets."""
    left, right = make()
    return (
        SocketStream(left, local_address="left", peer_address="right"),
        SocketStream(right, local_address="right", peer_address="left"),
    )


def memory_streams() -> tuple[TrioStream, TrioStream]:
    """Connect two streams in memory."""
    left, right = trio.testing.memory_stream_pair()
    return TrioStream(left), TrioStream(right)


MAKERS = {
    "tcp": socket_streams,
    "unix": lambda: socket_streams(local_sockets),
    "memory": memory_streams,
}


@contextlib.asynccontextmanager
async def connected(kind: str) -> AsyncIterator[tuple[ByteStream, ByteStream]]:
    """Connect two streams and close them at the end."""
    left, right = MAKERS[kind]()
    try:
        yield left, right
    finally:
        await left.aclose()
        await right.aclose()


async def receive_exactly(stream: ByteStream, size: int) -> bytes:
    """Read ``size`` bytes."""
    data = bytearray()
    while len(data) < size:
        data += await stream.receive_some(size - len(data))
    return bytes(data)


def fill(stream: ByteStream) -> int:
    """Write until the kernel takes nothing, and return how much it took."""
    total = 0
    while taken := stream.try_write((bytes(64 * 1024),)):
        total += taken
    return total


every_kind = pytest.mark.parametrize("kind", MAKERS)
kernel = pytest.mark.parametrize("kind", ["tcp", "unix"])


@every_kind
async def test_what_is_written_arrives_as_immutable_bytes(kind: str) -> None:
    """The reader owns what it reads: bytes, of any stream."""
    async with connected(kind) as (left, right):
        await left.write_all(b"hello")
        received = await right.receive_some(100)
        assert type(received) is bytes
        assert received == b"hello"


@every_kind
async def test_a_read_takes_no_more_than_asked_for(kind: str) -> None:
    """The rest stays for the next read."""
    async with connected(kind) as (left, right):
        await left.write_all(b"hello")
        assert await right.receive_some(2) == b"he"
        assert await right.receive_some(100) == b"llo"


@every_kind
async def test_megabytes_arrive_whole_while_both_sides_wait(kind: str) -> None:
    """More than any kernel buffer holds: writer and reader wait for one another."""
    data = os.urandom(8 * MIB)
    async with connected(kind) as (left, right), trio.open_nursery() as nursery:
        nursery.start_soon(left.write_all, data)
        assert await receive_exactly(right, len(data)) == data


@every_kind
async def test_a_shut_end_reads_as_the_end_and_still_receives(kind: str) -> None:
    """Half-closing ends one direction only, and can be done twice."""
    async with connected(kind) as (left, right):
        await left.write_all(b"last")
        await left.shutdown_write()
        await left.shutdown_write()
        assert await right.receive_some(100) == b"last"
        assert await right.receive_some(100) == b""
        await right.write_all(b"answer")
        assert await left.receive_some(100) == b"answer"


@every_kind
async def test_a_close_reads_as_the_end_at_the_other_side(kind: str) -> None:
    """A peer that closed with nothing unread ended in order."""
    async with connected(kind) as (left, right):
        await left.aclose()
        assert await right.receive_some(100) == b""


@every_kind
async def test_closing_twice_is_closing_once(kind: str) -> None:
    """Two parts of a link may both close it; the second close touches nobody's new descriptor."""
    async with connected(kind) as (left, _):
        await left.aclose()
        await left.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await left.receive_some(1)


@every_kind
async def test_closing_wakes_the_waiting_reader(kind: str) -> None:
    """A reader that waits when its own end closes learns so at once."""
    async with connected(kind) as (left, _), trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await left.receive_some(1)

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await left.aclose()


@kernel
async def test_closing_wakes_the_waiting_writer(kind: str) -> None:
    """The same for who waits for room."""
    async with connected(kind) as (left, _), trio.open_nursery() as nursery:
        fill(left)

        async def write() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await left.wait_writable()

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked()
        await left.aclose()


@kernel
async def test_every_call_on_a_closed_stream_says_closed(kind: str) -> None:
    """Also the one that waits for nothing: it is our close, not the peer's fault."""
    async with connected(kind) as (left, _):
        await left.aclose()
        await left.shutdown_write()
        for call in (left.wait_writable, lambda: left.receive_some(1)):
            with pytest.raises(trio.ClosedResourceError):
                await call()
        for buffers in ((b"x",), (b"x", b"y")):
            with pytest.raises(trio.ClosedResourceError):
                left.try_write(buffers)


async def test_a_closed_stream_never_reads_from_a_newer_one() -> None:
    """The system gives the closed descriptor's number away again; nobody may wait on it for us."""
    old, old_peer = socket_streams()
    number = old._fileno
    await old.aclose()
    await old_peer.aclose()
    async with connected("tcp") as (new, new_peer):
        assert isinstance(new, SocketStream)
        assert isinstance(new_peer, SocketStream)
        assert number in (new._fileno, new_peer._fileno)
        with pytest.raises(trio.ClosedResourceError):
            await old.receive_some(1)
        await old.aclose()
        await new.write_all(b"x")
        assert await new_peer.receive_some(1) == b"x"


@every_kind
async def test_a_cancelled_read_took_nothing(kind: str) -> None:
    """Cancelled while it waits or before it starts, a read leaves every byte for the next."""
    async with connected(kind) as (left, right):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(right.receive_some, 10)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        await left.write_all(b"kept")
        with trio.CancelScope() as scope:
            scope.cancel()
            await right.receive_some(10)
        assert scope.cancelled_caught
        assert await right.receive_some(10) == b"kept"


@kernel
async def test_try_write_counts_what_the_kernel_took_and_zero_when_full(kind: str) -> None:
    """The count is what arrives: the link knows from it which message was wholly written."""
    async with connected(kind) as (left, right):
        total = fill(left)
        assert total > 0
        assert left.try_write((b"x",)) == 0
        assert left.try_write((b"x", b"y")) == 0
        await left.shutdown_write()
        assert len(await receive_exactly(right, total)) == total
        assert await right.receive_some(1) == b""


@kernel
async def test_try_write_takes_a_part_of_what_is_too_large(kind: str) -> None:
    """A large body goes in parts, in order over the buffers."""
    body = os.urandom(32 * MIB)
    async with connected(kind) as (left, right):
        taken = left.try_write((b"head", memoryview(body)))
        assert taken is not None
        assert 4 < taken < 4 + len(body)
        assert await receive_exactly(right, taken) == b"head" + body[: taken - 4]


@kernel
async def test_try_write_gathers_as_many_buffers_as_the_system_allows(kind: str) -> None:
    """More than IOV_MAX buffers are no error: the first of them go."""
    buffers = [b"%05d" % number for number in range(MAX_BUFFERS + 10)]
    async with connected(kind) as (left, right):
        assert left.try_write(buffers) == 5 * MAX_BUFFERS
        assert await receive_exactly(right, 5 * MAX_BUFFERS) == b"".join(buffers[:MAX_BUFFERS])


@kernel
async def test_waiting_to_write_ends_when_the_peer_reads(kind: str) -> None:
    """Room is announced once the peer made some."""
    async with connected(kind) as (left, right), trio.open_nursery() as nursery:
        total = fill(left)
        nursery.start_soon(left.wait_writable)
        await trio.testing.wait_all_tasks_blocked()
        await receive_exactly(right, total)


@kernel
async def test_a_cancelled_wait_to_write_leaves_the_stream_usable(kind: str) -> None:
    """Waiting wrote nothing, so nothing is torn."""
    async with connected(kind) as (left, right):
        total = fill(left)
        with trio.CancelScope() as scope:
            scope.cancel()
            await left.wait_writable()
        await receive_exactly(right, total)
        assert left.try_write((b"x",)) == 1


async def test_a_reset_breaks_reads_and_writes_with_its_cause() -> None:
    """A peer that resets is reported in trio's word, with the system's as the cause."""
    left, right = tcp_sockets()
    stream = SocketStream(left, local_address="here", peer_address="there")
    right.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    right.close()
    with pytest.raises(trio.BrokenResourceError, match="connection to there failed") as caught:
        await stream.receive_some(1)
    assert isinstance(caught.value.__cause__, ConnectionResetError)
    with pytest.raises(trio.BrokenResourceError) as caught:
        stream.try_write((b"x",))
    assert isinstance(caught.value.__cause__, OSError)
    await stream.shutdown_write()
    await stream.aclose()


class FaultySocket:
    """A socket whose calls do what the test prescribes; waiting is done on a real one beneath."""

    def __init__(self, real: socket.socket, outcomes: Sequence[object]) -> None:
        self._real = real
        self._outcomes = list(outcomes)
        self.settimeout = real.settimeout
        self.fileno = real.fileno
        self.close = real.close
        self.shutdown = real.shutdown

    def _next(self, *_arguments: object) -> object:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    recv = send = sendmsg = _next


def faulty_stream(outcomes: Sequence[object]) -> tuple[SocketStream, socket.socket]:
    """Return a readable stream with prescribed outcomes, and its real peer."""
    left, right = socket.socketpair()
    right.send(b"x")
    fake = FaultySocket(left, outcomes)
    return SocketStream(fake, local_address="", peer_address="peer"), right  # type: ignore[arg-type]


NETWORK_ERRORS = [
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ETIMEDOUT,
    errno.EPIPE,
    errno.ECONNRESET,
    errno.EINVAL,
]


@pytest.mark.parametrize("code", NETWORK_ERRORS)
async def test_any_error_of_the_system_ends_the_connection_alone(code: int) -> None:
    """Whatever recv and send may say, the link sees one kind of error, and the cause."""
    error = OSError(code, os.strerror(code))
    stream, peer = faulty_stream([error] * 3)
    with peer:
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some(1)
        assert caught.value.__cause__ is error
        for buffers in ((b"x",), (b"x", b"y")):
            with pytest.raises(trio.BrokenResourceError):
                stream.try_write(buffers)
        await stream.aclose()


async def test_a_socket_that_only_seemed_readable_is_waited_for_again() -> None:
    """The kernel may take its word back, for example on a bad checksum."""
    stream, peer = faulty_stream([BlockingIOError(), b"data"])
    with peer:
        assert await stream.receive_some(10) == b"data"
        await stream.aclose()


async def test_a_trio_stream_cannot_write_without_waiting() -> None:
    """None tells the link to use write_all."""
    async with connected("memory") as (left, _):
        assert left.try_write((b"x",)) is None
        await left.wait_writable()


async def test_a_broken_trio_stream_is_broken_here_too() -> None:
    """Trio's own errors pass through as they are."""
    async with connected("memory") as (left, right):
        await right.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await left.write_all(b"x")
        await left.shutdown_write()


class FailingStream(trio.abc.Stream):
    """A stream of somebody who does not follow trio's rules: it raises OSError."""

    async def send_all(self, data: object) -> None:
        """Fail."""
        raise OSError(errno.EIO, "cable cut")

    async def wait_send_all_might_not_block(self) -> None:
        """Return."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Fail."""
        raise OSError(errno.EIO, "cable cut")

    async def aclose(self) -> None:
        """Return."""
        await trio.lowlevel.checkpoint()


async def test_a_foreign_stream_that_raises_os_errors_is_broken() -> None:
    """They become the one kind of error that a link knows; what cannot be shut stays as it is."""
    stream = TrioStream(FailingStream(), peer_address="afar")
    for call in (lambda: stream.receive_some(1), lambda: stream.write_all(b"x")):
        with pytest.raises(trio.BrokenResourceError, match=r"connection to afar failed.*cable cut"):
            await call()
    await stream.shutdown_write()
    await stream.aclose()


def test_streams_show_their_ends() -> None:
    """What a log prints tells who talks to whom, and which are closed."""
    left, right = socket.socketpair()
    with left, right:
        stream = SocketStream(left, local_address="1.2.3.4:5", peer_address="[::1]:6")
        assert repr(stream) == "<SocketStream 1.2.3.4:5 to [::1]:6>"
    assert TrioStream(FailingStream()).peer_address == "FailingStream"
    assert "FailingStream" in repr(TrioStream(FailingStream()))
