"""What README and documentation say of speed agrees with the figures that were measured.

Whoever measures anew and gets other figures finds here which sentences have to change.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

import attrs
import pytest

from benchmarks.report import Report
from benchmarks.works import WORKS

ROOT: Final = Path(__file__).parent.parent.parent
REPORT: Final = Report.load(ROOT / "benchmarks" / "results" / "comparison.jsonl")
MEASURES: Final = {work.name: work.measures[0] for work in WORKS}
README: Final = "README.md"
FRONT: Final = "docs/index.rst"
PERFORMANCE: Final = "docs/explanation/performance.rst"


@attrs.frozen
class Claim:
    """A sentence, and the ratio that it is about: ours to theirs, within bounds."""

    file: str
    sentence: str
    work: str
    theirs: str
    bounds: tuple[float, float]
    ours: str = "trio_mq_each"

    def __str__(self) -> str:
        """Name it in reports of pytest."""
        return f"{self.sentence} ({self.work}, {self.theirs})"


def about(ratio: float) -> tuple[float, float]:
    """Return bounds around a ratio that is said as a number."""
    return ratio * 0.8, ratio * 1.25


def at_least(ratio: float) -> tuple[float, float]:
    """Return bounds for what is said to be no less."""
    return ratio, math.inf


LESS: Final = (0.0, 1.0)
LEVEL: Final = (0.9, 1.1)


SMALL, LARGE = "push-pull/tcp/16", "push-pull/tcp/1048576"
CLAIMS: Final = [
    Claim(
        README,
        "ten times as fast as pyzmq's asyncio for small messages",
        SMALL,
        "pyzmq_asyncio",
        at_least(10),
    ),
    Claim(
        README,
        "blocking calls in batches",
        SMALL,
        "pyzmq_blocking",
        at_least(1),
        ours="trio_mq_many",
    ),
    Claim(README, "with large messages", LARGE, "pyzmq_blocking", at_least(1.3)),
    Claim(README, "level with them in single", "req-rep/one", "pyzmq_blocking", LEVEL),
    Claim(README, "and in publishing", "pub-sub/all/10", "pyzmq_blocking", LEVEL),
    Claim(README, "A hundred requests at once still cost", "req-rep/100", "pyzmq_blocking", LESS),
    Claim(FRONT, "A hundred requests at once cost", "req-rep/100", "pyzmq_blocking", LESS),
    Claim(PERFORMANCE, "runs at 0.8 of pyzmq's blocking", SMALL, "pyzmq_blocking", about(0.8)),
    Claim(
        PERFORMANCE,
        "run at twice their rate",
        SMALL,
        "pyzmq_blocking",
        about(2),
        ours="trio_mq_many",
    ),
    Claim(PERFORMANCE, "more than ten times pyzmq's asyncio", SMALL, "pyzmq_asyncio", at_least(10)),
    Claim(
        PERFORMANCE, "more than 50 times the other bindings", SMALL, "zmq_anyio_trio", at_least(50)
    ),
    Claim(PERFORMANCE, "more than 50 times the other bindings", SMALL, "pynng_trio", at_least(50)),
    Claim(
        PERFORMANCE,
        "ahead where a message has five frames",
        "push-pull/tcp/5x16",
        "pyomq_asyncio",
        LESS,
    ),
    Claim(
        PERFORMANCE,
        "move at 2.8 (64 KiB)",
        "push-pull/tcp/65536",
        "pyzmq_blocking",
        about(2.8),
    ),
    Claim(PERFORMANCE, "1.7 (1 MiB)", LARGE, "pyzmq_blocking", about(1.7)),
    Claim(PERFORMANCE, "are level with blocking pyzmq", "req-rep/one", "pyzmq_blocking", LEVEL),
    Claim(PERFORMANCE, "run at 1.4 of its asyncio", "req-rep/one", "pyzmq_asyncio", about(1.4)),
    Claim(PERFORMANCE, "0.8 of a bare trio stream", "req-rep/one", "bare_trio", about(0.8)),
    Claim(
        PERFORMANCE,
        "at a quarter of blocking pyzmq's",
        "push-pull/curve/16",
        "pyzmq_blocking",
        about(1 / 4),
    ),
    Claim(
        PERFORMANCE,
        "1 KiB at two thirds",
        "push-pull/curve/1024",
        "pyzmq_blocking",
        about(2 / 3),
    ),
    Claim(
        PERFORMANCE,
        "large ones at three quarters",
        "push-pull/curve/65536",
        "pyzmq_blocking",
        about(3 / 4),
    ),
    Claim(
        PERFORMANCE,
        "large ones at three quarters",
        "push-pull/curve/1048576",
        "pyzmq_blocking",
        about(3 / 4),
    ),
    Claim(PERFORMANCE, "hundred clients (0.6)", "serve/100-clients", "pyzmq_blocking", about(0.6)),
    Claim(PERFORMANCE, "pyzmq a quarter of that", "closing/5000", "pyzmq_blocking", about(4)),
    Claim(PERFORMANCE, "level with a libzmq PUB", "pub-sub/all/10", "pyzmq_blocking", LEVEL),
    Claim(PERFORMANCE, "level with a libzmq PUB", "pub-sub/all/100", "pyzmq_blocking", LEVEL),
    Claim(PERFORMANCE, "0.59 of blocking pyzmq", "req-rep/100", "pyzmq_blocking", about(0.59)),
    Claim(PERFORMANCE, "four times its asyncio", "req-rep/100", "pyzmq_asyncio", about(4)),
    Claim(
        PERFORMANCE,
        "of a hundred moves half of libzmq's",
        "pub-sub/one-topic/100",
        "pyzmq_blocking",
        about(1 / 2),
    ),
]


def words(file: str) -> str:
    """Return a text as one line, without its marks for emphasis."""
    return " ".join((ROOT / file).read_text("utf-8").replace("*", "").split())


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_claim_stands_beside_its_figure(claim: Claim) -> None:
    """The sentence is there, and the stored ratio is what it says."""
    assert claim.sentence in words(claim.file)
    ours, theirs = (claim.work, claim.ours), (claim.work, claim.theirs)
    ratio = REPORT.ratio(ours, theirs, MEASURES[claim.work])
    assert ratio is not None
    low, high = claim.bounds
    assert low <= ratio.median <= high


#: Words with which nothing that is measured can keep up.
BOASTS: Final = re.compile(r"\b(fastest|faster than (any|every|all)|blazing|lightning)\b")


@pytest.mark.parametrize(
    "file",
    ["README.md", "pyproject.toml", "CHANGELOG.md", *ROOT.glob("docs/**/*.rst")],
    ids=lambda file: Path(file).name,
)
def test_nobody_boasts(file: str) -> None:
    """There is always a work in which another library is ahead."""
    found = BOASTS.findall(words(file))
    assert found == []
