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
from chaos.pipeline import disconnecting, pipeline
from chaos.proxying import proxying
from chaos.publishing import publishing
from chaos.requests import requests

Scenario: TypeAlias = Callable[[random.Random, float], Awaitable[str]]

SCENARIOS: Final[dict[str, Scenario]] = {
    "pipeline": pipeline,
    "disconnecting": disconnecting,
    "requests": partial(requests, correlate=None, binds=False),
    "requests-of-a-bound-req": partial(requests, correlate=None, binds=True),
    "plain-requests": partial(requests, correlate=False, binds=False),
    "correlated-requests": partial(requests, correlate=True, binds=True),
    "publishing": publishing,
    "proxying": proxying,
}
#: Seconds of trouble in one run of a scenario; counting afterwards comes on top.
_TROUBLE: Final = 20.0


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of trouble, in all")
    parser.add_argument("--seed", type=int, help="of the first run; chance without it")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        parser.error(f"{', '.join(unknown)} is none of {', '.join(SCENARIOS)}")
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    run(arguments.scenarios or list(SCENARIOS), seed, 60 * arguments.minutes)


def run(names: list[str], seed: int, seconds: float) -> None:
    """Run scenarios in turn: each once in what time there is, and again if there is more."""
    trio_mq.lowlevel.set_debug(True)
    trouble = min(_TROUBLE, seconds / len(names))
    for name in itertools.islice(itertools.cycle(names), max(len(names), int(seconds / trouble))):
        begin = time.monotonic()
        try:
            told = trio.run(SCENARIOS[name], random.Random(seed), trouble)
        except BaseException:
            print(f"FAILED: python -m chaos --seed {seed} {name}", flush=True)
            raise
        print(f"{name}, seed {seed}, {time.monotonic() - begin:.0f} s: {told}", flush=True)
        seed += 1


if __name__ == "__main__":
    main()
