"""Where the names of trio that these pages use are explained in trio's own documentation.

Sphinx would fetch trio's list of all its names from the network at each build. This is the part of
it that is needed here, in the same format.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

#: The names of each kind on each page.
NAMES: Final = {
    ("reference-core.html", "function"): [
        "trio.fail_after",
        "trio.from_thread.run",
        "trio.from_thread.run_sync",
        "trio.move_on_after",
        "trio.open_memory_channel",
        "trio.open_nursery",
        "trio.run",
        "trio.sleep",
        "trio.to_thread.run_sync",
    ],
    ("reference-core.html", "class"): ["trio.CancelScope", "trio.Nursery"],
    ("reference-core.html", "exception"): [
        "trio.BrokenResourceError",
        "trio.BusyResourceError",
        "trio.Cancelled",
        "trio.ClosedResourceError",
        "trio.EndOfChannel",
        "trio.TooSlowError",
        "trio.WouldBlock",
    ],
    ("reference-io.html", "function"): [
        "trio.open_signal_receiver",
        "trio.open_tcp_listeners",
        "trio.open_tcp_stream",
        "trio.run_process",
    ],
    ("reference-io.html", "class"): [
        "trio.SocketListener",
        "trio.abc.Listener",
        "trio.abc.ReceiveChannel",
        "trio.abc.Stream",
    ],
    ("reference-lowlevel.html", "function"): [
        "trio.lowlevel.checkpoint",
        "trio.lowlevel.current_trio_token",
        "trio.lowlevel.enable_ki_protection",
        "trio.lowlevel.start_guest_run",
    ],
    ("reference-testing.html", "function"): [
        "trio.testing.assert_checkpoints",
        "trio.testing.wait_all_tasks_blocked",
    ],
    ("reference-testing.html", "class"): ["trio.testing.MockClock"],
}

HEADER: Final = (
    "# Sphinx inventory version 2\n"
    "# Project: trio\n"
    "# Version: \n"
    "# The remainder of this file is compressed using zlib.\n"
)


def write(path: Path) -> None:
    """Write the inventory as Sphinx reads it."""
    lines = [
        f"{name} py:{kind} 1 {page}#$ -\n"
        for (page, kind), names in NAMES.items()
        for name in names
    ]
    path.write_bytes(HEADER.encode() + zlib.compress("".join(lines).encode()))
