"""One seed for everything that is left to chance in a trio run, and for the clock of time slices.

On purpose, trio runs the tasks that are ready in random order. Under a seed the order has to be the
same each time, and another one under another seed: that finds races, and finds them again. trio_mq
looks at a clock of its own to see how long a task has gone on without a pause. Under a seed, that
clock moves by a little each time it is looked at, instead of by itself.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any, Final

import trio

from trio_mq._chance import current_chance, set_chance
from trio_mq._waiting import current_slice

#: Seconds by which one look moves the clock: so few that only the count of messages ends a time
#: slice.
_PER_LOOK: Final = 10e-6


@contextlib.contextmanager
def seeded(chance: random.Random) -> Iterator[None]:
    """Let all chance of this trio run come from one source, until the end of the block."""
    time_slice, chance_before = current_slice(), current_chance()
    clocks_before = time_slice.clock, time_slice.processor
    set_chance(chance)
    time_slice.clock = time_slice.processor = _looked_at()
    time_slice.restart()
    try:
        with _seeded_scheduler(chance.randrange(2**32)):
            yield
    finally:
        set_chance(chance_before)
        time_slice.clock, time_slice.processor = clocks_before
        time_slice.restart()


class _looked_at:  # noqa: N801  # a function with a memory
    """trio's clock, and a little more for each look at this one."""

    def __init__(self) -> None:
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        return trio.current_time() + self._looks * _PER_LOOK


@contextlib.contextmanager
def _seeded_scheduler(seed: int) -> Iterator[None]:
    # trio's own plugin for hypothesis does the same. `Any`, because it is not a public part of
    # trio.
    scheduler: Any = trio._core._run  # noqa: SLF001  # see above
    if not hasattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING"):
        yield
        return
    chance: random.Random = scheduler._r  # noqa: SLF001  # as above
    state, allowed = chance.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: SLF001
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # noqa: SLF001  # as above
    chance.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = allowed  # noqa: SLF001  # as above
        chance.setstate(state)
