"""What a pipe offers to a task that waits for something that only its peer can bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Watched(Protocol):
    """A connection that a waiting task may watch by itself; see `_connections.watch`."""

    @property
    def vacant(self) -> bool:
        """A task may stand in now."""

    async def stand_in(self, over: Callable[[], bool]) -> None:
        """Wait in the calling task until it is over, or until somebody else has to go on."""

    def recall(self) -> None:
        """Let the task that stands in look whether it is over."""
