"""Runs the scenarios in turn: ``python -m chaos --minutes 5 --seed 7``."""

from __future__ import annotations

import argparse
import itertools
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import trio

import trio_mq
from chaos.explored import explored
from chaos.partitions import partitioned
from chaos.pipeline import disconnecting, pipeline
from chaos.proxying import proxying
from chaos.publishing import publishing
from chaos.requests import requests

Scenario: TypeAlias = Callable[[random.Random, float], Awaitable[str]]
#: Begins trio runs by itself.
Search: TypeAlias = Callable[[random.Random, float], str]

SCENARIOS: Final[dict[str, Scenario]] = {
    "pipeline": pipeline,
    "disconnecting": disconnecting,
    "requests": partial(requests, correlate=None, binds=False),
    "requests-of-a-bound-req": partial(requests, correlate=None, binds=True),
    "plain-requests": partial(requests, correlate=False, binds=False),
    "correlated-requests": partial(requests, correlate=True, binds=True),
    "publishing": publishing,
    "proxying": proxying,
    "partitioned-pipeline": partial(partitioned, what="pipeline"),
    "partitioned-requests": partial(partitioned, what="requests"),
}
SEARCHES: Final[dict[str, Search]] = {"explored": explored}
_NAMES: Final = [*SCENARIOS, *SEARCHES]
#: Seconds of trouble in one run of a scenario; counting afterwards comes on top.
_TROUBLE: Final = 20.0


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of trouble, in all")
    parser.add_argument("--seed", type=int, help="of the first run; chance without it")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(_NAMES))
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - set(_NAMES):
        parser.error(f"{', '.join(unknown)} is none of {', '.join(_NAMES)}")
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    run(arguments.scenarios or _NAMES, seed, 60 * arguments.minutes)


def run(names: list[str], seed: int, seconds: float) -> None:
    """Run scenarios in turn: each once in what time there is, and again if there is more."""
    trio_mq.lowlevel.set_debug(True)
    trouble = min(_TROUBLE, seconds / len(names))
    for name in itertools.islice(itertools.cycle(names), max(len(names), int(seconds / trouble))):
        begin = time.monotonic()
        try:
            told = _run_one(name, random.Random(seed), trouble)
        except BaseException:
            print(f"FAILED: python -m chaos --seed {seed} {name}", flush=True)
            raise
        print(f"{name}, seed {seed}, {time.monotonic() - begin:.0f} s: {told}", flush=True)
        seed += 1


def _run_one(name: str, chance: random.Random, seconds: float) -> str:
    if name in SEARCHES:
        return SEARCHES[name](chance, seconds)
    return trio.run(SCENARIOS[name], chance, seconds)


if __name__ == "__main__":
    main()
