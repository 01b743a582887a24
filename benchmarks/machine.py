"""What the comparison ran on, and which versions it compared: figures mean nothing without."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers import Peer, installed_version


def describe() -> dict[str, str]:
    """Return what is worth knowing about this machine."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def versions(peers: Iterable[Peer]) -> dict[str, str]:
    """Return the version of everything that is compared, or that it is missing."""
    names = {"trio-mq", "trio"} | {name for peer in peers for name in peer.distributions}
    found = {name: installed_version(name) or "missing" for name in sorted(names)}
    if found.get("pyzmq", "missing") != "missing":
        import zmq  # noqa: PLC0415  # only if it is there

        found["libzmq"] = zmq.zmq_version()
    return found
