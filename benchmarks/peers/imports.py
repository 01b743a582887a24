"""How long a fresh Python needs to import each library, itself already started."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from benchmarks.job import Job, Role, finish

_MODULES: Final = {
    # Its names are loaded when the first is asked for.
    "trio_mq_each": "trio_mq; trio_mq.Push",
    "pyzmq_blocking": "zmq",
    "pyzmq_asyncio": "zmq.asyncio",
    "zmq_anyio_trio": "zmq_anyio, trio",
    "pynng_trio": "pynng, trio",
    "pyomq_blocking": "pyomq",
    "pyomq_asyncio": "pyomq.asyncio",
    "bare_trio": "trio",
}


def _importer(modules: str) -> Role:
    program = (
        f"import time; t = time.perf_counter(); import {modules}; print(time.perf_counter() - t)"
    )

    def role(_: Job) -> None:
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        )
        finish({"seconds_each": float(answer.stdout)})

    return role


ROLES: Final[dict[str, Role]] = {peer: _importer(modules) for peer, modules in _MODULES.items()}
