"""What one worker process is told to do, and how it talks with the process that started it.

A worker is started with a peer, a role and a `Job`. It begins when a line arrives on its standard
input, says ``ready`` in a line of its standard output when the next worker may begin, reports its
figures in one line of JSON, and keeps its sockets open until its input ends: no library loses the
tail of its messages for having been closed early, and nobody sleeps.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

#: What a worker measured: names and numbers.
Figures: TypeAlias = Mapping[str, float]

READY: Final = "ready"
_FIGURES_PREFIX: Final = "figures "


@attrs.frozen(kw_only=True)
class Job:
    """The parameters of one worker; each role reads those that mean something to it."""

    #: Where the server of this measurement binds, and its clients connect.
    endpoint: str = ""
    #: A second one, for work that needs it.
    second_endpoint: str = ""
    #: How often every payload of the ring is sent (see `loops.ring`).
    rounds: int = 1
    #: Bytes of one frame, and frames of one message.
    size: int = 16
    frames: int = 1
    #: Requests on their way at once, or publishes and sends in one call.
    concurrency: int = 1
    #: Subscribers or connections.
    connections: int = 1
    #: Subscriptions of each subscriber that match nothing.
    idle_subscriptions: int = 0
    #: Whether each subscriber wants one topic in a hundred, instead of all.
    one_topic: bool = False
    #: Whether the connection is under CURVE instead of in the clear.
    curve: bool = False
    #: The processor core that this worker keeps to, with all its threads; ``None``: any.
    core: int | None = None

    def to_json(self) -> str:
        """Return what `from_json` takes."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Return the job that ``to_json`` of another process described."""
        return cls(**json.loads(text))


#: A role of a peer: does its part of the measurement, and calls `finish` with what it measured.
Role: TypeAlias = Callable[[Job], None]


@attrs.define
class _Processor:
    """The time that this process had computed, on all its threads, when its part began."""

    before: float = 0.0

    def seconds(self) -> float:
        return time.process_time() - self.before


_PROCESSOR: Final = _Processor()


def wait_for_go() -> None:
    """Wait until the worker before us is ready."""
    sys.stdin.readline()
    _PROCESSOR.before = time.process_time()


def ready() -> None:
    """Let the next worker of the measurement begin."""
    print(READY, flush=True)


def finish(figures: Figures) -> None:
    """Report, then wait until every worker of the measurement has: only now may sockets close."""
    everything = {**figures, "cpu_seconds": _PROCESSOR.seconds()}
    print(_FIGURES_PREFIX + json.dumps(everything), flush=True)
    sys.stdin.read()


def parse_report(line: str) -> Figures | None:
    """Return the figures in a line that a worker wrote, if it is that line."""
    if not line.startswith(_FIGURES_PREFIX):
        return None
    figures: Figures = json.loads(line.removeprefix(_FIGURES_PREFIX))
    return figures


def resident_bytes() -> int:
    """Return how much memory this process occupies now."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # read in hot spots
        return int(statm.read().split()[1]) * resource.getpagesize()


def descriptors_wanted(number: int) -> None:
    """Raise the soft limit of open files, if it is too low for that many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number + 100, hard), hard))
