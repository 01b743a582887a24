"""What happens when: everything in the network is an entry here, and one task goes through it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import TypeAlias

import trio

#: What happens: it changes something, and waits for nothing.
Happening: TypeAlias = Callable[[], None]


class Timetable:
    """Happenings by their time on trio's clock; those of one moment in the order of their entry."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Happening]] = []
        self._entered = 0
        self._changed = trio.Event()

    def after(self, seconds: float, happening: Happening) -> None:
        """Enter something that happens after some seconds."""
        self.at(trio.current_time() + seconds, happening)

    def at(self, time: float, happening: Happening) -> None:
        """Enter something that happens at a time."""
        self._entered += 1
        first = not self._entries or time < self._entries[0][0]
        heapq.heappush(self._entries, (time, self._entered, happening))
        if first:
            self._changed.set()

    @trio.lowlevel.enable_ki_protection
    async def keep(self) -> None:
        """Let everything happen at its time, until cancelled."""
        entries = self._entries
        while True:
            now = trio.current_time()
            while entries and entries[0][0] <= now:
                heapq.heappop(entries)[2]()
            self._changed = trio.Event()
            with trio.move_on_at(entries[0][0] if entries else math.inf):
                await self._changed.wait()
