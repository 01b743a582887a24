from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import page
from benchmarks.__main__ import RESULT
from benchmarks.charts import Bar, Line, bars, lines
from benchmarks.figures import Spread, paired_ratios, percentile
from benchmarks.goals import GOALS, Goal, Verdict
from benchmarks.regression import compared, regressions
from benchmarks.report import Circumstances, Outcome, Report
from benchmarks.table import goals_table, number
from benchmarks.works import SEALED

ROOT = Path(__file__).parent.parent.parent


def report_of(goal: Goal, ours: list[float], theirs: list[float]) -> Report:
    """Make a report in which only the two sides of a goal were measured."""

    def outcome(values: list[float]) -> Outcome:
        return Outcome([{goal.measure.figure: value} for value in values])

    outcomes: dict[str, dict[str, Outcome]] = {}
    for (work, peer), values in ((goal.ours, ours), (goal.theirs, theirs)):
        outcomes.setdefault(work, {})[peer] = outcome(values)
    return Report(machine={}, versions={}, circumstances={}, outcomes=outcomes)


RATE = GOALS[0]
COST = GOALS[-1]


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank: of a hundred values the 99th is the last but one."""
    hundred = [float(value) for value in range(1, 101)]
    assert [percentile(hundred, part) for part in (50, 99, 100)] == [50, 99, 100]
    assert percentile([7.0], 99) == 7


def test_ratios_are_taken_within_a_repetition() -> None:
    """A slow minute slows both sides, and the ratio stays."""
    assert paired_ratios([10, 5], [20, 10]) == [0.5, 0.5]


def test_a_spread_of_nothing_is_refused() -> None:
    """There is no median without values."""
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])


@pytest.mark.parametrize(
    ("ours", "verdict"), [(100, Verdict.AIM), (70, Verdict.MUST), (10, Verdict.MISSED)]
)
def test_goals_tell_what_was_reached(ours: float, verdict: Verdict) -> None:
    """The first goal must reach 0.7 of the other, and aims at all of it."""
    assert RATE.verdict(report_of(RATE, [ours], [100])) is verdict


def test_a_goal_that_was_not_measured_is_not_reached() -> None:
    """Silence is no success."""
    nothing = Report(machine={}, versions={}, circumstances={}, outcomes={})
    assert RATE.verdict(nothing) is Verdict.UNKNOWN
    assert "none was measured" in goals_table(nothing)


def test_a_ratio_much_below_the_stored_one_is_a_regression() -> None:
    """A little below is noise."""
    stored = {RATE.name: 1.0}
    assert not regressions(report_of(RATE, [0.8], [1]), stored)
    assert len(regressions(report_of(RATE, [0.5], [1]), stored)) == 1


def test_a_cost_much_above_the_stored_one_is_a_regression() -> None:
    """Where less is better, more is worse."""
    assert COST.at_most
    stored = {COST.name: 1.0}
    assert not regressions(report_of(COST, [0.5], [1]), stored)
    assert len(regressions(report_of(COST, [2], [1]), stored)) == 1


def test_a_run_that_measured_no_stored_ratio_compares_none() -> None:
    """The check must not pass by measuring nothing."""
    report = report_of(RATE, [1], [1])
    assert compared(report, {}) == 0
    assert compared(report, {RATE.name: 1.0}) == 1


def test_the_names_of_goals_are_distinct() -> None:
    """Stored ratios are found by them."""
    assert len({goal.name for goal in GOALS}) == len(GOALS)


def test_charts_are_well_formed_and_name_everyone() -> None:
    """A label with a character that XML reserves comes out whole."""
    entries = [Bar("a & b", Spread(2, 1, 3), ours=True), Bar("c", Spread(1, 1, 1), ours=False)]
    texts = [element.text for element in ET.fromstring(bars("title", "unit", entries)).iter()]  # noqa: S314  # our own
    assert {"a & b", "c", "title"} <= set(texts)


def test_line_charts_rise_with_their_values() -> None:
    """The larger value is drawn higher, which is a smaller coordinate."""
    picture = ET.fromstring(lines("t", "u", "n", [Line("a", [(10, 1), (100, 4)])]))  # noqa: S314  # our own
    heights = [float(dot.attrib["cy"]) for dot in picture.iter() if dot.attrib.get("r") == "3.5"]
    assert heights[0] > heights[1]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.0123"), (999, "999"), (1234, "1.23 k"), (2.5e6, "2.5 M")]
)
def test_numbers_are_shown_with_three_digits(value: float, text: str) -> None:
    """More would be noise."""
    assert number(value) == text


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A line per library holds every repetition, or what went wrong."""
    how = Circumstances(date="2026-01-02", revision="r", repetitions=2, seconds=0.5, load=0.25)
    found = {
        "one": Outcome(
            [{"per_second": 1.5, "messages": 3.0}, {"per_second": 2.5, "messages": 5.0}]
        ),
        "other": Outcome(problem="it is not installed"),
    }
    empty = Report(machine={"cores": "2"}, versions={"x": "1"}, circumstances={}, outcomes={})
    report = empty.including("work", found, how)
    path = tmp_path / "report.jsonl"
    report.save(path)
    assert Report.load(path) == report
    assert len(path.read_text("utf-8").splitlines()) == 1 + 1 + len(found)


def test_every_chart_of_the_page_is_drawn(tmp_path: Path) -> None:
    """The page on performance shows charts and includes tables that the stored figures make."""
    page.write(Report.load(RESULT), tmp_path)
    text = (ROOT / "docs" / "explanation" / "performance.rst").read_text("utf-8")
    wanted = set(re.findall(r"/_generated/([\w.-]+)", text))
    assert wanted
    assert wanted <= {path.name for path in tmp_path.iterdir()}


def test_charts_of_curve_are_shown_once_they_were_measured(tmp_path: Path) -> None:
    """The page includes them by a file, which names none that is not drawn."""
    measured, unmeasured = SEALED[:2]
    how = Circumstances(date="2026-01-02", revision="r", repetitions=1, seconds=0.5, load=0.25)
    found = {peer: Outcome([{measured.measures[0].figure: 1.5}]) for peer in measured.peers}
    nothing = Report(machine={}, versions={}, circumstances={}, outcomes={})
    page.write(nothing.including(measured.name, found, how), tmp_path)
    shown = (tmp_path / "curve.rst").read_text("utf-8")
    assert re.findall(r"/_generated/(\S+)", shown) == [f"{page.chart_name(measured)}.svg"]
    assert (tmp_path / f"{page.chart_name(measured)}.svg").exists()
    assert unmeasured.title not in shown
