"""The one alarm of a socket: it rings when the first of its queues has something to drop.

A queue whose messages may not wait without end says when the oldest of them will have waited too
long. One task for all queues sleeps until then, so that a queue nobody writes empties in time and
makes room for those who wait to send.
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Protocol

import trio

from trio_mq._scope import Scope

#: Entries without a meaning that may stay in the heap before it is made anew.
_SPARE: Final = 16


class Perishable(Protocol):
    """A queue whose messages may not wait without end."""

    def expire(self) -> None:
        """Drop what has waited too long, and set the alarm for what comes next."""


class Alarm:
    """Wakes the queues of one socket, each in its time.

    Args:
        name: The socket's class, for tracebacks.
    """

    __slots__ = ("_due", "_heap", "_name", "_numbers", "_runs", "_scope", "_sleep")

    def __init__(self, name: str) -> None:
        self._name = name
        #: When each queue is to be woken.
        self._due: dict[Perishable, float] = {}
        #: The same in the order of time, with entries that are true no longer.
        self._heap: list[tuple[float, int, Perishable]] = []
        self._numbers = count()
        #: Where the socket's tasks run; ``None``: it is not open yet.
        self._scope: Scope | None = None
        self._runs = False
        self._sleep = trio.CancelScope()

    def begin(self, scope: Scope) -> None:
        """The socket is open, and can run the task."""
        self._scope = scope
        if self._due:
            self._start()

    def set(self, queue: Perishable, when: float) -> None:
        """Wake a queue at that time of trio's clock, or earlier, if that was asked for before."""
        if when >= self.due(queue):
            return
        self._due[queue] = when
        heappush(self._heap, (when, next(self._numbers), queue))
        if len(self._heap) > 2 * len(self._due) + _SPARE:
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapify(self._heap)
        if self._runs:
            self._sleep.deadline = min(self._sleep.deadline, when)
        else:
            self._start()

    def due(self, queue: Perishable) -> float:
        """Return when a queue will be woken."""
        return self._due.get(queue, math.inf)

    @property
    def remembered(self) -> int:
        """How much it keeps in mind, entries without a meaning included."""
        return len(self._heap)

    def forget(self, queue: Perishable) -> None:
        """A queue is not used any more."""
        self._due.pop(queue, None)

    def _start(self) -> None:
        if self._scope is not None:
            self._runs = True
            self._scope.spawn_in_background(self._ring, f"trio_mq alarm of {self._name}")

    @trio.lowlevel.enable_ki_protection
    async def _ring(self) -> None:
        while True:
            first = self._heap[0][0] if self._heap else math.inf
            with trio.CancelScope(deadline=first) as self._sleep:
                await trio.sleep_forever()
            for queue in self._take_due():
                queue.expire()

    def _take_due(self) -> list[Perishable]:
        """Return the queues whose time has come; they are woken once."""
        now = trio.current_time()
        queues: list[Perishable] = []
        while self._heap and self._heap[0][0] <= now:
            when, _, queue = heappop(self._heap)
            if self._due.get(queue) == when:
                del self._due[queue]
                queues.append(queue)
        return queues
