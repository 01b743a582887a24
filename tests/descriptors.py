"""What this process has open, by name: on Linux, where the system lists it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Where Linux lists them.
DESCRIPTORS: Final = Path("/proc/self/fd")


def open_sockets_and_pipes() -> frozenset[str]:
    """Name the descriptors of this process that a connection or a wake-up would leave behind."""
    found = set()
    for descriptor in DESCRIPTORS.iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # the descriptor of this very listing
        if target.startswith(("socket:", "pipe:", "anon_inode:")):
            found.add(target)
    return frozenset(found)
