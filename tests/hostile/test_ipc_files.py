"""F12 and F13: the files of ipc endpoints, as a whole socket treats them."""

from __future__ import annotations

import errno
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trio_mq import Pull, Push


@pytest.fixture
def path() -> Iterator[Path]:
    """Return a path for a socket; they have to be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "s"


def _stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def inode(path: Path) -> int | None:
    """Return which file is there, if any."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("prepare", [lambda _: None, _stale], ids=["nothing", "stale"])
async def test_f12_a_path_that_nobody_serves_is_taken(
    prepare: Callable[[Path], None], path: Path
) -> None:
    """What a dead program left there too; and nothing is there afterwards."""
    prepare(path)
    async with Pull(bind=f"ipc://{path}", linger=0) as ours, Push(linger=0) as good:
        await good.connect(ours.endpoints[0].endpoint)
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)
    assert inode(path) is None


async def test_f12_a_path_that_somebody_serves_is_not_taken(path: Path) -> None:
    """Unlike libzmq, which steals it; who served it goes on to."""
    async with (
        Pull(bind=f"ipc://{path}", linger=0) as ours,
        Pull(linger=0) as thief,
        Push(linger=0) as good,
    ):
        with pytest.raises(OSError, match=str(path)) as caught:
            await thief.bind(f"ipc://{path}")
        assert caught.value.errno == errno.EADDRINUSE
        await good.connect(f"ipc://{path}")
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)


def _link(path: Path) -> None:
    target = path.with_suffix(".target")
    target.write_bytes(b"precious")
    path.symlink_to(target)


FILES: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_bytes(b"precious"),
    "a folder": Path.mkdir,
    "a link to a file": _link,
}


@pytest.mark.parametrize("case", FILES)
async def test_f12_what_is_no_socket_is_never_removed(case: str, path: Path) -> None:
    """Whatever it is."""
    FILES[case](path)
    before = inode(path)
    async with Pull(linger=0) as ours:
        with pytest.raises(OSError, match=str(path)):
            await ours.bind(f"ipc://{path}")
    assert inode(path) == before


def _take_away(path: Path, *, replace: bool) -> None:
    path.unlink()
    if replace:
        path.write_bytes(b"theirs")


@pytest.mark.parametrize("replace", [False, True])
async def test_f13_a_file_that_was_taken_away_is_not_missed(path: Path, *, replace: bool) -> None:
    """What somebody put in its place is theirs."""
    async with Pull(bind=f"ipc://{path}", linger=0) as ours, Push(linger=0) as good:
        await good.connect(f"ipc://{path}", wait=True)
        _take_away(path, replace=replace)
        there = inode(path)
        await good.send(b"hello")
        assert await ours.receive() == (b"hello",)
        await ours.unbind(f"ipc://{path}")
    assert inode(path) == there
