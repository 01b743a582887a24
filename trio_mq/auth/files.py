"""Files that say who may come in, and that are looked at again and again."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""The time, the size and the inode of a file, which change when its content does."""


def stamp_of(path: Path) -> Stamp:
    """Return what tells whether a file has changed since.

    Raises:
        OSError: It is not there, or can't be looked at.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def require_interval(reload_interval: float) -> float:
    """Return the seconds between two looks.

    Raises:
        ValueError: They are not above 0.
    """
    if not reload_interval > 0:
        raise ValueError(
            f"reload_interval={reload_interval!r} is not allowed: give seconds above 0"
        )
    return reload_interval
