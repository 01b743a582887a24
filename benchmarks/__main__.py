"""Compare the speed of trio_mq with that of other libraries.

Without arguments: everything, which takes about 15 minutes; the figures go to a file, from which
the documentation draws its charts and its table.
"""

from __future__ import annotations

import argparse
import datetime as dt
import fnmatch
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from benchmarks import machine, regression
from benchmarks.peers import PEERS
from benchmarks.report import Circumstances, Report
from benchmarks.runner import Plan, run_work
from benchmarks.table import goals_table, work_table
from benchmarks.works import WORKS, Work

#: The comparison that the documentation shows.
RESULT: Final = Path(__file__).resolve().parent / "results" / "comparison.jsonl"
#: Where every other run leaves its figures.
LAST: Final = Path(__file__).parent.parent / "build" / "benchmarks" / "last.jsonl"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: a few works, briefly")
    parser.add_argument(
        "--check",
        action="store_true",
        help="fail if a ratio is much worse than in ratios.json (implies --quick, without --only)",
    )
    parser.add_argument("--only", metavar="PATTERN", help="works by name, such as 'push-pull/*'")
    parser.add_argument("--peers", metavar="NAMES", help="only these libraries, with commas")
    parser.add_argument("--repetitions", type=int, metavar="N", help="of each measurement")
    parser.add_argument("--seconds", type=float, metavar="S", help="that a measurement takes")
    parser.add_argument(
        "--cores",
        choices=("own", "any"),
        help="whether each end has a core of its own; without it, as each work says",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    parser.add_argument("--merge", action="store_true", help="keep other works already in FILE")
    parser.add_argument("--accept", action="store_true", help="store the ratios for --check")
    parser.add_argument("--list", action="store_true", help="only name the works and libraries")
    return parser.parse_args(arguments)


def chosen_works(options: argparse.Namespace) -> list[Work]:
    """Return the works that were asked for, with the libraries that were asked for."""
    quick = options.quick or (options.check and not options.only)
    chosen = [
        work
        for work in WORKS
        if (not quick or work.quick) and fnmatch.fnmatch(work.name, options.only or "*")
    ]
    if options.cores:
        return [attrs.evolve(work, apart=options.cores == "own") for work in chosen]
    return chosen


def is_whole(options: argparse.Namespace) -> bool:
    """Tell whether this run is the one that the documentation shows."""
    some = options.quick or options.check or options.only or options.peers
    return not (some or options.cores)


def plan_for(options: argparse.Namespace, earlier: Report | None) -> Plan:
    """Return how thorough this run is."""
    # A check decides something, so it takes longer than a look.
    repetitions, seconds = (5, 0.3) if options.check else (3, 0.15) if options.quick else (5, 0.25)
    return Plan(
        repetitions=options.repetitions or repetitions,
        seconds=options.seconds or seconds,
        progress=_show_progress,
        earlier=earlier,
        peers=frozenset(options.peers.split(",")) if options.peers else frozenset(PEERS),
    )


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


async def compare(works: Sequence[Work], plan: Plan, earlier: Report | None) -> Report:
    """Run the works one after the other, and print what was found about each."""
    report = Report(
        machine=machine.describe(),
        versions=machine.versions(PEERS.values()),
        circumstances=earlier.circumstances if earlier else {},
        outcomes=earlier.outcomes if earlier else {},
    )
    for work in works:
        how = Circumstances(
            date=dt.datetime.now(dt.UTC).date().isoformat(),
            revision=report.versions["trio_mq"],
            repetitions=plan.repetitions,
            seconds=plan.seconds,
            load=round(os.getloadavg()[0], 2),
        )
        report = report.including(work.name, await run_work(work, plan), how)
        _show_progress("")
        print(work_table(report, work), end="\n\n", flush=True)
    return report


def load(path: Path) -> Report | None:
    """Return a stored report, if there is one."""
    return Report.load(path) if path.exists() else None


def verdict(report: Report) -> int:
    """Print what has become slower, and return the exit code."""
    stored = regression.load()
    worse = regression.regressions(report, stored)
    for sentence in worse:
        print(f"slower than before: {sentence}")
    number = regression.compared(report, stored)
    print(f"{number} ratios compared with {regression.STORED.name}, {len(worse)} are worse")
    return 1 if worse or not number else 0


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says, and return the exit code."""
    options = parse(arguments)
    target: Path = options.json or (RESULT if is_whole(options) else LAST)
    if options.list:
        for work in chosen_works(options):
            print(f"{work.name:28} {' '.join(work.peers) or '-'}")
        return 0
    if options.check and not regression.load():
        print(f"nothing to compare with: store ratios in {regression.STORED} with --accept first")
        return 2
    kept = load(target) if options.merge else None
    report = trio.run(compare, chosen_works(options), plan_for(options, load(RESULT)), kept)
    report.save(target)
    if options.accept:
        regression.accept(report)
    print(goals_table(report))
    print(f"\nthe figures are in {target}")
    return verdict(report) if options.check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
