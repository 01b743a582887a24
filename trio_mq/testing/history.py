"""What has happened in a network, in order, as lines that can be compared and read."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

#: Lines that are kept, the newest.
_MOST_LINES: Final = 20_000


class History:
    """The newest lines of what has happened since `begin`."""

    def __init__(self) -> None:
        self._start = 0.0
        self._lines: deque[tuple[float, str]] = deque(maxlen=_MOST_LINES)

    def begin(self) -> None:
        """Let time zero be now."""
        self._start = trio.current_time()

    def note(self, what: str) -> None:
        """Note something that happens now."""
        self._lines.append((trio.current_time() - self._start, what))

    def lines(self) -> list[str]:
        """Return the lines, each with its time in seconds."""
        return [f"{time:12.6f}  {what}" for time, what in self._lines]
