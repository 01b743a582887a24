"""Paths where something lies already, or somebody else wants to be: nobody's is taken."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq

from tests.transports.over_ipc import (
    OPTIONS,
    connected,
    dial,
    in_folder,
    inodes,
    leave_stale_socket,
    listening,
    make_file,
)
from trio_mq._transports import ipc
from trio_mq._transports.endpoint import IpcEndpoint
from trio_mq._transports.listener import Acceptors, Listener

# -- what lies there already --


async def test_a_stale_socket_is_replaced(folder: Path) -> None:
    """A program that crashed can be started again."""
    leave_stale_socket(folder / "sock")
    async with listening("ipc://sock") as place, connected(place):
        pass
    assert in_folder(folder) == set()


async def test_a_live_path_of_our_own_is_in_use_and_stays_alive(folder: Path) -> None:
    """The second bind is refused; the first goes on, with its visitors."""
    async with listening("ipc://sock") as place:
        with pytest.raises(OSError, match=r"on ipc://sock: .*somebody listens there") as caught:
            async with listening("ipc://sock"):
                pass
        assert caught.value.errno == errno.EADDRINUSE
        probe = await place.listeners[0].accept()
        assert await probe.receive_some(1) == b""
        await probe.aclose()
        async with connected(place):
            assert in_folder(folder) == {"sock"}


LISTENER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind("sock")
sock.listen()
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another_program() -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that listens on ``sock``, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        try:
            yield program
        finally:
            program.kill()


async def test_a_live_path_of_another_program_is_in_use_until_it_dies(folder: Path) -> None:
    """While it lives the path is its own; killed, it leaves a file that we may replace."""
    with another_program() as program:
        before = (folder / "sock").lstat().st_ino
        with pytest.raises(OSError, match="in use"):
            async with listening("ipc://sock"):
                pass
        assert (folder / "sock").lstat().st_ino == before
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert in_folder(folder) == {"sock"}
        async with listening("ipc://sock") as place, connected(place):
            pass
    assert in_folder(folder) == set()


async def test_a_live_path_whose_queue_is_full_is_in_use(folder: Path) -> None:
    """A listener too busy to be asked is a listener."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as visitor:
        server.bind("sock")
        server.listen(0)
        visitor.connect("sock")
        with pytest.raises(OSError, match="in use") as caught:
            async with listening("ipc://sock"):
                pass
        assert caught.value.errno == errno.EADDRINUSE
    assert in_folder(folder) == {"sock"}


def make_link_to_stale_socket(path: Path) -> None:
    """Make a symbolic link to a dead socket."""
    leave_stale_socket(path.with_name("target"))
    path.symlink_to("target")


def make_dangling_link(path: Path) -> None:
    """Make a symbolic link to nothing."""
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "make", [make_file, Path.mkdir, os.mkfifo, make_link_to_stale_socket, make_dangling_link]
)
async def test_what_is_no_socket_is_never_touched(make: object, folder: Path) -> None:
    """Files, directories, pipes and links stay; the error says what to do."""
    assert callable(make)
    make(folder / "sock")
    before = inodes(folder)
    with pytest.raises(OSError, match="is not a socket; choose another path") as caught:
        async with listening("ipc://sock"):
            pass
    assert caught.value.errno == errno.EADDRINUSE
    assert inodes(folder) == before


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing/sock", FileNotFoundError),
        ("file/sock", NotADirectoryError),
        ("/proc/sock", OSError),
    ],
)
async def test_a_directory_that_cannot_hold_it_is_an_error_with_the_path(
    path: str, error: type[OSError], folder: Path
) -> None:
    """The system's class, our text, no file."""
    make_file(folder / "file")
    with pytest.raises(error, match=re.escape(f"cannot listen on ipc://{path}: ")):
        async with listening(f"ipc://{path}"):
            pass
    assert in_folder(folder) == {"file"}


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "ENOBUFS"])
@pytest.mark.parametrize("call", ["bind", "listen"])
async def test_an_error_of_the_system_leaves_no_file(
    name: str, call: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it comes after the file was made."""
    code = getattr(errno, name)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket.socket, call, fail)
    with pytest.raises(OSError, match="cannot listen on ipc://sock: ") as caught:
        async with listening("ipc://sock"):
            pass
    assert caught.value.errno == code
    assert in_folder(folder) == set()


# -- several at once --


async def test_a_bind_waits_for_another_programs_bind(folder: Path) -> None:
    """While the other one holds the lock we neither look nor touch; afterwards we do."""
    leave_stale_socket(folder / "sock")
    before = inodes(folder)["sock"]
    lock = os.open("sock.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)

    async def bind() -> None:
        async with listening("ipc://sock"):
            assert in_folder(folder) == {"sock"}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bind)
        await trio.testing.wait_all_tasks_blocked()
        assert inodes(folder)["sock"] == before
        os.close(lock)
    assert in_folder(folder) == set()


async def test_of_many_binds_at_once_one_succeeds(folder: Path) -> None:
    """All find the same stale file; one replaces it, and none takes the winner's."""
    leave_stale_socket(folder / "sock")
    won: list[Acceptors[Listener]] = []

    async def bind() -> None:
        with contextlib.suppress(OSError):
            won.append(await ipc.listen(IpcEndpoint("sock"), OPTIONS))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(bind)
    assert len(won) == 1
    assert in_folder(folder) == {"sock"}
    won[0].close()


RACER = """
import contextlib, os, random, trio
from trio_mq._options import Options
from trio_mq._transports import ipc
from trio_mq._transports.endpoint import IpcEndpoint

async def main():
    won = 0
    while won < 100:
        try:
            listening = await ipc.listen(IpcEndpoint("sock"), Options())
        except OSError:
            await trio.sleep(random.random() / 1000)
            continue
        os.close(os.open("held", os.O_CREAT | os.O_EXCL))
        won += 1
        await trio.sleep(random.random() / 1000)
        os.unlink("held")
        if won % 2:
            listening.listeners[0]._on_close = None  # as if it had crashed
        listening.close()

trio.run(main)
"""


async def test_programs_that_race_for_a_path_hold_it_one_at_a_time(folder: Path) -> None:
    """They bind, crash and bind again; whoever finds the mark of another holder fails."""
    command = [sys.executable, "-c", RACER]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(partial(trio.run_process, command, env=environment))
    assert in_folder(folder) <= {"sock"}


# -- with libzmq --


@pytest.mark.interop
async def test_a_path_of_libzmq_is_in_use_until_its_socket_closes(folder: Path) -> None:
    """Libzmq leaves its file behind, which we then replace; bytes flow to it and from it."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
        theirs.bind("ipc://sock")
        with pytest.raises(OSError, match="in use"):
            async with listening("ipc://sock"):
                pass
        ours = await dial("ipc://sock")
        assert (await ours.receive_some(1)) == b"\xff"
        await ours.aclose()
    async with listening("ipc://sock") as place:
        with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
            theirs.connect("ipc://sock")
            accepted = await place.listeners[0].accept()
            assert (await accepted.receive_some(1)) == b"\xff"
            await accepted.aclose()
    assert in_folder(folder) == set()
