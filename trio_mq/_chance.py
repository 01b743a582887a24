"""Where random numbers come from: the system, unless a test of this trio run has a seed.

Random numbers keep our names apart from those of an earlier run, and the redials of many clients
apart in time. Keys and nonces don't come from here but always from the system.
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
    """Draw the random numbers of this run from this source; ``None``: from the system again."""
    _chance_of_run.set(chance or _SYSTEM)
