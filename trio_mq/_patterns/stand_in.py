"""How a Req or a Rep waits at the one connection that can bring what it waits for.

This is the patterns' half of a device of speed; `trio_mq._connections.watch` has the theory, and
the maintainers' page on speed says what it bought.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import Watched


@attrs.define(eq=False)
class StandIn:
    """What one task may wait for by watching a connection, instead of that connection's reader."""

    #: Where a task stands in now.
    watched: Watched | None = None

    def vacancy(self, pipe: Pipe | None) -> Watched | None:
        """Return where a task may stand in: the connection that has borrowed the pipe, or none."""
        watched = pipe.watched if pipe is not None else None
        # One task has just been woken elsewhere, perhaps: two would forget each other's place.
        if watched is None or self.watched is not None or not watched.vacant:
            return None
        return watched

    async def stand_in(self, pipe: Pipe | None, over: Callable[[], bool]) -> bool:
        """Wait at the connection that has borrowed the pipe, if that is possible now.

        Args:
            pipe: Whose connection; ``None``: there is none.
            over: Tells whether there is nothing left to wait for.

        Returns:
            False if it was not possible. True says that it may be over: it may also be that the
            reader of the connection has to go on, and then the caller waits in the usual way.

        Cancelled: nothing was handed over.
        """
        watched = self.vacancy(pipe)
        if watched is not None:
            await self.watch(watched, over)
        return watched is not None

    async def watch(self, watched: Watched, over: Callable[[], bool]) -> None:
        """Wait at what `vacancy` has returned, as `stand_in` does."""
        self.watched = watched
        try:
            await watched.stand_in(over)
        finally:
            self.watched = None

    def recall(self) -> None:
        """Let the task that stands in, if one does, look whether it is over."""
        if self.watched is not None:
            self.watched.recall()
