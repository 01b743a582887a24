"""No test sleeps: it waits for an event, or the clock is a virtual one, or there is a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent
#: What makes a clock virtual, for the tests of a file or its helpers.
VIRTUAL: Final = ("autojump_clock", "mq_network", "MockClock", "explore(")
#: Files that sleep by the clock of the system, and why each has to.
REASONS: Final = {
    "cancellation/test_interrupted_calls.py": "an interrupt that a protected line has held back",
    "cli/test_relay.py": "looks for lines in the file of another process",
    "hostile/strangers.py": "a process of its own, which comes again and again",
    "interop/vanishing.py": "longer than the kernel waits for a host that has vanished",
    "hostile/test_greeting.py": "a stranger that sends a byte now and then: its pace is the case",
    "transports/test_ipc_paths.py": "tasks that come and go in a random order",
    "test_guide_processes.py": "Redis tells nobody that a stream is empty",
}


def sleepers() -> dict[str, bool]:
    """Return the files that sleep, and whether their clock is a virtual one."""
    found = {}
    for path in ROOT.rglob("*.py"):
        source = path.read_text("utf-8")
        if path != Path(__file__) and re.search(r"\b(trio|time)\.sleep\(", source):
            name = path.relative_to(ROOT).as_posix()
            found[name] = any(word in source for word in VIRTUAL)
    return found


def test_who_sleeps_by_the_clock_of_the_system_has_a_reason() -> None:
    """And whoever has one still sleeps."""
    found = sleepers()
    assert [name for name, virtual in found.items() if not virtual and name not in REASONS] == []
    assert REASONS.keys() <= found.keys()
