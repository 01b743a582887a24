"""Waiting until everything accepted so far has left: written, or dropped with a reason.

A drain remembers for each pipe how many messages must have left it before those of that moment are
gone. An example: 40 messages have left a pipe since it was made, and 5 wait in it. The drain waits
until 45 have left; a message that is queued after that does not delay it.

Messages can move meanwhile, from a lost peer through the return queue to another peer. The drain
follows them. It can't tell which messages of the return queue are its own, so it waits for all of
them. That may be a message too many, but never one too few.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio

from trio_mq._pipes.pipe import Pipe
from trio_mq._waiting import Closed, WaitList


class _Drain:
    def __init__(self, pipes: Iterable[Pipe], returned: int) -> None:
        self._marks = {pipe: pipe.outbound.mark for pipe in pipes if pipe.outbound.queue}
        self._returned = returned

    def taken_back(self, pipe: Pipe, place: int) -> None:
        if self._marks.get(pipe, 0) > place:
            self._marks[pipe] -= 1

    def handed_back(self, count: int) -> None:
        self._returned += count

    def dispatched(self, pipe: Pipe) -> None:
        if self._returned:
            self._returned -= 1
            self._marks[pipe] = pipe.outbound.mark

    def forgotten(self, count: int) -> None:
        self._returned = max(0, self._returned - count)

    def look(self, pipe: Pipe) -> None:
        """Messages have left a pipe: perhaps it was the last one that mattered."""
        mark = self._marks.get(pipe)
        if mark is not None and pipe.outbound.gone >= mark:
            del self._marks[pipe]

    def check(self) -> None:
        """Raise `trio.WouldBlock` while something is left."""
        if self._marks or self._returned:
            raise trio.WouldBlock


class Drains:
    """The drains of one socket that are going on."""

    __slots__ = ("_waiting", "going_on")

    def __init__(self) -> None:
        #: Whoever tells of every message looks here first: mostly there is none.
        self.going_on: list[_Drain] = []
        self._waiting: WaitList[None] = WaitList()

    async def wait(self, pipes: Iterable[Pipe], returned: int) -> None:
        """Wait until what is in the pipes and in the return queue now has left."""
        drain = _Drain(pipes, returned)
        try:
            drain.check()
        except trio.WouldBlock:
            self.going_on.append(drain)
            try:
                await self._waiting.wait(drain.check)
            finally:
                self.going_on.remove(drain)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def look(self, pipe: Pipe) -> None:
        """Messages have left a pipe: see whether that ends a drain."""
        for drain in self.going_on:
            drain.look(pipe)
        self._waiting.serve_all()

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """A message left a pipe as if it had never been there; ``place`` others go before it."""
        for drain in self.going_on:
            drain.taken_back(pipe, place)

    def handed_back(self, count: int) -> None:
        """Messages moved from a pipe to the return queue."""
        for drain in self.going_on:
            drain.handed_back(count)

    def dispatched(self, pipe: Pipe) -> None:
        """A message moved from the return queue to the end of a pipe."""
        for drain in self.going_on:
            drain.dispatched(pipe)

    def forgotten(self, count: int) -> None:
        """Messages of the return queue were dropped."""
        for drain in self.going_on:
            drain.forgotten(count)
        if self.going_on:
            self._waiting.serve_all()

    def fail(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        self._waiting.fail(closed)
