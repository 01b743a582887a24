"""The figures as plain text, for the terminal and for the page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from benchmarks.figures import Spread
from benchmarks.goals import GOALS, Goal
from benchmarks.peers import PEERS
from benchmarks.report import Report
from benchmarks.works import EACH, Measure, Work

_SCALES: Final = ((1e6, " M"), (1e3, " k"))
_NOTHING: Final = "none"


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    for scale, suffix in _SCALES:
        if value >= scale:
            return f"{value / scale:.3g}{suffix}" if value < 1000 * scale else f"{value:.3g}"
    return f"{value:.3g}"


def spread_text(spread: Spread) -> str:
    """Return the extremes as percents of the median."""
    low, high = (100 * (edge / spread.median - 1) for edge in (spread.low, spread.high))
    return f"{low:+.0f}/{high:+.0f} %"


def ratio_text(spread: Spread | None) -> str:
    """Return a ratio, or that there is none."""
    return f"{spread.median:.2f}" if spread else _NOTHING


Row: TypeAlias = tuple[str, str, str, str, str]


def head(measure: Measure, first: str) -> Row:
    """Return the names of the columns of `rows`."""
    better = "" if measure.more_is_better else " (less is better)"
    return first, measure.unit + better, "spread", "trio_mq / it", "processor µs"


def rows(report: Report, work: Work, measure: Measure) -> list[Row]:
    """Return a row per library.

    Its name, median and spread, trio_mq's ratio to it, and the processor time per message of all
    its threads and processes.
    """
    asked = report.outcomes.get(work.name, {})
    return [_row(report, work, measure, peer) for peer in work.peers if peer in asked]


def _row(report: Report, work: Work, measure: Measure, peer: str) -> Row:
    outcome = report.outcome(work.name, peer)
    spread = outcome.spread(measure)
    label = PEERS[peer].label
    if spread is None:
        return label, outcome.problem or "not measured", "", "", ""
    ratio = report.ratio((work.name, EACH), (work.name, peer), measure)
    cost = outcome.processor_microseconds(work.processor_figure())
    return (
        label,
        number(spread.median),
        spread_text(spread),
        ratio_text(ratio),
        number(cost) if cost else _NOTHING,
    )


def aligned(lines: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Return the lines with their columns under one another, the first to the left."""
    full = [line for line in lines if line[-1]]
    widths = [max(len(line[place]) for line in full) for place in range(len(lines[0]))]
    widths[0] = max(len(line[0]) for line in lines)
    text = []
    for line in lines:
        first, *rest = line
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        text.append(indent + "  ".join(cells).rstrip())
    return "\n".join(text)


def work_table(report: Report, work: Work) -> str:
    """Return everything that was found about one work."""
    tables = [
        aligned([head(measure, ""), *rows(report, work, measure)]) for measure in work.measures
    ]
    return "\n".join([work.title, *tables])


def goals_rows(report: Report) -> list[tuple[str, str, str, str, str, str, str]]:
    """Return a row per goal that was measured."""
    return [_goal_row(report, goal) for goal in GOALS if goal.ratio(report)]


def _goal_row(report: Report, goal: Goal) -> tuple[str, str, str, str, str, str, str]:
    ratio = goal.ratio(report)
    sign = "at most " if goal.at_most else ""
    return (
        goal.title,
        PEERS[goal.ours[1]].label,
        PEERS[goal.theirs[1]].label,
        ratio_text(ratio),
        f"{sign}{goal.must:g}",
        f"{sign}{goal.aim:g}",
        goal.verdict(report).value,
    )


GOALS_HEAD: Final = ("work", "ours", "against", "ratio", "must", "aim", "verdict")


def goals_table(report: Report) -> str:
    """Return how the goals stand."""
    found = goals_rows(report)
    return "Goals\n" + aligned([GOALS_HEAD, *found]) if found else "Goals: none was measured"
