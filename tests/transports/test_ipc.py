"""ipc over real files: nobody's path is taken, and nothing of ours is left behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
import zmq

from trio_mq._options import Options
from trio_mq._transports import ipc
from trio_mq._transports.endpoint import IpcEndpoint, parse_bind, parse_connect
from trio_mq._transports.listener import Listening
from trio_mq._transports.stream import ByteStream, SocketStream

OPTIONS = Options()


async def dial(endpoint: str, options: Options = OPTIONS) -> SocketStream:
    """Dial an endpoint given as text."""
    parsed = parse_connect(endpoint)
    assert isinstance(parsed, IpcEndpoint)
    return await ipc.dial(parsed, options)


@contextlib.asynccontextmanager
async def listening(endpoint: str, options: Options = OPTIONS) -> AsyncIterator[Listening]:
    """Listen on an endpoint given as text, for a while."""
    parsed = parse_bind(endpoint)
    assert isinstance(parsed, IpcEndpoint)
    found = await ipc.listen(parsed, options)
    try:
        yield found
    finally:
        found.close()


@contextlib.asynccontextmanager
async def connected(place: Listening) -> AsyncIterator[tuple[SocketStream, ByteStream]]:
    """Dial, accept, and close both ends at the end."""
    ours = await dial(place.endpoint)
    theirs = await place.listeners[0].accept()
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return an empty working directory of a short name, as socket paths must be short."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.chdir(name)
        yield Path(name).absolute()
        monkeypatch.undo()


def leave_stale_socket(path: Path) -> None:
    """Leave what a program leaves that ended without a clean-up."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def in_folder(folder: Path) -> set[str]:
    """Name all that lies there."""
    return {path.name for path in folder.iterdir()}


def inodes(folder: Path) -> dict[str, int]:
    """Tell files from others that have taken their place."""
    return {path.name: path.lstat().st_ino for path in folder.iterdir()}


@pytest.mark.parametrize("written", ["ipc://sock", "ipc://./sock", "ipc://{folder}/sock"])
async def test_a_path_is_listened_on_and_removed_at_the_end(written: str, folder: Path) -> None:
    """Bytes flow, the endpoint is as written, and afterwards the directory is empty."""
    endpoint = written.format(folder=folder)
    async with listening(endpoint) as place, connected(place) as (ours, theirs):
        assert place.endpoint == endpoint
        assert in_folder(folder) == {"sock"}
        assert ours.try_write((b"hello",)) == 5
        assert await theirs.receive_some(100) == b"hello"
    assert in_folder(folder) == set()


async def test_an_abstract_name_needs_no_file(folder: Path) -> None:
    """Linux only, as the parser says elsewhere."""
    async with listening(f"ipc://@{uuid.uuid4()}") as place, connected(place) as (ours, theirs):
        assert theirs.try_write((b"hello",)) == 5
        assert await ours.receive_some(100) == b"hello"
        with pytest.raises(OSError, match="in use"):
            async with listening(place.endpoint):
                pass
        assert in_folder(folder) == set()


async def test_a_wildcard_is_private_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh directory under TMPDIR that only we can enter, removed with its socket."""
    monkeypatch.setenv("TMPDIR", ".")
    async with listening("ipc://*") as place, listening("ipc://*") as other, connected(place):
        path = Path(place.endpoint.removeprefix("ipc://"))
        assert place.endpoint != other.endpoint
        assert path.parent.parent == folder
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert in_folder(folder) == set()


async def test_a_wildcard_that_cannot_be_made_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such directory, or one whose name leaves no room; nothing stays behind."""
    monkeypatch.setenv("TMPDIR", str(folder / "missing"))
    with pytest.raises(FileNotFoundError, match=r"cannot listen on .*missing"):
        async with listening("ipc://*"):
            pass
    (long := folder / ("d" * 100)).mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with pytest.raises(OSError, match="set TMPDIR") as caught:
        async with listening("ipc://*"):
            pass
    assert caught.value.errno == errno.ENAMETOOLONG
    assert in_folder(long) == set()


async def test_the_ends_say_who_is_there(folder: Path) -> None:
    """The accepted side knows the process, the dialling side the path."""
    async with listening("ipc://sock") as place, connected(place) as (ours, theirs):
        assert theirs.peer_address == f"uid={os.getuid()} gid={os.getgid()} pid={os.getpid()}"
        assert theirs.local_address == ours.peer_address == "sock"
    assert in_folder(folder) == set()


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


def make_file(path: Path) -> None:
    """Make a file with something in it."""
    path.write_text("precious")


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
    with pytest.raises(OSError, match="is no socket; choose another path") as caught:
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


# -- closing --


async def test_a_file_replaced_meanwhile_is_left_alone(folder: Path) -> None:
    """Somebody else's file on our path is not ours to remove."""
    async with listening("ipc://sock"):
        (folder / "sock").unlink()
        make_file(folder / "sock")
    assert (folder / "sock").read_text() == "precious"


async def test_a_socket_replaced_meanwhile_is_left_alone(folder: Path) -> None:
    """Neither is another program's socket, though it looks like ours."""
    async with listening("ipc://sock") as first:
        (folder / "sock").unlink()
        async with listening("ipc://sock") as second:
            first.close()
            async with connected(second):
                pass
    assert in_folder(folder) == set()


async def test_a_file_removed_meanwhile_is_no_error(folder: Path) -> None:
    """What we would have removed is gone."""
    async with listening("ipc://sock"):
        (folder / "sock").unlink()
    assert in_folder(folder) == set()


async def test_a_relative_path_is_removed_from_where_it_was_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that changes its working directory leaves nothing behind either."""
    async with listening("ipc://sock"):
        (elsewhere := folder / "elsewhere").mkdir()
        make_file(elsewhere / "sock")
        monkeypatch.chdir(elsewhere)
    assert in_folder(folder) == {"elsewhere"}
    assert in_folder(elsewhere) == {"sock"}


async def test_a_forked_child_does_not_remove_its_parents_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child's copy of the listener is not the one that made the file."""
    async with listening("ipc://sock") as place:
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: -1)
            place.close()
        assert in_folder(folder) == {"sock"}


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
    won: list[Listening] = []

    async def bind() -> None:
        with contextlib.suppress(OSError):
            won.append(await ipc.listen(IpcEndpoint("sock"), OPTIONS))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(bind)
    assert len(won) == 1
    assert in_folder(folder) == {"sock"}
    won[0].close()


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


# -- dialling --


async def test_nobody_there_is_an_error_with_the_path(folder: Path) -> None:
    """No file, a dead socket, no socket at all."""
    leave_stale_socket(folder / "stale")
    make_file(folder / "file")
    for name, error in (
        ("missing", FileNotFoundError),
        ("stale", ConnectionRefusedError),
        ("file", ConnectionRefusedError),
        (f"@{uuid.uuid4()}", ConnectionRefusedError),
    ):
        with pytest.raises(error, match=f"cannot connect to ipc://{name}: "):
            await dial(f"ipc://{name}")


async def test_a_full_queue_is_waited_for(folder: Path) -> None:
    """The kernel says "again" where it would make a tcp dialler wait; so we wait."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "sock"))
        server.listen(0)
        first = await dial("ipc://sock")
        with pytest.raises(TimeoutError, match=r"no answer within 0\.03 s"):
            await dial("ipc://sock", Options(connect_timeout=0.03))
        async with trio.open_nursery() as nursery:

            async def dial_and_close() -> None:
                await (await dial("ipc://sock")).aclose()

            nursery.start_soon(dial_and_close)
            await trio.testing.wait_all_tasks_blocked()
            server.accept()[0].close()
        await first.aclose()


async def test_buffer_sizes_and_inheritance_are_as_with_tcp(folder: Path) -> None:
    """Linux doubles the size, for its own book-keeping; children inherit nothing."""
    async with listening("ipc://sock", Options(send_buffer=20_000)) as place:
        stream = await dial("ipc://sock", Options(send_buffer=20_000))
        assert stream._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000
        assert not stream._socket.get_inheritable()
        assert not place.listeners[0]._socket.get_inheritable()
        await stream.aclose()
    assert in_folder(folder) == set()
