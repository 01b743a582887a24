"""What the operating system may refuse, at any of its calls, and what may break inside."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from tests.hostile import exhausted_server
from tests.hostile.arena import PATIENCE, PLACES, Place, play, told
from tests.hostile.wire import hello, message
from tests.programs import new_group
from trio_mq import AcceptFailed, Pull, Push
from trio_mq.zmtp import Connection

ROOT = Path(__file__).parents[2]


# -- F07: no more descriptors --------------------------------------------------------------------


@pytest.fixture(params=["tcp", "ipc"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that has few descriptors, and let it go with the test."""
    endpoint = "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/s"
    program = [sys.executable, "-m", exhausted_server.__name__, endpoint]
    path = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    pipe = subprocess.PIPE
    with (
        new_group() as group,
        subprocess.Popen(
            program, stdout=pipe, env=environment, text=True, process_group=group
        ) as running,
    ):
        yield running
        running.kill()


async def test_f07_a_listener_survives_the_lack_of_descriptors(
    server: subprocess.Popen[str],
) -> None:
    """It says so once, pauses between its attempts, and goes on when there are some again."""
    assert server.stdout is not None
    endpoint = (await trio.to_thread.run_sync(server.stdout.readline)).strip()
    visitors = [_visit(endpoint) for _ in range(2 * exhausted_server.SPARE)]
    said = await trio.to_thread.run_sync(server.stdout.readline)
    assert said == "EMFILE, told 1 time, True\n"
    for visitor in visitors:
        visitor.close()
    async with Push(connect=endpoint) as good:
        await good.send(b"hello")
    assert await trio.to_thread.run_sync(server.stdout.readline) == "hello\n"


def _visit(endpoint: str) -> socket.socket:
    if endpoint.startswith("ipc://"):
        visitor = socket.socket(socket.AF_UNIX)
        visitor.connect(endpoint.removeprefix("ipc://"))
        return visitor
    host, port = endpoint.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)))


# -- F08: accept() -------------------------------------------------------------------------------

OF_THE_VISITOR = [
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.EHOSTUNREACH,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
]
OF_THE_SYSTEM = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]


BreakMethod: TypeAlias = Callable[[str, int, int], None]


@pytest.fixture
def break_method(monkeypatch: pytest.MonkeyPatch) -> BreakMethod:
    """Return what lets a method of stream sockets fail with an error, so many times."""

    def break_it(name: str, number: int, times: int) -> None:
        original: Callable[..., object] = getattr(socket.socket, name)
        left = iter(range(times))

        def broken(sock: socket.socket, *args: object) -> object:
            if sock.type != socket.SOCK_STREAM or next(left, None) is None:
                return original(sock, *args)
            if name == "connect_ex":
                return number
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(socket.socket, name, broken)

    return break_it


@pytest.mark.parametrize("number", OF_THE_VISITOR + OF_THE_SYSTEM, ids=errno.errorcode.get)
async def test_f08_accept_may_fail(number: int, break_method: BreakMethod) -> None:
    """A visitor's error is nobody's; the system's is told once, and tried again."""
    async with Pull(linger=0) as ours, Push(linger=0) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        with ours.events() as events:
            break_method("accept", number, 2)
            await good.connect(endpoint)
            await good.send(b"hello")
            assert await ours.receive() == (b"hello",)
            failures = [event for event in told(events) if isinstance(event, AcceptFailed)]
        expected = [(number, False)] * (number in OF_THE_SYSTEM)
        errors = [(failure.error, failure.broken) for failure in failures]
        assert [(getattr(error, "errno", None), broken) for error, broken in errors] == expected


# -- F09: everything else ------------------------------------------------------------------------

CALLS = {
    "connect_ex": [
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ETIMEDOUT,
        errno.EADDRNOTAVAIL,
    ],
    "recv": [errno.ENOBUFS, errno.ENOMEM, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ECONNRESET],
    "send": [errno.ENOBUFS, errno.ENOMEM, errno.EPIPE, errno.ENETDOWN, errno.ECONNRESET],
    "setsockopt": [errno.EINVAL, errno.ENOBUFS],
    "getpeername": [errno.ENOTCONN, errno.EINVAL],
    "getsockname": [errno.ENOBUFS],
}


@pytest.mark.parametrize(
    ("call", "number"), [(call, number) for call, numbers in CALLS.items() for number in numbers]
)
async def test_f09_any_call_may_fail(call: str, number: int, break_method: BreakMethod) -> None:
    """The connection is made anew, and nothing that was not written is lost."""
    async with (
        Pull(linger=0, reconnect_interval=0.01) as ours,
        Push(linger=0, reconnect_interval=0.01) as good,
    ):
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        break_method(call, number, 3)
        await good.connect(endpoint)
        await good.send(b"hello")
        with trio.fail_after(PATIENCE):
            assert await ours.receive() == (b"hello",)


async def test_f09_there_may_be_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt to connect costs an attempt."""
    async with Pull(linger=0) as ours, Push(linger=0, reconnect_interval=0.01) as good:
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", _no_socket)
            with pytest.raises(OSError, match="Too many open files"):
                await good.connect(endpoint, wait=True)
            await good.connect(endpoint)
            with good.events() as events:
                await events.receive()
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)


def _no_socket(*_: object, **__: object) -> socket.socket:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


# -- F10: bind() ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EAFNOSUPPORT, errno.EADDRINUSE, errno.EADDRNOTAVAIL]
)
async def test_f10_bind_may_fail(number: int, break_method: BreakMethod) -> None:
    """The caller is told, with the endpoint; the socket stays as it was."""
    async with Pull(linger=0) as ours, Push(linger=0) as good:
        break_method("bind", number, 1)
        with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:1234") as caught:
            await ours.bind("tcp://127.0.0.1:1234")
        assert (caught.value.errno, ours.endpoints) == (number, ())
        await good.connect(await ours.bind("tcp://127.0.0.1:*"))
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)


async def test_f10_half_a_bind_leaves_nothing_listening(break_method: BreakMethod) -> None:
    """The socket that could not listen is given back."""
    async with Pull(linger=0) as ours:
        break_method("listen", errno.ENOBUFS, 1)
        with pytest.raises(OSError, match="tcp://"):
            await ours.bind("tcp://127.0.0.1:*")
        assert ours.endpoints == ()


# -- F27: inside ---------------------------------------------------------------------------------

BUGS = {
    "memory": (MemoryError(), "out-of-memory"),
    "recursion": (RecursionError(), "internal-error: RecursionError"),
    "struct": (struct.error("unpack"), "internal-error: error"),
    "key": (KeyError("x"), "internal-error: KeyError"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BUGS)
@pytest.mark.parametrize("said", [hello(b"PUSH") + message(b"BOOM"), hello(b"BOOM")], ids=len)
async def test_f27_an_error_in_the_decoder_costs_one_connection(
    case: str, said: bytes, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one whose bytes brought it out, in the handshake or after it."""
    error, reason = BUGS[case]
    receive_data = Connection.receive_data

    def explosive(connection: Connection, data: bytes) -> None:
        if b"BOOM" in data:
            raise error
        receive_data(connection, data)

    monkeypatch.setattr(Connection, "receive_data", explosive)
    outcome = await play(Pull(linger=0), place, said)
    assert (outcome.reason, outcome.delivered) == (reason, [])
