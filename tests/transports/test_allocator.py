"""The C library's thresholds: after one look at a large block it reuses blocks up to that size."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import textwrap
import tracemalloc

import pytest

from trio_mq._transports import allocator

#: Prints how many of the blocks that are in use are mapped, each by itself, from the system: first
#: with a block of 2 MiB and then, after the call, with another.
COUNTING = """
    import ctypes
    from trio_mq._transports.allocator import keep_large_blocks

    class Info(ctypes.Structure):
        _fields_ = [(f"n{index}", ctypes.c_int) for index in range(10)]

    mallinfo = ctypes.CDLL(None).mallinfo
    mallinfo.restype = Info
    before = mallinfo().n3
    first = bytearray(2 * 1024 * 1024)
    with_first = mallinfo().n3
    keep_large_blocks()
    second = bytearray(2 * 1024 * 1024)
    print(with_first - before, mallinfo().n3 - with_first)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about the GNU C library")
def test_large_blocks_come_from_the_heap_afterwards() -> None:
    """Before, each is mapped by itself, and its pages are new every time."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_", "LD_PRELOAD", "PYTHONMALLOC"))
    }
    counts = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COUNTING)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert counts.split() == ["1", "0"]


def test_it_is_done_once_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The block is given back at once."""
    monkeypatch.setattr(allocator, "_done", False)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(2):
            tracemalloc.reset_peak()
            allocator.keep_large_blocks()
            peaks.append(tracemalloc.get_traced_memory()[1])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block = 4 * 1024 * 1024
    assert peaks[0] >= block > peaks[1]
    assert held < block
