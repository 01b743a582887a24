"""Every example is run as its reader would run it: as real processes, which talk over ipc."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import trio_mq

EXAMPLES = Path(__file__).parent.parent / "examples"
#: The example of a test shows two.
LONGER = {"test_shouting.py"}
SECONDS = 20
#: Other processes are to import the trio_mq that is being tested, installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(trio_mq.__file__).parent.parent)}


def start(*command: str) -> subprocess.Popen[str]:
    """Start a Python, with its output to be read."""
    pipe = subprocess.PIPE
    python = [sys.executable, *command]
    return subprocess.Popen(python, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    """Return an endpoint that no other test uses."""
    return f"ipc://{tmp_path}/socket"


@contextmanager
def killed_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    """Leave no process behind when a test fails."""
    try:
        yield
    finally:
        process.kill()


def run(name: str, *arguments: str) -> list[str]:
    """Run an example to its end, and return the lines that it printed."""
    with start(str(EXAMPLES / name), *arguments) as process, killed_at_the_end(process):
        output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


@contextmanager
def running(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example beside the test, and end it with Ctrl-C."""
    with start(str(EXAMPLES / name), *arguments) as process, killed_at_the_end(process):
        yield process
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert errors.splitlines()[-1:] in ([], ["KeyboardInterrupt"])


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """Read that many lines of what a running example prints."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


TEN_TASKS = [f"task {number}" for number in range(10)]


def test_hello_is_greeted(endpoint: str, tmp_path: Path) -> None:
    """The first example that anybody sees; only its port is another one here."""
    program = (EXAMPLES / "hello.py").read_text("utf-8")
    copy = tmp_path / "hello.py"
    copy.write_text(program.replace("tcp://127.0.0.1:5555", endpoint), "utf-8")
    assert run(str(copy)) == ["hello, world"]


def test_the_readme_shows_hello_as_it_is() -> None:
    """What the README shows is the file that was run above."""
    _, _, program = (EXAMPLES / "hello.py").read_text("utf-8").partition('"""\n\n')
    assert program in (EXAMPLES.parent / "README.md").read_text("utf-8")


def test_what_push_hands_out_pull_prints(endpoint: str) -> None:
    """Ten tasks go from one process to the other, in order."""
    with running("pull.py", endpoint) as pull:
        run("push.py", endpoint)
        assert lines(pull, 10) == TEN_TASKS


def test_req_gets_the_answers_of_rep(endpoint: str) -> None:
    """Three requests, three replies."""
    with running("rep.py", endpoint):
        assert run("req.py", endpoint) == ["hello, ada", "hello, grace", "hello, mary"]


@pytest.mark.interop
def test_req_gets_the_answers_of_libzmq(endpoint: str) -> None:
    """The same program talks to a service that is written with pyzmq."""
    with running("rep_pyzmq.py", endpoint):
        first, *_ = run("req.py", endpoint)
        assert first == "hello from C, ada"


def test_sub_gets_only_the_city_that_it_asked_for(endpoint: str) -> None:
    """Five reports, all of them from one city."""
    with running("pub.py", endpoint):
        reports = run("sub.py", endpoint, "bern")
    assert [report.partition(":")[0] for report in reports] == ["bern"] * 5


def test_watch_tells_who_came(endpoint: str) -> None:
    """Beside the ten tasks, the events of the connection are printed."""
    with running("push.py", endpoint):
        printed = "\n".join(run("watch.py", endpoint))
    assert "Connected(" in printed
    assert "task 9 from <Peer PUSH" in printed


def test_the_example_of_a_test_passes() -> None:
    """What the documentation shows about testing is itself a test."""
    with start("-m", "pytest", "-q", str(EXAMPLES / "test_shouting.py")) as process:
        assert "2 passed" in process.communicate(timeout=SECONDS)[0]


def test_every_example_is_run_here() -> None:
    """An example without a test would rot."""
    source = Path(__file__).read_text("utf-8")
    named = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert {path.name for path in EXAMPLES.glob("*.py")} <= named


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: str(path.name))
def test_an_example_fits_on_a_screen(path: Path) -> None:
    """A reader should see the whole of it at once."""
    assert path.name in LONGER or len(path.read_text("utf-8").splitlines()) <= 30
