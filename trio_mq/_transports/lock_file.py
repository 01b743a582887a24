"""A lock between programs, on a file that is gone when nobody holds it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import trio

# Seconds between two tries.
_PAUSE: Final = 0.01
# Seconds after which a lock that should be held for a moment must be a mistake.
_PATIENCE: Final = 5.0


@contextlib.asynccontextmanager
async def lock_file(path: Path) -> AsyncIterator[None]:
    """Hold the lock of ``path`` in the body, which should be short.

    The holder removes the file before it lets go. A program that opened it earlier gets a lock on a
    file that has no name any more, notices that, and starts again. A program that dies inside
    leaves the file but not the lock.

    Raises:
        OSError: The file cannot be made in its folder, or the lock was held for too long
            (``EADDRINUSE``).
    """
    try:
        descriptor = await _take(path)
    except OSError as error:
        if error.filename is None:
            raise
        # Users know nothing of this file.
        why = f"no file can be made in the folder {str(path.parent)!r}: {error.strerror}"
        raise OSError(error.errno, f"{why}; choose another one") from error
    try:
        yield
    finally:
        _release(path, descriptor)


async def _take(path: Path) -> int:
    await trio.lowlevel.checkpoint()
    deadline = trio.current_time() + _PATIENCE
    while (descriptor := _try(path)) is None:
        if trio.current_time() > deadline:
            raise OSError(
                errno.EADDRINUSE, f"another program keeps the lock file {str(path)!r}: end it"
            )
        await trio.sleep(_PAUSE)
    return descriptor


def _try(path: Path) -> int | None:
    """Return a descriptor that holds the lock, or ``None`` while another one does."""
    import fcntl  # noqa: PLC0415  # only Unix has it, as it has ipc

    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with contextlib.ExitStack() as unless_locked:
        unless_locked.callback(os.close, descriptor)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                unless_locked.pop_all()
                return descriptor
    return None


def _release(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
