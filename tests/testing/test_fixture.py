"""The fixture, as pytest gives it to tests of other people's programs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import trio_mq

ROOT = Path(trio_mq.__file__).parent.parent
TEST = """
import trio
import trio_mq

async def test_an_hour(mq_network):
    start = trio.current_time()
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        trio_mq.Pull(bind="tcp://*:80", context=field) as pull,
        trio_mq.Push(connect="tcp://field:80", context=lab) as push,
    ):
        await push.send(b"a")
        await pull.receive()
        await trio.sleep(3600)
    assert {seed} == mq_network.seed
    assert trio.current_time() - start < {seconds}
"""


def run_pytest(folder: Path, test: str, *options: str) -> str:
    """Run a test as somebody else would, and return what pytest printed."""
    (folder / "test_it.py").write_text(test, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "trio_mq._pytest",
        "-q",
        "--rootdir=.",
        "test_it.py",
    ]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    # The test is to find the plugin of this tree, whatever is installed.
    run = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, check=False
    )
    return run.stdout.decode() + run.stderr.decode()


MARKED = "import pytest\n\npytestmark = [pytest.mark.trio, pytest.mark.mq_network(seed=5)]\n"


@pytest.mark.parametrize(
    ("header", "options", "seed"), [(MARKED, (), 5), ("", ("-o", "trio_mode=true"), 0)]
)
def test_it_works_with_pytest_trio_in_both_modes(
    tmp_path: Path, header: str, options: tuple[str, ...], seed: int
) -> None:
    """In virtual time, without asking for a clock; the marker chooses the seed."""
    test = header + TEST.format(seed=seed, seconds=3700)
    assert "1 passed" in run_pytest(tmp_path, test, *options)


def test_a_failed_test_shows_what_happened_in_the_network(tmp_path: Path) -> None:
    """With the seed that repeats it."""
    printed = run_pytest(tmp_path, MARKED + TEST.format(seed=5, seconds=0))
    assert "1 failed" in printed
    assert "trio_mq network, seed 5" in printed
    assert "lab connects to: field at 10.0.0.3:80" in printed


def test_it_works_with_the_plugin_of_anyio(tmp_path: Path) -> None:
    """Where that is installed; the clock is part of the backend there."""
    pytest.importorskip("anyio", reason="anyio is not installed")
    header = """
import pytest
import trio.testing

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
"""
    test = header + TEST.format(seed=0, seconds=3700)
    assert "1 passed" in run_pytest(tmp_path, test)


def test_pytest_finds_it_by_itself() -> None:
    """By an entry point that is named as the module, so that it is loaded once."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"trio_mq._pytest": "trio_mq._pytest"}


def test_the_plugin_loads_nothing_before_it_is_used() -> None:
    """It is in every pytest run of who has trio_mq installed."""
    program = "import sys, trio_mq._pytest; print('trio' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert run.stdout == b"False\n"
