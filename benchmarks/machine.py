"""What the comparison ran on, and which versions it compared: figures mean nothing without."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks.peers import Peer, installed_version

_HERE: Final = Path(__file__).parent


def describe() -> dict[str, str]:
    """Return what is worth knowing about this machine."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def versions(peers: Iterable[Peer]) -> dict[str, str]:
    """Return the version of everything that is compared, or that it is missing."""
    names = {"trio"} | {name for peer in peers for name in peer.distributions}
    found = {"trio_mq": _own_version()}
    found |= {name: installed_version(name) or "missing" for name in sorted(names)}
    if found.get("pyzmq", "missing") != "missing":
        import zmq  # noqa: PLC0415  # only if it is there

        found["libzmq"] = zmq.zmq_version()
    return found


def _own_version() -> str:
    """Return what is measured: the tree from which this runs, by its revision if it has one."""
    git = shutil.which("git")
    if git is not None:
        command = [git, "describe", "--always", "--dirty", "--tags"]
        answer = subprocess.run(command, capture_output=True, check=False, cwd=_HERE, text=True)
        if answer.returncode == 0:
            return f"revision {answer.stdout.strip()}"
    return installed_version("trio-mq") or "unknown"
