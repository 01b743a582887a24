"""The count of what a reader has to follow works, so that its figures can be taken again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_trip_is_counted() -> None:
    """Each leads through several files and calls, whatever the numbers are today."""
    command = [sys.executable, "-m", "benchmarks.trips"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(a .*\S) +(\d+) moves +(\d+) calls$", done.stdout, re.MULTILINE)
    assert len(rows) == 5, done.stdout
    assert all(int(moves) > 1 and int(calls) > 1 for _, moves, calls in rows), done.stdout
