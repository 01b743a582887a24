"""Charts as SVG, drawn by hand: bars for libraries beside one another, lines for what grows.

The pictures carry their own two palettes and follow the reader's light or dark setting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

import attrs

from benchmarks.figures import Spread
from benchmarks.table import number
from benchmarks.works import grouped

_WIDTH: Final = 760
_LABELS: Final = 190
_ROOM_FOR_VALUES: Final = 90
_ROW: Final = 26
_HEAD: Final = 54
_BAR: Final = 16

_STYLE: Final = """<style>
text { font: 13px system-ui, sans-serif; fill: #222; }
.title { font-weight: 600; } .note, .tick { fill: #666; font-size: 11px; }
.value { font-variant-numeric: tabular-nums; }
.ours { fill: #0b7285; } .theirs { fill: #adb5bd; } .whisker, .axis { stroke: #495057; }
.grid { stroke: #dee2e6; } .back { fill: #fff; } .line { fill: none; stroke-width: 2.5; }
.s0 { stroke: #0b7285; } .s1 { stroke: #868e96; } .s2 { stroke: #c77d0a; }
.d0 { fill: #0b7285; } .d1 { fill: #868e96; } .d2 { fill: #c77d0a; }
@media (prefers-color-scheme: dark) {
text { fill: #e9ecef; } .note, .tick { fill: #adb5bd; } .back { fill: #131416; }
.ours, .d0 { fill: #3bc9db; } .s0 { stroke: #3bc9db; } .theirs { fill: #5c636a; }
.whisker, .axis { stroke: #ced4da; } .grid { stroke: #343a40; }
}
</style>"""


@attrs.frozen
class Bar:
    """One library in a bar chart."""

    label: str
    spread: Spread
    ours: bool


@attrs.frozen
class Line:
    """One library in a line chart: what it did at each number."""

    label: str
    points: Sequence[tuple[float, float]]


def _picture(height: int, title: str, note: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">'
    )
    frame = f'<rect class="back" width="{_WIDTH}" height="{height}" rx="6"/>'
    texts = [_text(14, 22, title, "title"), _text(14, 40, note, "note")]
    return "\n".join([head, _STYLE, frame, *texts, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _segment(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


# ------------------------------------------------------------------------------------------ bars


def bars(title: str, unit: str, entries: Sequence[Bar]) -> str:
    """Draw a bar per library from zero to its median, with the extremes as a whisker.

    Raises:
        ValueError: There is nothing to draw.
    """
    if not entries:
        raise ValueError(f"the chart {title!r} has no bars")
    room = _WIDTH - _LABELS - _ROOM_FOR_VALUES
    scale = room / max(entry.spread.high for entry in entries)
    parts = [part for place, entry in enumerate(entries) for part in _bar(place, entry, scale)]
    height = _HEAD + _ROW * len(entries) + 10
    return _picture(height, title, f"{unit}; bar: median, whisker: extremes", parts)


def _bar(place: int, entry: Bar, scale: float) -> list[str]:
    top = _HEAD + place * _ROW
    middle = top + _BAR / 2
    spread = entry.spread
    low, end, high = (_LABELS + v * scale for v in (spread.low, spread.median, spread.high))
    kind = "ours" if entry.ours else "theirs"
    place_and_size = f'x="{_LABELS}" y="{top}" width="{max(1, end - _LABELS):.1f}" height="{_BAR}"'
    return [
        _text(_LABELS - 8, middle + 4.5, entry.label, "label", "end"),
        f'<rect class="{kind}" {place_and_size} rx="2"/>',
        _segment("whisker", low, middle, high, middle),
        _text(max(end, high) + 8, middle + 4.5, number(spread.median), "value"),
    ]


# ----------------------------------------------------------------------------------------- lines

_PLOT_HEIGHT: Final = 220
_LEFT, _RIGHT = 70, 170


def lines(title: str, unit: str, across: str, entries: Sequence[Line]) -> str:
    """Draw how a figure changes as something grows: powers of ten across, from zero upward.

    Raises:
        ValueError: There is nothing to draw.
    """
    points = [point for entry in entries for point in entry.points]
    if not points:
        raise ValueError(f"the chart {title!r} has no points")
    plot = _Plot.around(points)
    parts = [*plot.grid(points, across)]
    for place, entry in enumerate(entries):
        parts += plot.line(place, entry)
    height = _HEAD + _PLOT_HEIGHT + 50
    return _picture(height, title, unit, parts)


def _rounded_up(value: float) -> float:
    """Return a round number not below, so that a quarter of it is round as well."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


@attrs.frozen
class _Plot:
    """Where a value of a line chart lies on the picture."""

    first: float
    last: float
    highest: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> _Plot:
        across = [math.log10(x) for x, _ in points]
        return cls(min(across), max(across), _rounded_up(max(y for _, y in points)))

    def x(self, value: float) -> float:
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + width * (math.log10(value) - self.first) / ((self.last - self.first) or 1)

    def y(self, value: float) -> float:
        return _HEAD + _PLOT_HEIGHT * (1 - value / self.highest)

    def grid(self, points: Sequence[tuple[float, float]], across: str) -> list[str]:
        bottom = _HEAD + _PLOT_HEIGHT
        parts = [_text(_LEFT, bottom + 38, across, "note")]
        for part in (0, 0.25, 0.5, 0.75, 1):
            y = self.y(part * self.highest)
            parts.append(_segment("grid" if part else "axis", _LEFT, y, _WIDTH - _RIGHT, y))
            parts.append(_text(_LEFT - 8, y + 4, number(part * self.highest), "tick", "end"))
        ticks = sorted({x for x, _ in points})
        return parts + [
            _text(self.x(v), bottom + 18, grouped(round(v)), "tick", "middle") for v in ticks
        ]

    def line(self, place: int, entry: Line) -> list[str]:
        spots = [(self.x(x), self.y(y)) for x, y in entry.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        dots = [f'<circle class="d{place}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in spots]
        legend = _HEAD + 12 + place * 20
        return [
            f'<polyline class="line s{place}" points="{path}"/>',
            *dots,
            f'<circle class="d{place}" cx="{_WIDTH - _RIGHT + 20}" cy="{legend}" r="5"/>',
            _text(_WIDTH - _RIGHT + 32, legend + 4.5, entry.label, "label"),
        ]
