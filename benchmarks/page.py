"""What the documentation shows of a stored report: charts and tables, made when it is built.

The page itself is written by people (``docs/explanation/performance.rst``) and includes these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from benchmarks.charts import Bar, Line, bars, lines
from benchmarks.peers import PEERS
from benchmarks.report import Report
from benchmarks.table import GOALS_HEAD, goals_rows, number, ratio_text
from benchmarks.works import (
    CLOSING,
    CONNECTIONS,
    EACH,
    GROUPS,
    GROWTH,
    MANY,
    ONE_DIRECTION,
    SEALED,
    SERVICES,
    SUBSCRIPTIONS,
    Measure,
    Work,
)

#: Against whom the table sets trio_mq, each in a column.
_COLUMNS: Final = (
    "pyzmq_blocking",
    "pyzmq_asyncio",
    "zmq_anyio_trio",
    "pynng_trio",
    "pyomq_blocking",
    "pyomq_asyncio",
    "bare_trio",
)


def write(report: Report, folder: Path) -> None:
    """Write the charts (``*.svg``) and the tables (``*.rst``) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in _pictures(report).items():
        (folder / f"{name}.svg").write_text(picture, "utf-8")
    for name, works in (("curve", SEALED), ("services", SERVICES), ("closing", CLOSING)):
        (folder / f"{name}.rst").write_text(_images(report, works), "utf-8")
    (folder / "circumstances.rst").write_text(_circumstances(report), "utf-8")
    (folder / "ratios.rst").write_text(_table(_ratios(report)), "utf-8")
    (folder / "goals.rst").write_text(_table([GOALS_HEAD, *goals_rows(report)]), "utf-8")


# ----------------------------------------------------------------------------------- the pictures


def chart_name(work: Work) -> str:
    """Return the name of a work's chart."""
    return work.name.replace("/", "-")


def _pictures(report: Report) -> dict[str, str]:
    pictures = {
        chart_name(work): _bar_chart(report, work)
        for works in GROUPS
        for work in works
        if _has_chart(report, work)
    }
    for chart in _grown(report):
        pictures[chart.name] = _line_chart(report, chart)
    return pictures


def _has_chart(report: Report, work: Work) -> bool:
    measured = [p for p in work.peers if report.outcome(work.name, p).repetitions]
    return work not in GROWTH and len(measured) > 1


def _images(report: Report, works: Sequence[Work]) -> str:
    """Return the text that shows the charts of these works, as far as they were measured."""
    return "\n".join(
        f".. image:: /_generated/{chart_name(work)}.svg\n"
        f"   :alt: {work.title}, by library\n"
        "   :width: 100%\n"
        for work in works
        if _has_chart(report, work)
    )


def _bar_chart(report: Report, work: Work) -> str:
    measure = work.measures[0]
    entries = [
        Bar(PEERS[peer].label, spread, PEERS[peer].label.startswith("trio_mq"))
        for peer in work.peers
        if (spread := report.outcome(work.name, peer).spread(measure))
    ]
    entries.sort(key=lambda bar: bar.spread.median, reverse=measure.more_is_better)
    return bars(work.title, measure.unit, entries)


@attrs.frozen
class _Growth:
    """A line chart: one measure of the works whose names differ by a number."""

    name: str
    title: str
    prefix: str
    numbers: Sequence[int]
    measure: int = 0

    def works(self) -> list[Work]:
        names = [f"{self.prefix}/{number}" for number in self.numbers]
        return [work for work in GROWTH if work.name in names]


_GROWN: Final = (
    _Growth("growth-connections", "Messages", "connections", CONNECTIONS),
    _Growth("growth-memory", "Memory", "connections", CONNECTIONS[1:], measure=2),
    _Growth("growth-subscriptions", "Publishing", "subscriptions", SUBSCRIPTIONS),
)


def _grown(report: Report) -> list[_Growth]:
    """Return the line charts that have points."""
    return [
        chart
        for chart in _GROWN
        if any(report.outcome(work.name, EACH).repetitions for work in chart.works())
    ]


def _line_chart(report: Report, chart: _Growth) -> str:
    works = chart.works()
    measure = works[-1].measures[chart.measure]
    entries = [
        Line(PEERS[peer].label, points)
        for peer in works[0].peers
        if (points := _points(report, works, chart.numbers, peer, measure))
    ]
    return lines(f"{chart.title}, as {chart.prefix} grow", measure.unit, chart.prefix, entries)


def _points(
    report: Report, works: Sequence[Work], numbers: Sequence[int], peer: str, measure: Measure
) -> list[tuple[float, float]]:
    pairs = [
        (number, report.outcome(work.name, peer).spread(measure))
        for number, work in zip(numbers, works, strict=True)
    ]
    return [(number, spread.median) for number, spread in pairs if spread]


# --------------------------------------------------------------------------------------- the text


def _circumstances(report: Report) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    how = list(report.circumstances.values())
    dates = " to ".join(dict.fromkeys([min(h.date for h in how), max(h.date for h in how)]))
    revisions = ", ".join(dict.fromkeys(h.revision for h in how))
    load = max(h.load for h in how)
    return (
        f":Measured: {dates}, trio_mq {revisions}, load up to {load:.1f}\n"
        f":Machine: {machine}\n:Versions: {versions}\n"
    )


def _ratios(report: Report) -> list[Sequence[str]]:
    """Return a row per work and way of calling: the figure, and the ratio to each other library."""
    head = ["work", "trio_mq", *(f"/ {PEERS[peer].label}" for peer in _COLUMNS)]
    return [head, *(row for works in GROUPS for work in works for row in _rows(report, work))]


def _rows(report: Report, work: Work) -> list[Sequence[str]]:
    measure = work.measures[0]
    rows: list[Sequence[str]] = []
    for ours, way in ((EACH, ""), (MANY, ", ``send_many``")):
        spread = report.outcome(work.name, ours).spread(measure)
        if spread is not None and (ours == EACH or work in ONE_DIRECTION):
            ratios = [
                report.ratio((work.name, ours), (work.name, peer), measure) for peer in _COLUMNS
            ]
            cells = [ratio_text(ratio) if ratio else "" for ratio in ratios]
            rows.append([work.title + way, f"{number(spread.median)} {measure.unit}", *cells])
    return rows


def _table(cells: Sequence[Sequence[str]]) -> str:
    lines_of_table = [".. list-table::", "   :header-rows: 1", ""]
    for row in cells:
        first, *rest = row
        lines_of_table.append(f"   * - {first}")
        lines_of_table += [f"     - {cell}".rstrip() for cell in rest]
    return "\n".join([*lines_of_table, ""])
