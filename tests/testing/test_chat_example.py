"""The how-to's chat room, tested as its page shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trio_mq

ROOT = Path(__file__).parents[2]


def test_the_tests_of_the_chat_room_pass() -> None:
    """Every snippet of the page is in the two files, and they run."""
    path = os.pathsep.join([str(Path(trio_mq.__file__).parent.parent), str(ROOT / "examples/chat")])
    environment = {**os.environ, "PYTHONPATH": path, "TRIO_MQ_DEBUG": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "trio_mq._pytest"]
    run = subprocess.run(
        [*command, "examples/chat/test_room.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert b"7 passed" in run.stdout, run.stdout.decode()
