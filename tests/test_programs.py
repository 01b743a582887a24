"""A program that runs beside a test ends with it, also when the test can do nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.programs import ENVIRONMENT

ROOT = Path(__file__).parent.parent
#: A test with a program that starts another one. Both hold a pipe open and sleep for an hour.
TEST = """
import sys
import trio
from tests.programs import running

async def main():
    async with running("sh", "-c", f"exec >{sys.argv[1]}; sleep 3600 & echo there; wait"):
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main)
"""


def kill(test: subprocess.Popen[bytes], _: IO[bytes]) -> None:
    """Let it end as a test that hangs does at last."""
    test.send_signal(signal.SIGKILL)


def let_go(_: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """Let it come to its end."""
    said.close()


@pytest.mark.parametrize("end", [kill, let_go])
def test_nothing_that_a_test_has_started_outlives_it(
    end: Callable[[subprocess.Popen[bytes], IO[bytes]], None], tmp_path: Path
) -> None:
    """Neither the program nor what that has started."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = os.pathsep.join([str(ROOT), ENVIRONMENT["PYTHONPATH"]])
    command = [sys.executable, "-c", TEST, str(pipe)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, env={**ENVIRONMENT, "PYTHONPATH": path}, cwd=ROOT
    ) as test:
        assert test.stdin is not None
        with pipe.open("rb") as held:
            assert held.readline() == b"there\n"
            end(test, test.stdin)
            assert held.read() == b""  # nobody holds it any more
