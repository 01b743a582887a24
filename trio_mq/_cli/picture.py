"""What ``trio-mq watch`` shows: a row for each socket, and under it its endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trio_mq.admin import Json

#: At most this many endpoints of a socket are shown.
_SHOWN: Final = 20


@attrs.frozen
class _View:
    """A part of an answer, read with care: it may come from another version."""

    data: Mapping[str, Json]

    def number(self, name: str) -> float:
        value = self.data.get(name)
        return float(value) if isinstance(value, (int, float)) else 0.0

    def text(self, name: str) -> str:
        # It has words of peers in it, which must not work as markup or as escape sequences.
        value = str(self.data.get(name, ""))
        return "".join(each if each.isprintable() else "?" for each in value)

    def part(self, name: str) -> _View:
        value = self.data.get(name)
        return _View(value if isinstance(value, dict) else {})

    def parts(self, name: str) -> Sequence[_View]:
        value = self.data.get(name)
        found = value if isinstance(value, list) else []
        return [_View(each) for each in found if isinstance(each, dict)]

    def total(self, name: str) -> float:
        value = self.data.get(name)
        counts = value.values() if isinstance(value, dict) else []
        return sum(each for each in counts if isinstance(each, (int, float)))


def picture(place: str, now: dict[str, Json], before: dict[str, Json] | None) -> Group:
    """Return what is shown: a row for each socket, and then a line for each endpoint.

    Args:
        place: Where these answers come from.
        now: The last answer.
        before: The answer before it, if rates are wanted.
    """
    table = Table("socket", expand=False)
    for name in ("peers", "out", "in", "waits out", "waits in", "peak", "dropped", "tasks"):
        table.add_column(name, justify="right")
    answer, earlier = _View(now), _View(before or {})
    known = {each.number("number"): each for each in earlier.parts("sockets")}
    seconds = answer.number("time") - earlier.number("time") if before else 0.0
    for socket in answer.parts("sockets"):
        table.add_row(*_row(socket, known.get(socket.number("number")), seconds))
    head = Text(f"{place}, process {answer.text('pid')}")
    lines = (line for socket in answer.parts("sockets") for line in _endpoints(socket))
    return Group(head, table, *lines)


def _row(socket: _View, before: _View | None, seconds: float) -> Iterator[str]:
    figures = socket.part("statistics")
    old = (before or socket).part("statistics")

    def rate(name: str) -> str:
        if seconds <= 0:
            return f"{figures.number(name):,.0f}"
        return f"{(figures.number(name) - old.number(name)) / seconds:,.0f}/s"

    yield escape(_name(socket))
    yield socket.text("peers_total")
    yield rate("written")
    yield rate("decoded")
    yield f"{figures.number('waiting_to_send'):,.0f}"
    yield f"{figures.number('waiting_to_receive'):,.0f}"
    peaks = ("peak_waiting_to_send", "peak_waiting_to_receive")
    yield f"{max(map(figures.number, peaks)):,.0f}"
    dropped = figures.total("dropped_outgoing") + figures.total("dropped_incoming")
    yield f"[red]{dropped:,.0f}[/]" if dropped else "0"
    yield f"{figures.number('tasks_waiting_send') + figures.number('tasks_waiting_receive'):,.0f}"


def _endpoints(socket: _View) -> Iterator[Text]:
    for endpoint in socket.parts("endpoints")[:_SHOWN]:
        state = endpoint.text("state")
        colour = {"connected": "green", "listening": "green", "failed": "red"}.get(state, "yellow")
        way = "bind" if endpoint.data.get("bound") else "connect"
        line = Text(f"{_name(socket)}  {way} {endpoint.text('endpoint')}  ", overflow="fold")
        line.append(state, colour)
        if endpoint.data.get("last_error"):
            line.append(f"  {endpoint.text('last_error')}", "dim")
        yield line


def _name(socket: _View) -> str:
    return f"{socket.text('type')} {socket.text('number')}"
