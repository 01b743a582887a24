"""The live display of a terminal, drawn by rich."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich import box, live
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from . import tally
from .role import printable
from .screen import Top, rate

#: Frames a second: more would take time from the workers.
FRAMES = 8


class Live:
    """A progress bar, what each worker has done, and the most frequent identifiers so far."""

    def __init__(self, files: int) -> None:
        self._console = Console(highlight=False)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", style="cyan"),
            TimeElapsedColumn(),
            console=self._console,
            expand=True,
        )
        self._together = self._bar.add_task("pipeline", total=files, rate="")
        self._alone = self._bar.add_task(
            "one process", total=files, rate="", visible=False, start=False
        )
        self._live = live.Live(self._bar, console=self._console, refresh_per_second=FRAMES)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the display."""
        self._console.print(Text(printable(line)))

    def show(self, progress: tally.Progress, top: Top, seconds: float) -> None:
        """Redraw, at the next frame."""
        self._bar.update(
            self._together, completed=progress["files"], rate=rate(progress["size"], seconds)
        )
        tables = Table.grid(expand=True, padding=(0, 1))
        tables.add_row(_workers(progress), _identifiers(top, "so far"))
        self._live.update(Group(self._bar, tables))

    def compare(self, files: int, size: int, seconds: float) -> None:
        """Move the second bar."""
        if files == 1:
            self._live.update(self._bar)
            self._bar.start_task(self._alone)
        self._bar.update(self._alone, visible=True, completed=files, rate=rate(size, seconds))

    def conclude(self, top: Top) -> None:
        """Print the table above the bars, which stay as they are."""
        self._console.print(_identifiers(top, "in the end"))


def _workers(progress: tally.Progress) -> Panel:
    table = Table(box=None, show_header=False, expand=True)
    most = max(progress["workers"].values(), default=1)
    for name, files in sorted(progress["workers"].items()):
        table.add_row(name, Text("━" * round(24 * files / most), "green"), f"{files} files")
    return Panel(table, title="workers", box=box.ROUNDED)


def _identifiers(top: Top, when: str) -> Panel:
    table = Table(box=None, show_header=False, expand=True)
    table.add_column()
    table.add_column(justify="right", style="cyan")
    for name, number in top:
        table.add_row(Text(name), f"{number:,}")
    return Panel(table, title=f"most frequent {when}", box=box.ROUNDED)
