"""Cancelling an operation at every moment at which trio could.

A task can notice its cancellation in two situations: while it waits, and at the next checkpoint
after it was resumed. So a *cut* is one of the task's steps and one of the two: the operation's
scope is cancelled right after the step, while the task waits, or right before it, when the task
already has what it waited for. Tasks that the operation starts count as well.

::

    for cut in every_cut():
        async with … as world:                  # a new one for each cut
            await cut.run(world.operation)      # cancelled there, or completed
            …                                   # what must hold, by cut.cancelled

The cuts end with the first one that the operation did not reach.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

import trio

Result = TypeVar("Result")

#: More steps than any operation here takes: one that goes on for ever is found at once.
MOST_STEPS: Final = 200


class Moment(enum.Enum):
    """Which side of a step."""

    BEFORE = "before"
    AFTER = "after"


class Cut(trio.abc.Instrument, Generic[Result]):
    """One moment at which an operation is cancelled.

    Args:
        step: The number of the step, over all tasks of the operation; 0 is before the first.
        moment: Which side of it.
    """

    def __init__(self, step: int, moment: Moment) -> None:
        self._left = step
        self._moment = moment
        self._scope = trio.CancelScope()
        self._tasks: set[trio.lowlevel.Task] = set()
        self._name = f"{moment.value} step {step}"
        #: The moment came.
        self.reached = False
        #: The operation noticed.
        self.cancelled = False
        #: What the operation returned, if it did.
        self.results: list[Result] = []

    def __repr__(self) -> str:
        """Name the moment, for failed assertions."""
        return f"<Cut {self._name}{', cancelled' if self.cancelled else ''}>"

    async def run(self, operation: Callable[[], Awaitable[Result]]) -> None:
        """Run the operation and cancel it at the moment."""
        self._tasks = {trio.lowlevel.current_task()}
        if self._left == 0:
            self._strike()
        trio.lowlevel.add_instrument(self)
        try:
            with self._scope:
                self.results.append(await operation())
        finally:
            trio.lowlevel.remove_instrument(self)
        self.cancelled = not self.results

    def _strike(self) -> None:
        self.reached = True
        self._scope.cancel()

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Count the operation's tasks in."""
        if task.parent_nursery is not None and task.parent_nursery.parent_task in self._tasks:
            self._tasks.add(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Cancel, if this is the moment."""
        if task in self._tasks:
            self._left -= 1
            if self._left == 0 and self._moment is Moment.BEFORE:
                self._strike()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Cancel, if this is the moment."""
        if task in self._tasks and self._left == 0 and self._moment is Moment.AFTER:
            self._strike()


def every_cut() -> Iterator[Cut[object]]:
    """Yield a cut before the operation, and then those before and after each of its steps."""
    yield Cut(0, Moment.AFTER)
    for moment in Moment:
        for step in range(1, MOST_STEPS):
            cut: Cut[object] = Cut(step, moment)
            yield cut
            if not cut.reached:
                break
        else:
            raise AssertionError(f"the operation goes on after {MOST_STEPS} steps")
