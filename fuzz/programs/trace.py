"""What happened in one random program, step by step, for who has to understand a failure.

Calls are always noted; with ``--trace`` the log of the library as well, from the events of sockets
down to each frame on the wire. The newest lines are kept, and printed if a promise was broken: a
failure of a program over the kernel's network may take a thousand programs to come again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

_MOST_LINES: Final = 5000


@attrs.define
class Trace:
    """The newest lines."""

    _lines: deque[str] = attrs.field(init=False, factory=lambda: deque(maxlen=_MOST_LINES))

    def note(self, what: str) -> None:
        """Note what happens now."""
        self._lines.append(f"{_now():12.6f}  {what}")

    def lines(self) -> list[str]:
        """Return them, oldest first."""
        return list(self._lines)

    @contextmanager
    def listening(self, *, to_everything: bool) -> Iterator[None]:
        """Note what the library logs, or let it log nothing.

        What sockets warn of is what these programs do all the time.
        """
        logger = logging.getLogger("trio_mq")
        handler, before, propagates = _Handler(self), logger.level, logger.propagate
        logger.setLevel(logging.DEBUG if to_everything else logging.CRITICAL)
        logger.propagate = not to_everything
        if to_everything:
            logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
            logger.propagate = propagates


class _Handler(logging.Handler):
    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of the log."""
        self._trace.note(f"    {record.name.removeprefix('trio_mq.')}: {record.getMessage()}")


def tasks_of(task: trio.lowlevel.Task, depth: int = 0) -> Iterator[str]:
    """Say where a task waits, and each of those in its nurseries."""
    yield f"{'  ' * depth}{task.name}: {' > '.join(_frames_of(task)) or 'about to run'}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from tasks_of(child, depth + 1)


def _frames_of(task: trio.lowlevel.Task) -> list[str]:
    """Name the functions that a task is in, outermost first, without those of trio."""
    return [
        f"{frame.f_code.co_name}:{line}"
        for frame, line in task.iter_await_frames()
        if "/trio/" not in frame.f_code.co_filename
    ]


def _now() -> float:
    try:
        return trio.current_time()
    except RuntimeError:
        return 0.0  # the program is over
