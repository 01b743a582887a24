"""What a comparison found, as data: to and from JSON, and the views that tables and charts show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import attrs

from benchmarks.figures import Spread, paired_ratios
from benchmarks.works import Measure


@attrs.frozen
class Outcome:
    """The repetitions of one work by one library, or why there are none."""

    repetitions: Sequence[Mapping[str, float]] = ()
    problem: str | None = None

    def values(self, measure: Measure) -> list[float]:
        """Return one figure of every repetition, in its unit."""
        return [figures[measure.figure] * measure.scale for figures in self.repetitions]

    def processor_microseconds(self, figure: str) -> float | None:
        """Return the median of the processor time that a message took, if that was measured."""
        costs = [
            1e6 * figures[figure] / figures["messages"]
            for figures in self.repetitions
            if "messages" in figures
        ]
        return median(costs) if costs else None

    def spread(self, measure: Measure) -> Spread | None:
        """Return the median and the extremes, if it was measured at all."""
        values = self.values(measure)
        return Spread.of(values) if values else None


@attrs.frozen(kw_only=True)
class Circumstances:
    """How one work was measured: a report may hold works of several runs."""

    date: str
    #: Of trio_mq.
    revision: str
    repetitions: int
    seconds: float
    #: How many other processes wanted a core when the work began, averaged over a minute.
    load: float

    def __str__(self) -> str:
        """Return them as the page shows them."""
        runs = f"{self.repetitions} repetitions of about {self.seconds:g} s"
        return f"{self.date}, {self.revision}, {runs}, load {self.load:.1f} before it"


@attrs.frozen(kw_only=True)
class Report:
    """A whole comparison."""

    #: What it ran on, and which versions were compared.
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    #: By name of the work.
    circumstances: Mapping[str, Circumstances]
    #: By name of the work, then of the library.
    outcomes: Mapping[str, Mapping[str, Outcome]]

    def outcome(self, work: str, peer: str) -> Outcome:
        """Return what was found, which may be that nothing was measured."""
        return self.outcomes.get(work, {}).get(peer, Outcome(problem="not measured"))

    def ratio(
        self, ours: tuple[str, str], theirs: tuple[str, str], measure: Measure
    ) -> Spread | None:
        """Return how two (work, library) pairs compare, repetition by repetition."""
        values = self.outcome(*ours).values(measure), self.outcome(*theirs).values(measure)
        ratios = paired_ratios(*values)
        return Spread.of(ratios) if ratios else None

    def including(self, work: str, found: Mapping[str, Outcome], how: Circumstances) -> Report:
        """Return the report with what was found about one more work."""
        return attrs.evolve(
            self,
            outcomes={**self.outcomes, work: found},
            circumstances={**self.circumstances, work: how},
        )

    def save(self, path: Path) -> None:
        """Write lines of JSON: the head, then one per work, each with one per library in it."""
        lines: list[Mapping[str, object]] = [{"machine": self.machine, "versions": self.versions}]
        for work, outcomes in self.outcomes.items():
            lines.append({"work": work, **attrs.asdict(self.circumstances[work])})
            for peer, outcome in outcomes.items():
                lines.append({"work": work, "peer": peer, **_packed(outcome)})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote."""
        first, *lines = map(json.loads, path.read_text("utf-8").splitlines())
        report = cls(**first, circumstances={}, outcomes={})
        for line in lines:
            work = line.pop("work")
            if "peer" not in line:
                report = report.including(work, {}, Circumstances(**line))
            else:
                known = report.outcomes[work]
                found = {**known, line.pop("peer"): _unpacked(line)}
                report = report.including(work, found, report.circumstances[work])
        return report


def _packed(outcome: Outcome) -> dict[str, object]:
    """Return an outcome as a line of the file has it: each figure once, with all repetitions."""
    if outcome.problem is not None:
        return {"problem": outcome.problem}
    names = dict.fromkeys(name for figures in outcome.repetitions for name in figures)
    return {name: [figures[name] for figures in outcome.repetitions] for name in names}


def _unpacked(line: Mapping[str, list[float] | str]) -> Outcome:
    problem = line.get("problem")
    if isinstance(problem, str):
        return Outcome(problem=problem)
    columns = [values for values in line.values() if not isinstance(values, str)]
    return Outcome([dict(zip(line, row, strict=True)) for row in zip(*columns, strict=True)])


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures to six digits: more is noise, and fills the file."""
    return {name: float(f"{value:.6g}") for name, value in figures.items()}
