"""The few statistics that the comparison needs, of plain lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import attrs


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the value below which that part of a sorted sequence lies (nearest rank)."""
    if not ascending:
        raise ValueError("a percentile needs at least one value")
    rank = max(1, -(-len(ascending) * percent // 100))
    return ascending[int(rank) - 1]


@attrs.frozen
class Spread:
    """What several repetitions of one measurement said."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the median and the extremes.

        Raises:
            ValueError: There are no values.
        """
        if not values:
            raise ValueError("a spread needs at least one value")
        return cls(median(values), min(values), max(values))

    @property
    def relative(self) -> float:
        """The distance between the extremes, as a part of the median."""
        return (self.high - self.low) / self.median


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratio of each repetition: both were measured within seconds of one another."""
    return [one / other for one, other in zip(ours, theirs, strict=False)]
