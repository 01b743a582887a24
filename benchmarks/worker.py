"""One process of a measurement: ``python -m benchmarks.worker PEER ROLE JOB``."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from .job import Job, Role, wait_for_go


def role_of(module: ModuleType, name: str) -> Role:
    """Return what a peer's module does in that role."""
    roles: dict[str, Role] = module.ROLES
    return roles[name]


def main() -> None:
    """Prepare everything that takes time, then wait for our turn."""
    peer, role, text = sys.argv[1:]
    job = Job.from_json(text)
    if job.core is not None:
        os.sched_setaffinity(0, {job.core})
    play = role_of(importlib.import_module(f"benchmarks.peers.{peer}"), role)
    wait_for_go()
    play(job)


if __name__ == "__main__":
    main()
