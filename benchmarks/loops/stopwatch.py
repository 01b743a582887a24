"""The clock of a measurement: it starts when the first tenth of the messages has arrived."""

from __future__ import annotations

import time

import attrs

from benchmarks.job import Figures


@attrs.define
class Stopwatch:
    """Time from a warmed-up start to the last message, on the end that can tell."""

    #: Rounds before the clock starts.
    warm_up: int
    _started: float = 0.0

    @classmethod
    def for_rounds(cls, rounds: int) -> Stopwatch:
        """Leave out the first tenth, one round at least."""
        return cls(max(1, rounds // 10))

    def round_begins(self, index: int) -> None:
        """Start the clock if this is the first round that counts."""
        if index == self.warm_up:
            self._started = time.perf_counter()

    def figures(self, rounds: int, messages_per_round: int) -> Figures:
        """Return the rate of the rounds that counted; call it right after the last one."""
        seconds = time.perf_counter() - self._started
        counted = (rounds - self.warm_up) * messages_per_round
        return {
            "seconds": seconds,
            "per_second": counted / seconds,
            "messages": rounds * messages_per_round,
        }
