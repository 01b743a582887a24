"""Runs random programs: ``python -m fuzz.programs --minutes 5``."""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator

import trio_mq
from fuzz.programs.chance import MODES, TRANSPORTS, Transport
from fuzz.programs.program import BrokenPromise, Program


def programs(first_seed: int, transports: list[Transport], *, trace: bool) -> Iterator[Program]:
    """Yield programs without end: each seed over each transport, in a mode of its own."""
    for seed in itertools.count(first_seed):
        for transport in transports:
            yield Program(seed, transport, MODES[seed % len(MODES)], trace)


def main() -> None:
    """Run, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.programs", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long at most")
    parser.add_argument("--programs", type=int, default=sys.maxsize, help="how many at most")
    parser.add_argument("--seed", type=int, help="of the first one; chance without it")
    parser.add_argument("--transport", choices=TRANSPORTS, help="all, one after the other")
    parser.add_argument("--keep-going", action="store_true", help="after a broken promise, too")
    parser.add_argument("--trace", action="store_true", help="say what led to a broken promise")
    arguments = parser.parse_args()
    first = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    transports = [arguments.transport] if arguments.transport else list(TRANSPORTS)
    sys.exit(run(first, transports, arguments))


def run(first: int, transports: list[Transport], arguments: argparse.Namespace) -> int:
    """Run programs within the bounds, and return how many broke a promise."""
    trio_mq.lowlevel.set_debug(True)
    end = time.monotonic() + 60 * arguments.minutes
    calls: Counter[str] = Counter()
    count = broken = 0
    every = programs(first, transports, trace=arguments.trace)
    for program in itertools.islice(every, arguments.programs):
        if time.monotonic() > end:
            break
        count += 1
        try:
            calls += program.run().calls
        except BrokenPromise as found:
            broken += 1
            print(f"BROKEN: {found}", flush=True)
            if not arguments.keep_going:
                raise
    print(f"{count} programs from seed {first} on, {broken} broke a promise")
    print(", ".join(f"{name} {number}" for name, number in sorted(calls.items())))
    return min(broken, 100)


if __name__ == "__main__":
    main()
