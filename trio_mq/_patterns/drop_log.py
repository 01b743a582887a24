"""What the log says of messages that are dropped: at most a line a second, with their number.

A full queue is a warning, because somebody loses what was meant for them. What a peer leaves
behind when it goes, and what comes for it afterwards, is everyday life, and logged as information.
Where dropping is what was asked for (a filter, a conflating queue, a close), the log says nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import trio

from trio_mq._log import DROPPED, LEFT_BEHIND
from trio_mq._scope import Scope
from trio_mq._tally import DropReason

#: What is told, in words, and how loudly.
_TOLD: Final = {
    DropReason.HIGH_WATER_MARK: ("because a queue was full", DROPPED),
    DropReason.TOO_LARGE: ("because they were too large", DROPPED),
    DropReason.CONNECTION_LOST: ("because their connection broke twice", DROPPED),
    DropReason.MALFORMED: ("that are no request (an empty frame, then a body)", DROPPED),
    DropReason.UNROUTABLE: ("for peers that are not there", LEFT_BEHIND),
    DropReason.PEER_LEFT: ("for peers that have left", LEFT_BEHIND),
    DropReason.EXPIRED: ("because they had waited too long", LEFT_BEHIND),
}
#: Seconds between two lines of a socket.
_PAUSE: Final = 1.0


class DropLog:
    """What one socket has dropped and not told yet.

    Args:
        name: The socket's class.
    """

    __slots__ = ("_comes", "_last", "_name", "_quiet_until", "_scope", "_untold")

    def __init__(self, name: str) -> None:
        self._name = name
        self._untold: Counter[DropReason] = Counter()
        #: Whom the last of them was for.
        self._last: object = None
        self._quiet_until = -math.inf
        #: A task waits to tell the rest of a burst.
        self._comes = False
        #: Where the socket's tasks run; ``None``: it is not open yet.
        self._scope: Scope | None = None

    def begin(self, scope: Scope) -> None:
        """The socket is open, and can run a task for what is untold at the end of a burst."""
        self._scope = scope

    def add(self, reason: DropReason, count: int, whose: object) -> None:
        """Count messages, and tell of them unless something was told a moment ago."""
        if reason not in _TOLD:
            return
        self._untold[reason] += count
        self._last = whose
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + _PAUSE
            self.tell()
        elif not self._comes and self._scope is not None and _TOLD[reason][1].is_wanted:
            self._comes = True
            self._scope.spawn_in_background(self._tell_the_rest, f"trio_mq log of {self._name}")

    @trio.lowlevel.enable_ki_protection
    async def _tell_the_rest(self) -> None:
        """Tell at the end of the pause what was dropped in it, since perhaps no drop follows."""
        await trio.sleep_until(self._quiet_until)
        self._comes = False
        self._quiet_until = trio.current_time() + _PAUSE
        self.tell()

    def tell(self) -> None:
        """Write the line about what is untold, if there is anything."""
        untold, self._untold = self._untold, Counter()
        if not untold:
            return
        record = max((_TOLD[reason][1] for reason in untold), key=lambda record: record.level)
        if record.is_wanted:
            parts = [f"{count} {_TOLD[reason][0]}" for reason, count in untold.items()]
            last = f" (the last one: {self._last})" if self._last is not None else ""
            count = untold.total()
            noun = "message" if count == 1 else "messages"
            record.tell(self._name, count, noun, ", ".join(parts), last)
        self._last = None
