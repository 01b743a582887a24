"""Listeners: errors of a visitor are nobody else's, and scarcity is the caller's to sit out."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator, Sequence

import pytest
import trio
import trio.testing

from trio_mq._transports.listener import Acceptors, Listener
from trio_mq._transports.stream import SocketStream


class FaultySocket:
    """A listening socket with a visitor waiting, whose accept first fails as prescribed."""

    def __init__(self, errors: Sequence[OSError]) -> None:
        self.real = socket.create_server(("127.0.0.1", 0))
        self.visitor = socket.create_connection(self.real.getsockname())
        self.settimeout = self.real.settimeout
        self.fileno = self.real.fileno
        self._errors = list(errors)

    def accept(self) -> tuple[socket.socket, object]:
        """Fail while there is something to fail with."""
        if self._errors:
            raise self._errors.pop(0)
        return self.real.accept()

    def close(self) -> None:
        """Close both ends."""
        self.real.close()
        self.visitor.close()


def stream(sock: socket.socket, address: object) -> SocketStream:
    """Wrap an accepted socket."""
    return SocketStream(sock, local_address="", peer_address=str(address))


def failing_listener(*codes: int) -> Listener:
    """Return a listener whose accept fails with each of these before it succeeds."""
    errors = [OSError(code, os.strerror(code)) for code in codes]
    return Listener(FaultySocket(errors), stream)  # type: ignore[arg-type]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Return a working listener, with a visitor at the door."""
    sock = FaultySocket([])
    yield Listener(sock, stream)  # type: ignore[arg-type]
    sock.close()


VISITOR_ERRORS = [
    "ECONNABORTED",
    "EPERM",
    "EPROTO",
    "ENETDOWN",
    "ENOPROTOOPT",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EOPNOTSUPP",
    "ETIMEDOUT",
    "ECONNRESET",
    "EAGAIN",
]


@pytest.mark.parametrize("name", VISITOR_ERRORS)
async def test_an_error_of_one_visitor_is_passed_over(name: str) -> None:
    """The next visitor is let in; nobody hears of the one who had already gone."""
    listener = failing_listener(getattr(errno, name), getattr(errno, name))
    accepted = await listener.accept()
    await accepted.aclose()
    listener.close()


async def test_a_hundred_errors_of_visitors_in_a_row_are_raised() -> None:
    """They are the listener's then: it would be tried in circles for ever, in silence."""
    listener = failing_listener(*[errno.EPERM] * 250)
    for _ in range(2):
        with pytest.raises(PermissionError):
            await listener.accept()
    accepted = await listener.accept()
    await accepted.aclose()
    listener.close()


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"])
async def test_scarcity_is_raised_and_the_visitor_still_waits(name: str) -> None:
    """The caller pauses and tries again; the connection has not been lost."""
    listener = failing_listener(getattr(errno, name))
    with pytest.raises(OSError, match=os.strerror(getattr(errno, name))) as caught:
        await listener.accept()
    assert caught.value.errno == getattr(errno, name)
    accepted = await listener.accept()
    await accepted.aclose()
    listener.close()


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"])
async def test_scarcity_is_not_told_while_nobody_is_at_the_door(
    listener: Listener, name: str
) -> None:
    """The system may say so before it looks whether anybody is there: that means nothing."""
    await (await listener.accept()).aclose()
    listener._socket._errors = [OSError(getattr(errno, name), "")]  # type: ignore[attr-defined]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        await trio.testing.wait_all_tasks_blocked()  # it waits for the next one, in silence
        nursery.cancel_scope.cancel()
    listener.close()


async def test_visitors_who_come_at_once_are_let_in_one_after_the_other() -> None:
    """Most without a wait in between, and yet other tasks get their turn."""
    sock = FaultySocket([])
    listener = Listener(sock, stream)  # type: ignore[arg-type]
    turns = 0

    async def another_task() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    with contextlib.ExitStack() as stack:
        for _ in range(39):
            stack.enter_context(socket.create_connection(sock.real.getsockname()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(another_task)
            for _ in range(40):
                await (await listener.accept()).aclose()
            nursery.cancel_scope.cancel()
    assert turns >= 1  # it began while the first was waited for, and went on before the last
    listener.close()


@pytest.mark.parametrize("name", ["EINVAL", "EBADF", "ENOTSOCK"])
async def test_a_broken_listener_is_raised_too(name: str) -> None:
    """To pass these over would mean to turn in circles for ever."""
    listener = failing_listener(getattr(errno, name))
    with pytest.raises(OSError, match=os.strerror(getattr(errno, name))):
        await listener.accept()
    listener.close()


async def test_a_visitor_who_cannot_be_wrapped_is_closed_and_passed_over() -> None:
    """Asking a connection for its address may fail when it was reset meanwhile."""
    seen: list[socket.socket] = []

    def picky(sock: socket.socket, address: object) -> SocketStream:
        seen.append(sock)
        if len(seen) == 1:
            raise OSError(errno.ENOTCONN, "gone")
        return stream(sock, address)

    sock = FaultySocket([])
    listener = Listener(sock, picky)  # type: ignore[arg-type]
    with socket.create_connection(sock.real.getsockname()):
        accepted = await listener.accept()
    assert seen[0].fileno() == -1
    await accepted.aclose()
    listener.close()


async def test_a_bug_in_wrapping_is_raised_and_leaves_no_connection() -> None:
    """Only the system's errors are a visitor's own."""

    def buggy(_sock: socket.socket, _address: object) -> SocketStream:
        raise RuntimeError("a bug")

    sock = FaultySocket([])
    listener = Listener(sock, buggy)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="a bug"):
        await listener.accept()
    listener.close()


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Use up what this process may open, for a moment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as fillers:
        highest = os.open(os.devnull, os.O_RDONLY)
        fillers.callback(os.close, highest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 50, hard))
        fillers.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                fillers.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


async def test_a_visitor_outlasts_a_time_without_descriptors(listener: Listener) -> None:
    """With the real limit of the real system."""
    with no_descriptors_left(), pytest.raises(OSError, match="open files") as caught:
        await listener.accept()
    assert caught.value.errno == errno.EMFILE
    await (await listener.accept()).aclose()


async def test_closing_wakes_the_task_in_accept(listener: Listener) -> None:
    """It learns so at once, and whoever comes later too; a second close is none."""
    await (await listener.accept()).aclose()

    async def accept() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        listener.close()
    await accept()
    listener.close()


async def test_a_cancelled_accept_took_nobody(listener: Listener) -> None:
    """The visitor is still there for the next call."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await listener.accept()
    assert scope.cancelled_caught
    await (await listener.accept()).aclose()


async def test_closing_cleans_up_once_and_before_the_socket_closes() -> None:
    """The clean-up may rely on the socket being ours still; it happens once."""
    sock = socket.create_server(("127.0.0.1", 0))
    found: list[int] = []
    listening = Acceptors("tcp://x", (Listener(sock, stream, lambda: found.append(sock.fileno())),))
    number = sock.fileno()
    listening.close()
    listening.close()
    assert found == [number]
    assert sock.fileno() == -1
