"""Random programs of sockets, calls, cancellations and closings keep every promise.

What is checked is said in `fuzz.programs`; each failure names its seed, and
``python -m fuzz.programs --seed … --transport … --programs 1`` repeats it.
"""

from __future__ import annotations

import secrets
from typing import Final

import pytest

from fuzz.programs.chance import MODES, PAIRS, TRANSPORTS, Transport
from fuzz.programs.program import Program
from fuzz.programs.user import calls_of, every_call
from trio_mq.lowlevel import CheckpointMode

#: Programs over each transport in an ordinary run, and the first seed.
PROGRAMS: Final = 20
FIRST: Final = 200
#: And in a thorough one, with seeds of their own.
THOROUGH_PROGRAMS: Final = 1500


def seeds(config: pytest.Config) -> range:
    """Return the seeds of a run: the same in each ordinary one."""
    if config.getoption("--hypothesis-profile") == "thorough":
        first = secrets.randbelow(1 << 32)
        return range(first, first + THOROUGH_PROGRAMS)
    return range(FIRST, FIRST + PROGRAMS)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_random_program_breaks_no_promise(
    pytestconfig: pytest.Config, transport: Transport
) -> None:
    """In both checkpoint modes, one after the other."""
    for seed in seeds(pytestconfig):
        Program(seed, transport, MODES[seed % 2]).run()


@pytest.mark.parametrize("transport", ["inproc", "network", "curve"])
@pytest.mark.parametrize("mode", MODES)
def test_in_memory_the_same_seed_is_the_same_program(
    transport: Transport, mode: CheckpointMode
) -> None:
    """To the last step, in spite of virtual time and random scheduling."""
    for seed in (7, 8):
        one, other = (Program(seed, transport, mode, trace=True).run() for _ in range(2))
        assert one.trace.lines() == other.trace.lines()


def test_the_programs_use_every_call() -> None:
    """A call that is never chosen is never checked."""
    chosen = {
        call for pair in PAIRS for one, other in (pair, pair[::-1]) for call in calls_of(one, other)
    }
    assert chosen == every_call()
