"""How long a fresh Python needs to import each library, itself already started.

Each is imported twice and measured the second time, with the bytecode that the first has left, as
an installed library has it. Else the figure would be the compiler's, wherever a library is imported
from its sources and Python must not write beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


def _seconds(program: str, environment: Mapping[str, str]) -> float:
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **environment},
    )
    return float(answer.stdout)


def _importer(modules: str) -> Role:
    program = (
        f"import time; t = time.perf_counter(); import {modules}; print(time.perf_counter() - t)"
    )

    def role(_: Job) -> None:
        with tempfile.TemporaryDirectory() as bytecode:
            where = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
            _seconds(program, where)
            finish({"seconds_each": _seconds(program, where)})

    return role


ROLES: Final[dict[str, Role]] = {peer: _importer(modules) for peer, modules in _MODULES.items()}
