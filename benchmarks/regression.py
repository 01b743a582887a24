"""Today's ratios against stored ones: what was fast must not become slow unnoticed.

Ratios to other libraries in the same run carry over from one machine to another far better than
rates do, though not perfectly: the tolerance is wide, and a change on purpose is stored anew with
``--accept``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from benchmarks.goals import GOALS, Goal
from benchmarks.report import Report

STORED: Final = Path(__file__).parent / "ratios.json"
#: How much worse than its stored value a ratio may be.
TOLERANCE: Final = 0.3


def accept(report: Report, path: Path = STORED) -> None:
    """Store the ratios of this run, and keep those of goals that it did not measure."""
    stored = load(path)
    for goal in GOALS:
        ratio = goal.ratio(report)
        if ratio is not None:
            stored[goal.name] = round(ratio.median, 3)
    path.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n", "utf-8")


def load(path: Path = STORED) -> dict[str, float]:
    """Return the stored ratios by the names of their goals."""
    stored: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return stored


def regressions(report: Report, stored: dict[str, float]) -> list[str]:
    """Return a sentence for every goal whose ratio is worse than stored, beyond the tolerance."""
    found = (_regression(goal, report, stored.get(goal.name)) for goal in GOALS)
    return [sentence for sentence in found if sentence is not None]


def _regression(goal: Goal, report: Report, stored: float | None) -> str | None:
    ratio = goal.ratio(report)
    if stored is None or ratio is None:
        return None
    if goal.at_most:
        bound = stored * (1 + TOLERANCE)
        bad = ratio.median > bound
    else:
        bound = stored * (1 - TOLERANCE)
        bad = ratio.median < bound
    if not bad:
        return None
    return f"{goal.name}: {ratio.median:.2f}, stored {stored:.2f}, allowed {bound:.2f}"


def compared(report: Report, stored: dict[str, float]) -> int:
    """Return how many stored ratios this run could be compared with: none is no success."""
    return sum(goal.name in stored and goal.ratio(report) is not None for goal in GOALS)
