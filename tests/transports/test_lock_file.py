"""The lock of a bind: one holder at a time, and no file when there is none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_mq._transports.lock_file import lock_file


async def test_the_body_runs_alone_and_the_file_goes(tmp_path: Path) -> None:
    """Many take turns; between two turns the file may be another one."""
    path = tmp_path / "lock"
    inside = 0

    async def take_a_turn() -> None:
        nonlocal inside
        async with lock_file(path):
            inside += 1
            assert inside == 1
            await trio.lowlevel.checkpoint()
            assert inside == 1
            inside -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(take_a_turn)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 (blocks no longer than a test may)


async def test_a_file_left_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    """The lock died with its holder."""
    path = tmp_path / "lock"
    path.touch()
    async with lock_file(path):
        assert path.exists()
    assert not path.exists()


async def test_a_lock_on_a_file_removed_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder removed it between our open and our lock: the next one would not see ours."""
    path = tmp_path / "lock"
    flock = fcntl.flock
    locked: list[int] = []

    def removed_just_before(descriptor: int, operation: int) -> None:
        if not locked:
            path.unlink()
        locked.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_just_before)
    async with lock_file(path):
        assert path.exists()
        assert len(locked) == 2


async def test_a_lock_that_is_never_released_is_an_error(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Some seconds are patience enough; the file stays, as it is not ours."""
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="another program keeps the lock file") as caught:
        async with lock_file(path):
            pytest.fail("two holders")
    assert caught.value.errno == errno.EADDRINUSE
    assert trio.current_time() > 1
    os.close(descriptor)
    assert path.exists()
    assert autojump_clock.autojump_threshold == 0


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Else somebody could make us create, and remove, a file elsewhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links") as caught:
        async with lock_file(tmp_path / "lock"):
            pytest.fail("followed")
    assert caught.value.errno == errno.ELOOP
    assert not (tmp_path / "target").exists()


async def test_a_body_that_fails_releases_the_lock(tmp_path: Path) -> None:
    """The next one gets it."""
    path = tmp_path / "lock"
    with pytest.raises(RuntimeError, match="body"):
        async with lock_file(path):
            raise RuntimeError("body")
    async with lock_file(path):
        assert path.exists()
    assert not path.exists()
