"""How a Req or a Rep waits at the one connection that can bring what it waits for.

This is the patterns' half of a device of speed; `trio_mq._connections.watch` has the theory, and
the maintainers' page on speed says what it bought.
"""

from __future__ import annotations

import attrs

from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import Watched


@attrs.define(eq=False)
class StandIn:
    """What one task may wait for by watching a connection (a `Watcher`)."""

    #: Where a task stands in now.
    watched: Watched[Pipe] | None = None

    def recall(self) -> None:
        """Let the task that stands in, if one does, look whether it is over."""
        if self.watched is not None:
            self.watched.recall()
