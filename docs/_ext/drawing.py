"""Draws a diagram from a few lines of text, as an SVG in the colours of the reader's theme.

The text has two parts with an empty line between them. The first has a line for each row of
boxes; a ``|`` parts the boxes of a row, and what follows a ``/`` is written smaller below the
name. The second has a line for each arrow::

    ventilator / Push
    worker 1 / Pull | worker 2 / Pull

    ventilator -> worker 1: task
    ventilator -> worker 2

``->`` is an arrow, ``<->`` has two heads, ``--`` has none, and ``~>`` is dashed. An arrow between
boxes that are not neighbours goes round those in between.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Final
from xml.sax.saxutils import escape

import attrs

_LETTER: Final = 7.6
_SMALL_LETTER: Final = 6.4
_BOX_HEIGHT: Final = 46
_ACROSS, _DOWN = 40.0, 58.0
_MARGIN: Final = 12.0
#: How far beyond all boxes an arrow goes that goes round them.
_ROUND: Final = 22.0
_EDGE: Final = re.compile(r"(?P<start>.+?) (?P<kind><->|->|--|~>) (?P<end>[^:]+)(: (?P<label>.+))?")


@attrs.frozen(eq=False)
class Box:
    """A box: what is written in it, and where its middle is."""

    name: str
    note: str
    row: int
    column: int
    x: float
    y: float
    width: float

    def border_towards(self, other: Box) -> tuple[float, float]:
        """Return the point of the border that lies on the line to the middle of another box."""
        dx, dy = other.x - self.x, other.y - self.y
        reach = min(
            self.width / 2 / abs(dx) if dx else float("inf"),
            _BOX_HEIGHT / 2 / abs(dy) if dy else float("inf"),
        )
        return self.x + dx * reach, self.y + dy * reach

    def svg(self) -> Iterator[str]:
        """Yield the rectangle and its text."""
        left, top = self.x - self.width / 2, self.y - _BOX_HEIGHT / 2
        size = f'width="{self.width:.0f}" height="{_BOX_HEIGHT}" rx="6"'
        yield f'<rect x="{left:.1f}" y="{top:.1f}" {size}/>'
        yield _text(self.x, self.y + (-2 if self.note else 5), self.name, "name")
        if self.note:
            yield _text(self.x, self.y + 14, self.note, "note")


@attrs.frozen(eq=False)
class Edge:
    """An arrow between two boxes."""

    start: Box
    end: Box
    kind: str
    label: str

    @property
    def goes_round(self) -> bool:
        """Other boxes lie in between."""
        rows = abs(self.start.row - self.end.row)
        columns = abs(self.start.column - self.end.column)
        return rows > 1 or (rows == 0 and columns > 1)

    def svg(self, right: float) -> Iterator[str]:
        """Yield the line and its label; ``right`` is beyond all boxes."""
        heads = 'marker-end="url(#head)"' if ">" in self.kind else ""
        heads += ' marker-start="url(#head)"' if "<" in self.kind else ""
        dashes = ' stroke-dasharray="5 4"' if "~" in self.kind else ""
        path, x, y = self._round(right) if self.goes_round else self._straight()
        yield f'<path d="{path}" {heads}{dashes}/>'
        if self.label:
            # What lies behind, so that no line crosses the words.
            width = len(self.label) * _SMALL_LETTER
            place = f'x="{x - width / 2:.1f}" y="{y - 12:.1f}"'
            yield f'<rect class="back" {place} width="{width:.0f}" height="16"/>'
            yield _text(x, y, self.label, "label")

    def _straight(self) -> tuple[str, float, float]:
        x1, y1 = self.start.border_towards(self.end)
        x2, y2 = self.end.border_towards(self.start)
        above = 6 if self.start.row == self.end.row else -4
        return f"M{x1:.1f},{y1:.1f} L{x2:.1f},{y2:.1f}", (x1 + x2) / 2, (y1 + y2) / 2 - above

    def _round(self, right: float) -> tuple[str, float, float]:
        if self.start.row == self.end.row:
            top = self.start.y - _BOX_HEIGHT / 2
            bend = top - 44
            ends = f"M{self.start.x:.1f},{top} C{self.start.x:.1f},{bend} {self.end.x:.1f},{bend}"
            return f"{ends} {self.end.x:.1f},{top}", (self.start.x + self.end.x) / 2, top - 38
        start, end, apex = self.start, self.end, right + _ROUND
        x1, x2 = start.x + start.width / 2, end.x + end.width / 2
        # Half-way a cubic curve has come three quarters of the way to where it bends.
        bend = (apex - (x1 + x2) / 8) * 4 / 3
        curve = f"M{x1:.1f},{start.y} C{bend},{start.y} {bend},{end.y} {x2:.1f},{end.y}"
        middle = apex + 8 + len(self.label) * _SMALL_LETTER / 2
        return curve, middle, (start.y + end.y) / 2 + 4


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def draw(lines: Iterable[str], title: str) -> str:
    """Return the picture as SVG, to be put into a page; its colours come from the page's style.

    Raises:
        ValueError: A line can't be read, or an arrow names a box that there is not.
    """
    rows, edges = _parts([line.strip() for line in lines])
    boxes = _boxes(rows, edges)
    named = {box.name: box for box in boxes}
    arrows = [_edge(line, named) for line in edges]
    right = max(box.x + box.width / 2 for box in boxes)
    parts = [part for arrow in arrows for part in arrow.svg(right)]
    parts += [part for box in boxes for part in box.svg()]
    above = 40 if any(a.goes_round and a.start.row == a.end.row == 0 for a in arrows) else 0
    beside = _beside(arrows)
    width = right + _MARGIN + beside
    height = max(box.y for box in boxes) + _BOX_HEIGHT / 2 + _MARGIN
    return (
        f'<svg class="diagram" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}" '
        f'viewBox="0 {-above} {width:.0f} {height + above:.0f}" width="{width:.0f}">'
        f"{_HEAD}{''.join(parts)}</svg>"
    )


_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0,0 L10,5 L0,10 z"/>'
    "</marker></defs>"
)


def _parts(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the rows, and the lines that describe arrows."""
    groups = [list(group) for full, group in itertools.groupby(lines, key=bool) if full]
    if len(groups) not in (1, 2):
        raise ValueError(f"a diagram is rows, an empty line, and arrows, not {len(groups)} parts")
    return groups[0], groups[1] if len(groups) == 2 else []


def _gap(rows: list[list[str]], edges: list[str]) -> float:
    """Return the room between neighbours, in which the labels of their arrows must find place."""
    found = [match for match in map(_EDGE.fullmatch, edges) if match and match["label"]]
    labels = [
        len(match["label"])
        for match in found
        if any({match["start"].strip(), match["end"].strip()} <= set(row) for row in rows)
    ]
    return max(_ACROSS, max(labels, default=0) * _SMALL_LETTER + 28)


def _beside(arrows: list[Edge]) -> float:
    """Return the room at the right that arrows need which go round."""
    labels = [len(a.label) for a in arrows if a.goes_round and a.start.row != a.end.row]
    return _ROUND + 8 + max(labels) * _SMALL_LETTER if labels else 0


def _boxes(rows: list[str], edges: list[str]) -> list[Box]:
    """Place each row in the middle, below the last one."""
    cells = [[_cell(text) for text in row.split("|")] for row in rows]
    widths = _in_columns([[_width(name, note) for name, note in row] for row in cells])
    gap = _gap([[name for name, _ in row] for row in cells], edges)
    totals = [sum(row) + gap * (len(row) - 1) for row in widths]
    boxes = []
    for number, (row, row_widths, total) in enumerate(zip(cells, widths, totals, strict=True)):
        left = _MARGIN + (max(totals) - total) / 2
        y = _MARGIN + _BOX_HEIGHT / 2 + number * (_BOX_HEIGHT + _DOWN)
        for column, ((name, note), width) in enumerate(zip(row, row_widths, strict=True)):
            boxes.append(Box(name, note, number, column, left + width / 2, y, width))
            left += width + gap
    return boxes


def _in_columns(rows: list[list[float]]) -> list[list[float]]:
    """Give the boxes of a column one width, among rows of as many boxes."""
    alike: dict[int, list[list[float]]] = {}
    for row in rows:
        alike.setdefault(len(row), []).append(row)
    columns = {number: [max(c) for c in zip(*same, strict=True)] for number, same in alike.items()}
    return [columns[len(row)] for row in rows]


def _cell(text: str) -> tuple[str, str]:
    name, _, note = text.partition("/")
    return name.strip(), note.strip()


def _width(name: str, note: str) -> float:
    return max(84.0, len(name) * _LETTER + 26, len(note) * _SMALL_LETTER + 22)


def _edge(line: str, boxes: dict[str, Box]) -> Edge:
    found = _EDGE.fullmatch(line)
    if found is None:
        raise ValueError(f"no arrow: {line!r}; write 'one -> other: label'")
    start, end = found["start"].strip(), found["end"].strip()
    for name in (start, end):
        if name not in boxes:
            raise ValueError(f"{line!r} names {name!r}; the boxes are {', '.join(boxes)}")
    return Edge(boxes[start], boxes[end], found["kind"], found["label"] or "")
