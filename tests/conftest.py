"""What every test gets: guards against hanging and leaking, and hypothesis profiles."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import hypothesis
import pytest
import trio

# Helpers assert too, and under `python -O` only what pytest has rewritten does.
HELPERS = {f"tests.{path.stem}" for path in Path(__file__).parent.iterdir()} - {"tests.conftest"}
pytest.register_assert_rewrite(*HELPERS, "chaos", "fuzz")

from tests.descriptors import DESCRIPTORS, open_sockets_and_pipes  # noqa: E402  # after that
from tests.slices import CLOCKS, start_slices_with  # noqa: E402  # after that
from trio_mq import lowlevel  # noqa: E402

# Where trio_mq is installed, pytest finds it by itself, and doesn't load it twice.
pytest_plugins = ["trio_mq._pytest"]

# Every test is one of the invariants too, here and in the processes that it starts.
os.environ["TRIO_MQ_DEBUG"] = "1"
lowlevel.set_debug(True)

#: Seconds after which a test counts as hung: the slowest takes a small part, on a busy machine too.
GUARD_SECONDS = 120
#: A thorough test may interrupt a call at each of thousands of lines, each with a deadline of its
#: own. On a machine with much else to do that took more than half an hour.
THOROUGH_GUARD_SECONDS = 3 * 3600

# A check that fails now and then teaches nobody, so the ordinary runs draw the same examples each
# time and don't measure time; `thorough` looks for new ones.
hypothesis.settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, max_examples=100
)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1_000)
hypothesis.settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one run show what depends on how busy the machine is."""
    parser.addoption("--slices", choices=CLOCKS, default=next(iter(CLOCKS)), help="time slices")


def pytest_configure(config: pytest.Config) -> None:
    """Give all slices the clock that was asked for."""
    start_slices_with(CLOCKS[config.getoption("--slices")])


#: A test in one of these folders carries the marker that nox selects it by.
MARKED_FOLDERS = {"interop": "interop", "property": "fuzz", "hostile": "fuzz"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder that they are in, and those to which hypothesis gives examples."""
    for item in items:
        # Not of the whole path: the checkout may lie in a folder of such a name.
        folders = item.nodeid.partition("::")[0].split("/")
        for folder in MARKED_FOLDERS.keys() & set(folders):
            item.add_marker(MARKED_FOLDERS[folder])
        if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj):
            item.add_marker("fuzz")


class HungError(BaseException):
    """A test that did not end; a BaseException, so that nothing under test can swallow it."""


def _tree(task: trio.lowlevel.Task, depth: int = 0) -> Iterator[str]:
    """Yield a line per task: its name and the line of code where it waits."""
    frames = [f"{Path(f.f_code.co_filename).name}:{line}" for f, line in task.iter_await_frames()]
    yield f"{'    ' * depth}{task.name}, at {' > '.join(frames)}"
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _tree(child, depth + 1)


def _main_task() -> trio.lowlevel.Task | None:
    """Return the task that `trio.run` was given, which trio keeps in its innermost nursery."""
    try:
        root = trio.lowlevel.current_root_task()
    except RuntimeError:
        return None
    if root is None:
        return None
    return next(iter(root.child_nurseries[-1].child_tasks), None)


def _cancel(task: trio.lowlevel.Task) -> None:
    for nursery in task.child_nurseries:
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def _guard_against_hanging(pytestconfig: pytest.Config) -> Iterator[None]:
    """End a test that hangs, in real or virtual time, and show where its tasks waited.

    An alarm cancels the test; if shielded code resists for ten seconds more, it raises wherever
    the program then is, which breaks trio and prints a lot, but ends.
    """
    thorough = pytestconfig.getoption("--hypothesis-profile") == "thorough"
    seconds = THOROUGH_GUARD_SECONDS if thorough else GUARD_SECONDS
    complaint = ""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        nonlocal complaint
        second_time = bool(complaint)
        complaint = f"the test was still running after {seconds} seconds"
        main = _main_task()
        if main is not None:
            complaint = "\n".join([complaint, *_tree(main)])
        if main is None or second_time:
            raise HungError(complaint)
        trio.lowlevel.current_trio_token().run_sync_soon(_cancel, main)
        signal.alarm(10)

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    if complaint:
        pytest.fail(complaint, pytrace=False)


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """Fail a test after which more sockets or pipes are open than before it."""
    if not DESCRIPTORS.is_dir():
        yield  # not Linux: unclosed sockets are still found by their warnings, which are errors
        return
    before = open_sockets_and_pipes()
    yield
    if open_sockets_and_pipes() <= before:
        return
    gc.collect()  # a cycle may hold what nobody uses any more; its ResourceWarning is an error
    left = open_sockets_and_pipes() - before
    assert not left, f"the test left {len(left)} descriptors open: {sorted(left)}"
