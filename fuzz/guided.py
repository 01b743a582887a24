"""Runs a fuzzing target: guided by atheris where that is installed, by chance alone elsewhere.

With atheris the arguments are those of libFuzzer (``-max_total_time=600``), which gets the target's
corpus. Without it the argument is the number of inputs, made from the corpus.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Final, TypeAlias

Check: TypeAlias = Callable[[bytes], None]

_READERS: Final = ("trio_mq.zmtp", "trio_mq.auth", "trio_mq._transports.endpoint")

CORPUS: Final = Path(__file__).parent / "corpus"


def seeds(target: str) -> list[bytes]:
    """Return the inputs that the corpus has for a target."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def damaged(good: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Yield inputs without end: those, changed in a few places, cut short, doubled, or random."""
    while True:
        data = bytearray(rng.choice(good))
        for _ in range(rng.choice((0, 1, 1, 2, 8))):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        end = rng.choice((len(data), len(data), rng.randrange(len(data) + 1)))
        more = rng.choice((b"", b"", rng.randbytes(rng.randrange(20)), bytes(data)))
        yield bytes(data[:end]) + more


def run(check: Check, inputs: Iterator[bytes], count: int) -> None:
    """Try so many inputs; show the one that breaks the invariant."""
    for _, data in zip(range(count), inputs, strict=False):
        try:
            check(data)
        except BaseException:
            sys.stderr.write(f"input: {data.hex()}\n")
            raise


def _functions() -> list[FunctionType]:
    """Return those that read what peers and people say: all others would only take time."""
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and (each.__module__ or "").startswith(_READERS)
    ]


def main(target: str, check: Check) -> None:
    """Run as the command line says."""
    if importlib.util.find_spec("atheris") is None:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
        run(check, damaged(seeds(target), random.Random(0)), count)
        return
    atheris = importlib.import_module("atheris")
    for function in _functions():
        atheris.instrument_func(function)
    # What is found new goes into the first folder.
    found = Path("build") / "fuzz" / target
    found.mkdir(parents=True, exist_ok=True)
    atheris.Setup([*sys.argv, str(found), str(CORPUS / target)], check)
    atheris.Fuzz()
