"""What must be reached, and what is aimed at: ratios of two figures of one run."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from benchmarks.figures import Spread
from benchmarks.report import Report
from benchmarks.works import EACH, MANY, WORKS, Measure


class Verdict(enum.Enum):
    """How a goal stands."""

    AIM = "aim reached"
    MUST = "reached"
    MISSED = "MISSED"
    UNKNOWN = "not measured"


@attrs.frozen
class Goal:
    """A ratio that must be reached: what is ours over what it is held against."""

    title: str
    #: Work and library of the numerator, and of the denominator.
    ours: tuple[str, str]
    theirs: tuple[str, str]
    must: float
    aim: float
    #: Which measure of the works, by its place.
    place: int = 0
    #: Ratios of costs must stay below, ratios of rates above.
    at_most: bool = False

    @property
    def name(self) -> str:
        """What the stored ratios call it."""
        return f"{'/'.join(self.ours)} to {'/'.join(self.theirs)} ({self.measure.figure})"

    @property
    def measure(self) -> Measure:
        """The figure that is compared."""
        return next(work for work in WORKS if work.name == self.ours[0]).measures[self.place]

    def ratio(self, report: Report) -> Spread | None:
        """Return the ratio of each repetition: median and extremes."""
        return report.ratio(self.ours, self.theirs, self.measure)

    def verdict(self, report: Report) -> Verdict:
        """Return how the median stands to what must be and what is aimed at."""
        ratio = self.ratio(report)
        if ratio is None:
            return Verdict.UNKNOWN
        if self._reaches(ratio.median, self.aim):
            return Verdict.AIM
        return Verdict.MUST if self._reaches(ratio.median, self.must) else Verdict.MISSED

    def _reaches(self, ratio: float, wanted: float) -> bool:
        return ratio <= wanted if self.at_most else ratio >= wanted


def _against(work: str, peer: str, must: float, aim: float, ours: str = EACH) -> Goal:
    title = next(one for one in WORKS if one.name == work).title
    return Goal(title, (work, ours), (work, peer), must, aim)


def _flat(title: str, small: str, large: str) -> Goal:
    """Hold the rate with few against the rate with many: the cost of one message, as they grow."""
    return Goal(title, (small, EACH), (large, EACH), 1.5, 1.2, at_most=True)


_SMALL: Final = "push-pull/tcp/16"

GOALS: Final = (
    _against(_SMALL, "pyzmq_blocking", 0.7, 1.0),
    _against(_SMALL, "pyzmq_blocking", 1.7, 2.0, ours=MANY),
    _against(_SMALL, "pyzmq_asyncio", 8, 15),
    _against(_SMALL, "zmq_anyio_trio", 30, 60),
    _against(_SMALL, "pynng_trio", 50, 100),
    _against(_SMALL, "pyomq_asyncio", 1.5, 3),
    _against("push-pull/tcp/65536", "pyzmq_blocking", 1.3, 1.6),
    _against("push-pull/tcp/1048576", "pyzmq_blocking", 1.3, 1.6),
    _against("push-pull/curve/16", "pyzmq_blocking", 0.15, 0.25),
    _against("push-pull/curve/1024", "pyzmq_blocking", 0.3, 0.6),
    _against("push-pull/curve/65536", "pyzmq_blocking", 0.6, 1.0),
    _against("req-rep/one", "pyzmq_blocking", 0.75, 1.0),
    _against("req-rep/one", "pyzmq_asyncio", 2, 3),
    _against("req-rep/one", "bare_trio", 0.8, 0.95),
    _against("req-rep/100", "pyzmq_blocking", 0.6, 1.0),
    _against("serve/100-clients", "pyzmq_blocking", 0.6, 1.0),
    _against("serve/100-requests", "pyzmq_blocking", 0.6, 1.0),
    _against("pub-sub/all/10", "pyzmq_blocking", 0.9, 1.2),
    _against("pub-sub/all/100", "pyzmq_blocking", 0.95, 1.2),
    _against("push-pull/inproc/16", "bare_trio", 2, 6),
    Goal(
        "Connections that a ROUTER takes per second, of 2 000",
        ("connections/2000", EACH),
        ("connections/2000", "pyzmq_blocking"),
        0.5,
        1.0,
        place=1,
    ),
    Goal(
        "Memory per idle connection of a ROUTER",
        ("connections/10000", EACH),
        ("connections/10000", "pyzmq_blocking"),
        0.65,
        0.4,
        place=2,
        at_most=True,
    ),
    Goal(
        "Time to import trio_mq over that to import trio alone",
        ("start/import", EACH),
        ("start/import", "bare_trio"),
        1.75,
        1.5,
        at_most=True,
    ),
    _flat(
        "Cost of a message among 10 000 connections over that among 10",
        "connections/10",
        "connections/10000",
    ),
    _flat(
        "Cost of a publish with 100 000 subscriptions over that with 10",
        "subscriptions/10",
        "subscriptions/100000",
    ),
)
