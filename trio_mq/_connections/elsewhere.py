"""Work on large boxes in other threads, while this one goes on.

A box of a megabyte takes a millisecond or more, and so does each of those that have come meanwhile:
a small request beside a few streams of large messages waited for dozens of milliseconds. In another
thread the box takes no less, but nobody waits for it except those behind it on the same connection.

To go to a thread and back costs as much as 80 KiB of a box, so small ones stay where they are.

*Exact.* A thread knows one box and nothing else; see `trio_mq.zmtp.large_boxes`. What becomes of
the box is decided in the task that waits for it. If that task is cancelled, as the connection has
ended, the thread is left to itself, and nobody asks what it did.

*Only where time is real.* trio's virtual clock takes a program that waits for a thread to be idle,
and jumps. So streams in memory have their boxes sealed and opened at once, as in `testing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import trio

from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Connection

#: Bytes of a frame from which on its box is worth a thread. A smaller one keeps others waiting for
#: less than 0.2 ms, and a thread would cost it more than a third of that.
LARGE: Final = 256 * 1024
#: Boxes that are worked on at the same time, in all of a program's connections. They need nothing
#: but processors, so more threads than those would only take memory. The program's own work in
#: threads has others.
MOST_THREADS: Final = max(1, min(4, os.cpu_count() or 1))

_threads: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("trio_mq boxes")


def leave_large_boxes(stream: ByteStream, connection: Connection) -> int | None:
    """Work on the large boxes of a connection elsewhere, if that may be, and say how large."""
    return connection.leave_large_boxes(LARGE) if stream.takes_real_time else None


async def work_elsewhere(work: Callable[[], None]) -> None:
    """Do the work on a box in another thread.

    Cancelled: the thread may go on, and nobody needs to know.
    """
    try:
        await trio.to_thread.run_sync(
            work, thread_name="trio_mq box", abandon_on_cancel=True, limiter=_limiter()
        )
    except RuntimeError:  # the system has no thread for us
        work()


def _limiter() -> trio.CapacityLimiter:
    try:
        return _threads.get()
    except LookupError:
        limiter = trio.CapacityLimiter(MOST_THREADS)
        _threads.set(limiter)
        return limiter
