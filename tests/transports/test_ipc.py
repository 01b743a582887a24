"""ipc over real files: who is reached, and that nothing of ours is left behind."""

from __future__ import annotations

import errno
import os
import socket
import stat
import uuid
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.transports.over_ipc import (
    connected,
    dial,
    in_folder,
    leave_stale_socket,
    listening,
    make_file,
)
from trio_mq import Options


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


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777, 0])
async def test_a_file_has_the_mode_that_was_asked_for(mode: int, folder: Path) -> None:
    """Whatever the umask says."""
    async with listening(f"ipc://{folder}/sock", Options(ipc_mode=mode)):
        assert stat.S_IMODE((folder / "sock").stat().st_mode) == mode


async def test_a_file_has_the_mode_of_the_umask_otherwise(folder: Path) -> None:
    """As with every program."""
    async with listening(f"ipc://{folder}/sock"):
        (folder / "other").touch()
        # A plain file is not made executable, a socket is.
        others = stat.S_IMODE((folder / "other").stat().st_mode)
        assert stat.S_IMODE((folder / "sock").stat().st_mode) & ~0o111 == others


async def test_a_mode_goes_with_a_wildcard_too(folder: Path) -> None:
    """The folder is private anyway, and an abstract name has no file."""
    async with listening("ipc://*", Options(ipc_mode=0o600)) as place:
        path = trio.Path(place.endpoint.removeprefix("ipc://"))
        assert stat.S_IMODE((await path.stat()).st_mode) == 0o600
    async with listening(f"ipc://@{uuid.uuid4()}", Options(ipc_mode=0o600)):
        pass


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


async def test_a_dial_cancelled_before_it_begins_makes_no_connection(folder: Path) -> None:
    """The listener never hears of it."""
    async with listening("ipc://sock") as place:
        with trio.CancelScope() as scope:
            scope.cancel()
            await dial("ipc://sock")
        assert scope.cancelled_caught
        with pytest.raises(BlockingIOError):
            place.listeners[0]._socket.accept()
    assert in_folder(folder) == set()
