"""The guards around every test do their work: each is given a bad test, in a pytest of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def outcome_of(source: str, folder: Path) -> str:
    """Run a test file under the guards of this folder, and return what pytest says about it."""
    shutil.copy(HERE / "conftest.py", folder)
    # What that imports.
    (folder / "tests").mkdir()
    for module in ("slices.py", "descriptors.py"):
        shutil.copy(HERE / module, folder / "tests")
    shutil.copy(HERE.parent / "pyproject.toml", folder)
    (folder / "test_bad.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", str(folder)]
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=60, cwd=folder
    )
    return done.stdout


def test_a_socket_that_is_left_open_fails_its_test(tmp_path: Path) -> None:
    """Also when something still holds it, so that there is no warning."""
    source = "import socket\nheld = []\ndef test_leak():\n    held.append(socket.socket())\n"
    assert "the test left 1 descriptors open" in outcome_of(source, tmp_path)


def test_a_test_that_hangs_is_ended_and_shown(tmp_path: Path) -> None:
    """The alarm, here an early one, names the task and the line where it waits."""
    source = (
        "import signal, trio\n"
        "async def test_hang():\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.1)\n"
        "    await trio.sleep_forever()\n"
    )
    said = outcome_of(source, tmp_path)
    assert "the test was still running" in said
    assert "test_bad.py:4" in said


def test_a_warning_fails_its_test(tmp_path: Path) -> None:
    """Warnings are errors, and a forgotten socket is a warning."""
    source = "import socket\ndef test_forgotten():\n    socket.socket()\n"
    assert "ResourceWarning" in outcome_of(source, tmp_path)


def test_a_good_test_passes(tmp_path: Path) -> None:
    """The guards let through what does nothing wrong."""
    assert "1 passed" in outcome_of("async def test_good():\n    pass\n", tmp_path)
