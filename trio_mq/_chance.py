"""Where random numbers come from: the system, unless a test of this trio run has a seed.

They keep names apart from those of an earlier run, and redials of many clients apart in time. Keys
and nonces are no business of this module: they come from the system always.
"""

from __future__ import annotations

import random
from typing import Final

import trio

_SYSTEM: Final = random.SystemRandom()
_chance_of_run: trio.lowlevel.RunVar[random.Random] = trio.lowlevel.RunVar("trio_mq chance")


def current_chance() -> random.Random:
    """Return what draws random numbers in this run; outside a run, the system's."""
    try:
        return _chance_of_run.get(_SYSTEM)
    except RuntimeError:
        return _SYSTEM


def set_chance(chance: random.Random | None) -> None:
    """Let this draw the random numbers of this run; ``None``: the system again."""
    _chance_of_run.set(chance or _SYSTEM)
