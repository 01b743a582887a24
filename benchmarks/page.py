"""The page of the documentation about speed, with its charts, written from a stored report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from benchmarks.charts import Bar, Line, bars, lines
from benchmarks.peers import PEERS
from benchmarks.report import Report
from benchmarks.table import GOALS_HEAD, goals_rows, head, rows
from benchmarks.works import (
    CONNECTIONS,
    EACH,
    GROWTH,
    LATENCY,
    ONE_DIRECTION,
    PUBLISHING,
    REQUESTS,
    START,
    SUBSCRIPTIONS,
    Measure,
    Work,
)

_DOCS: Final = Path(__file__).parent.parent / "docs"
PAGE: Final = _DOCS / "explanation" / "performance.rst"
CHARTS: Final = _DOCS / "_static" / "performance"

_INTRODUCTION: Final = """\
.. This page is written by ``nox -s bench``: change ``benchmarks/page.py`` instead.

Performance
===========

How fast trio_mq is beside other libraries, measured on one machine. Rates depend on
the machine; the *ratios* carry over much better, and they are what counts here. Measure on your
own machine with ``nox -s bench``, or in a minute with ``nox -s bench -- --quick``.

How it was measured
-------------------

Each end is a process of its own, over the loopback interface. The libraries do the same work in
the same loops, one after the other, and that is repeated: every repetition starts with another
library, each figure is the median of the repetitions, and each ratio is the median of the ratios
within a repetition. The spread stands beside it. The receiver keeps the clock, from the moment
when a tenth of the messages has arrived to the last one, and checks that each message is whole
and in its place. High-water marks are those that 0MQ starts with, 1000 messages (nng's queues are
set to the same). libzmq, nng and the Rust library use threads of their own beside Python's, where
trio_mq and trio have one. Processes run on any core, except for single round trips and latency:
there each end keeps to a core of its own, since else the rate tells mostly whether the system has
put both on one.

A ratio above 1 means that trio_mq is faster, or, where less is better, that it needs more. The
last column is the processor time that a message takes, on all threads of the library under test
together: other programs on the machine disturb it least.
"""

#: How far the load may lie above the number of cores: the comparison itself occupies these.
_QUIET: Final = 1.0

_GROUPS: Final = (
    ("One direction", ONE_DIRECTION),
    ("Requests and replies", REQUESTS),
    ("Publishing", PUBLISHING),
    ("What grows", GROWTH),
    ("Small requests beside large messages", LATENCY),
    ("Starting", START),
)


def write(report: Report, page: Path = PAGE, charts: Path = CHARTS) -> None:
    """Write the page and its charts."""
    charts.mkdir(parents=True, exist_ok=True)
    for name, picture in _pictures(report).items():
        (charts / f"{name}.svg").write_text(picture, "utf-8")
    page.write_text(_page(report), "utf-8")


# ----------------------------------------------------------------------------------- the pictures


def chart_name(work: Work) -> str:
    """Return the name of a work's chart."""
    return work.name.replace("/", "-")


def _pictures(report: Report) -> dict[str, str]:
    pictures = {
        chart_name(work): _bar_chart(report, work)
        for _, works in _GROUPS
        for work in works
        if _has_chart(report, work)
    }
    for chart in _grown(report):
        pictures[chart.name] = _line_chart(report, chart)
    return pictures


def _has_chart(report: Report, work: Work) -> bool:
    measured = [p for p in work.peers if report.outcome(work.name, p).repetitions]
    return work not in GROWTH and len(measured) > 1


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


def _page(report: Report) -> str:
    parts = [_INTRODUCTION, _circumstances(report), _goals(report)]
    for title, works in _GROUPS:
        if not any(work.name in report.outcomes for work in works):
            continue
        parts.append(_heading(title, "-"))
        parts += [_image(chart.name, chart.title) for chart in _grown(report) if works is GROWTH]
        parts += [_section(report, work) for work in works if work.name in report.outcomes]
    return "\n".join(parts)


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _circumstances(report: Report) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    how = list(report.circumstances.values())
    dates = " to ".join(dict.fromkeys([min(h.date for h in how), max(h.date for h in how)]))
    fields = f":Date: {dates}\n:Machine: {machine}\n:Versions: {versions}\n"
    return fields + _warning(report, max(h.load for h in how))


def _warning(report: Report, load: float) -> str:
    """Say so if other programs were busy: who has one thread suffers more than who has four."""
    if load <= int(report.machine["cores"]) + _QUIET:
        return ""
    return (
        "\n.. warning::\n\n   Other programs used the machine at the same time (a load of up to "
        f"{load:.1f} on {report.machine['cores']} cores):\n   the rates are disturbed, and ratios "
        "with them; the processor time per message is less so.\n"
    )


def _goals(report: Report) -> str:
    found = goals_rows(report)
    if not found:
        return ""
    return _heading("Goals", "-") + "\n" + _table([GOALS_HEAD, *found])


def _section(report: Report, work: Work) -> str:
    parts = [_heading(work.title, "~"), f"*{report.circumstances[work.name]}*\n"]
    if _has_chart(report, work):
        parts.append(_image(chart_name(work), work.title))
    parts += [
        _table([head(measure, "library"), *rows(report, work, measure)])
        for measure in work.measures
    ]
    return "\n".join(parts)


def _image(name: str, alternative: str) -> str:
    return f".. image:: /_static/performance/{name}.svg\n   :alt: {alternative}\n   :width: 100%\n"


def _table(cells: Sequence[Sequence[str]]) -> str:
    lines_of_table = [".. list-table::", "   :header-rows: 1", ""]
    for row in cells:
        first, *rest = row
        lines_of_table.append(f"   * - {first}")
        lines_of_table += [f"     - {cell}".rstrip() for cell in rest]
    return "\n".join([*lines_of_table, ""])
