"""The repetitions: interleaved, so that a slow minute of the machine slows every library alike.

Each repetition measures all libraries of a work one after the other, beginning with another one
each time, and ratios are taken within a repetition. How many rounds a measurement sends follows
from the rate of that library: each takes about the same time, the fast and the slow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import attrs

from benchmarks.job import Job
from benchmarks.loops.addresses import unused_endpoint
from benchmarks.measure import MeasurementFailed, measure
from benchmarks.peers import PEERS
from benchmarks.report import Outcome, Report, rounded
from benchmarks.works import Work

#: Rounds of the first attempt, when nothing is known about a library yet.
_PILOT_ROUNDS: Final = 4
#: One round warms up, and one at least is measured.
_LEAST_ROUNDS: Final = 2
#: Repetitions that may fail before the rest is given up.
_FAILURES: Final = 2


@attrs.frozen(kw_only=True)
class Plan:
    """How thorough a comparison is."""

    repetitions: int
    #: Seconds that one measurement should take.
    seconds: float
    #: Told what happens, for people who wait.
    progress: Callable[[str], None]
    #: Rates of an earlier comparison, which save the first attempts.
    earlier: Report | None = None
    #: The libraries that take part, of those that a work names.
    peers: frozenset[str] = frozenset(PEERS)


@attrs.define
class _Series:
    """The repetitions of one work by one library, as they come in."""

    work: Work
    peer: str
    seconds: float
    rate: float | None
    repetitions: list[Mapping[str, float]] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)

    def rounds(self) -> int:
        if self.work.rounds is not None:
            return self.work.rounds
        if self.rate is None:
            return _PILOT_ROUNDS
        return max(_LEAST_ROUNDS, round(self.rate * self.seconds / self.work.round_size()))

    async def pilot(self) -> None:
        """Find out how fast this library is, unless that is known or does not matter."""
        if self.rate is None and self.work.rounds is None:
            await self._attempt()

    async def repeat(self) -> None:
        if len(self.problems) < _FAILURES:
            figures = await self._attempt()
            if figures is not None:
                self.repetitions.append(figures)

    async def _attempt(self) -> Mapping[str, float] | None:
        with ExitStack() as stack:
            job = _with_endpoints(self.work, self.rounds(), stack)
            try:
                figures = await self._measured(job)
            except MeasurementFailed as failure:
                self.problems.append(str(failure))
                return None
        self.rate = figures.get("per_second")
        return figures

    async def _measured(self, job: Job) -> Mapping[str, float]:
        parts = self.work.parts(self.peer)
        return rounded(await measure(parts, job, apart=self.work.apart))

    def outcome(self) -> Outcome:
        return Outcome(self.repetitions, self.problems[-1] if self.problems else None)


def _with_endpoints(work: Work, rounds: int, stack: ExitStack) -> Job:
    endpoint = work.transport
    if endpoint in {"tcp", "ipc"}:
        endpoint = unused_endpoint(work.transport, stack)
    second = unused_endpoint("tcp", stack)
    return attrs.evolve(work.job, rounds=rounds, endpoint=endpoint, second_endpoint=second)


def _known_rate(earlier: Report | None, work: Work, peer: str) -> float | None:
    repetitions = earlier.outcome(work.name, peer).repetitions if earlier else ()
    return repetitions[-1].get("per_second") if repetitions else None


async def run_work(work: Work, plan: Plan) -> dict[str, Outcome]:
    """Measure one work by all the libraries that do it and are here."""
    asked = [name for name in work.peers if name in plan.peers]
    missing = {name: PEERS[name].missing() for name in asked}
    present = [name for name in asked if not missing[name]]
    series = [
        _Series(work, name, plan.seconds, _known_rate(plan.earlier, work, name)) for name in present
    ]
    for one in series:
        await one.pilot()
    for repetition in range(plan.repetitions):
        for one in _rotated(series, repetition):
            plan.progress(f"{work.title}: {repetition + 1} of {plan.repetitions}, {one.peer}")
            await one.repeat()
    outcomes = {one.peer: one.outcome() for one in series}
    absent = {
        name: Outcome(problem=f"missing: {', '.join(packages)}")
        for name, packages in missing.items()
        if packages
    }
    return {**outcomes, **absent}


def _rotated(series: Sequence[_Series], by: int) -> list[_Series]:
    start = by % len(series) if series else 0
    return [*series[start:], *series[:start]]
