"""How the C library treats the memory of large buffers, and how to tell it that more will come.

The GNU C library takes each block above a threshold (128 KiB at first) from the system, and gives
it back when it is freed; it also gives back what becomes free at the end of its heap. The next read
into such memory finds none: the system has to provide each page of 4 KiB, cleared, on the first
touch. For a message of 1 MiB that took longer, 2 µs a page on a virtual machine, than everything
else in receiving it, and for one of 64 KiB as long. Whether it happened was luck: it depended on
what else lay at the end of the heap.

But the library learns. When a block from the system is freed, it takes the block's size as the new
threshold, since such a size seems to come and go, and from then on gives back the end of its heap
only when twice as much is free there (mallopt(3), ``M_MMAP_THRESHOLD``).
"""

from __future__ import annotations

_BLOCK = 4 * 1024 * 1024
"""Larger than what one read brings and than most messages; twice this much free memory may be kept.
"""

_done = False


def keep_large_blocks() -> None:
    """Let the C library reuse blocks of up to 4 MiB: take one of that size, and free it.

    It takes 10 µs, the first time in a process. The block is cleared, so it comes from the system
    untouched and takes no memory. Another C library, or one that was told its thresholds
    (``MALLOC_MMAP_THRESHOLD_`` in the environment), stays as it is.
    """
    global _done  # noqa: PLW0603  # it concerns the process
    if not _done:
        _done = True
        bytes(_BLOCK)
