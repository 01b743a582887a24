"""What the demonstration shows: a live display on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from .role import tell
from .tally import Progress

#: Identifiers with their numbers, the most frequent first.
Top: TypeAlias = Sequence[tuple[str, int]]

MEGABYTE = 1_000_000


class Screen(Protocol):
    """Where things are shown."""

    def say(self, line: str) -> None:
        """Show a line that stays."""

    def show(self, progress: Progress, top: Top, seconds: float) -> None:
        """Show how far the work is."""

    def compare(self, files: int, size: int, seconds: float) -> None:
        """Show how far the same work in one process is."""

    def conclude(self, top: Top) -> None:
        """Show the final table."""


class Tenths:
    """Tells when another tenth of the files is done."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._last = 0

    def passed(self, files: int) -> str | None:
        """Return how far that is, if it is another tenth."""
        tenths = 10 * files // self._files
        if tenths == self._last:
            return None
        self._last = tenths
        return f"{10 * tenths:3} %  {files} of {self._files} files"


class Lines:
    """Plain lines, one for every tenth of the work."""

    def __init__(self, files: int) -> None:
        self._together = Tenths(files)
        self._alone = Tenths(files)

    def say(self, line: str) -> None:
        """Print a line at once."""
        tell(line)

    def show(self, progress: Progress, top: Top, seconds: float) -> None:
        """Print a line when another tenth is done."""
        passed = self._together.passed(progress["files"])
        if passed:
            most_frequent = ", ".join(name for name, _ in top)
            self.say(f"{passed}, {rate(progress['size'], seconds)}, {most_frequent}")

    def compare(self, files: int, size: int, seconds: float) -> None:
        """Print a line when another tenth is done."""
        passed = self._alone.passed(files)
        if passed:
            self.say(f"{passed}, {rate(size, seconds)}, in one process")

    def conclude(self, top: Top) -> None:
        """Print the table."""
        for rank, (name, number) in enumerate(top, 1):
            self.say(f"{rank:4}  {number:9,}  {name}")


@contextmanager
def open_screen(files: int) -> Iterator[Screen]:
    """Open the display that suits what standard output is."""
    if not sys.stdout.isatty():
        yield Lines(files)
        return
    try:
        from .live import Live  # noqa: PLC0415  # rich may not be there
    except ModuleNotFoundError:
        lines = Lines(files)
        lines.say("(install rich for a live display)")
        yield lines
        return
    with Live(files) as live:
        yield live


def rate(size: int, seconds: float) -> str:
    """Return a speed in words."""
    return f"{size / MEGABYTE / max(seconds, 1e-9):.1f} MB/s"
