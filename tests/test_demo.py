"""The demonstration: as a user runs it, and its parts where it matters that nothing is lost."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import given, strategies as st

import trio_mq
from examples.parallel_pipeline import command, identifiers, processes, screen, sink, tally
from examples.parallel_pipeline.ventilator import Tasks, hand_out, in_order, summary, watch
from tests.complaints import complaints
from tests.programs import ENVIRONMENT, new_group

EXAMPLES = Path(__file__).parent.parent / "examples"
TERMINAL = {**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "100"}
COMMAND = [sys.executable, "-m", "parallel_pipeline"]
SECONDS = 100
FILES = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files that keep workers busy for some time, and one that is no Python.

    In every good file, ``common`` is there 1000 times, and a name of its own 500 times.
    """
    for number in range(FILES):
        lines = [f"own_{number} = common + common\n"] * 500
        (tmp_path / f"file_{number}.py").write_text("".join(lines), "utf-8")
    (tmp_path / "bad.py").write_bytes(b"# coding: no-such-encoding\n")
    return tmp_path


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Start the demonstration, with its output to be read."""
    pipe = subprocess.PIPE
    with (
        new_group() as group,
        subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=ENVIRONMENT,
            cwd=EXAMPLES,
            process_group=group,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end of *all* processes: each of them holds standard error open."""
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the demonstration to its end."""
    with running(*arguments) as process:
        return finish(process)


def read_to(process: subprocess.Popen[str], beginning: str) -> None:
    """Read lines until one begins like that."""
    assert process.stdout is not None
    assert any(line.startswith(beginning) for line in process.stdout)


# ------------------------------------------------------------------------- as a user runs it


def test_the_totals_are_right_and_nothing_is_left_running(folder: Path) -> None:
    """The table, the comparison, an empty standard error, and exit status 0."""
    status, output, errors = run(folder, "--workers", "2", "--top", "1")
    assert (status, complaints(errors)) == (0, [])
    assert re.search(r"^ +1 +40,000  common$", output, re.MULTILINE)
    assert "the totals agree with those of one process: 60,000 identifiers" in output
    assert "can't be tokenised: bad.py" in output


def test_the_totals_are_right_when_a_worker_is_killed(folder: Path) -> None:
    """What it had in hand is done by others, and the program says so."""
    status, output, errors = run(folder, "--workers", "3", "--kill-worker")
    assert (status, complaints(errors)) == (0, [])
    assert re.search(r"^killing worker-\d \(process \d+\) with SIGKILL$", output, re.MULTILINE)
    assert "the totals agree with those of one process: 60,000 identifiers" in output


def test_ctrl_c_ends_every_process(folder: Path) -> None:
    """One quiet line instead of tracebacks, and the exit status of an interrupted program."""
    with running(folder) as process:
        read_to(process, " 20 %")
        process.send_signal(signal.SIGINT)
        status, output, errors = finish(process)
    assert (status, complaints(errors)) == (130, [])
    assert output.endswith("interrupted: every process has ended\n")


def test_the_parts_end_when_the_command_is_killed(folder: Path) -> None:
    """It cannot tell them any more; they notice."""
    with running(folder) as process:
        read_to(process, " 20 %")
        process.kill()
        _, _, errors = finish(process)
    assert complaints(errors) == []


def test_a_part_that_has_nobody_to_tell_goes_on_in_silence() -> None:
    """What it prints between the end of the command and its own is no error."""
    program = (
        "import sys; from parallel_pipeline.role import tell; "
        "sys.stdin.read(); tell('one'); tell('two')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=EXAMPLES,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate()
    assert (process.returncode, complaints(errors.decode())) == (0, [])


def test_on_a_terminal_the_display_is_live(folder: Path) -> None:
    """A bar is drawn and redrawn, and at the end the cursor is visible again."""
    terminal, its_end = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, folder], stdout=its_end, env=TERMINAL, cwd=EXAMPLES
    ) as process:
        os.close(its_end)
        shown = b"".join(until_hung_up(terminal)).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert shown.count("pipeline") > 3
    assert shown.rindex("\x1b[?25h") > shown.rindex("the totals agree")


def until_hung_up(terminal: int) -> Iterator[bytes]:
    """Yield what is written to a terminal, until no process has it open any more."""
    try:
        while chunk := os.read(terminal, 65536):
            yield chunk
    except OSError:
        return


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--workers", "0"], "--workers 0 leaves nobody to work"),
        (["--workers", "1", "--kill-worker"], "--workers 1 leaves nobody to work"),
        (["no-such-folder"], "there is no .py file in no-such-folder"),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started, with exit status 2 as usual."""
    with pytest.raises(SystemExit, match="2"):
        command.read_arguments(arguments)
    assert complaint in capsys.readouterr().err


# ------------------------------------------------------------------------- what may not be lost


async def take_and_vanish(endpoint: str, received: list[str]) -> None:
    """Be a worker that receives one file and is gone."""
    async with trio_mq.Pull(connect=endpoint, receive_hwm=1) as pull:
        file, _source = await pull.receive()
        received.append(file.decode())


async def work(endpoint: str, tasks: Tasks, received: list[str]) -> None:
    """Be a worker whose results reach the sink at once."""
    async with trio_mq.Pull(connect=endpoint, receive_hwm=1) as pull:
        async for file, _source in pull:
            received.append(file.decode())
            tasks.acknowledge(file.decode())


async def test_a_file_that_a_lost_worker_had_is_done_by_another(
    folder: Path, nursery: trio.Nursery
) -> None:
    """The ventilator sees that the worker has left, and hands its file out again."""
    files = [f"file_{number}.py" for number in range(9)]
    tasks, lost, received = Tasks(in_order(files)), list[str](), list[str]()
    async with trio_mq.Push(send_hwm=1) as push:
        endpoint = await push.bind("tcp://127.0.0.1:*")
        nursery.start_soon(watch, push.events(), tasks)
        async with trio.open_nursery() as handing_out:
            handing_out.start_soon(hand_out, push, folder, tasks)
            await take_and_vanish(endpoint, lost)
            nursery.start_soon(work, endpoint, tasks, received)
        assert lost[0] in tasks.sent_again
        assert set(received) == set(files)
        nursery.cancel_scope.cancel()


STEPS = st.lists(st.sampled_from(["take", "finish first", "finish last", "lose"]), max_size=40)


@given(steps=STEPS)
def test_whatever_happens_every_file_is_handed_out_until_it_is_done(steps: list[str]) -> None:
    """Files are taken, done and lost in any order; then all goes well."""
    files = [str(number) for number in range(8)]
    tasks, done = Tasks(in_order(files)), set[str]()

    def finish(file: str) -> None:
        done.add(file)
        tasks.acknowledge(file)

    async def play() -> None:
        for step in steps:
            if step == "lose":
                tasks.doubt()
            elif step == "take" and tasks.waiting:
                assert await tasks.take() not in done
            elif step.startswith("finish") and tasks.out:
                finish(list(tasks.out)[0 if step == "finish first" else -1])
        tasks.doubt()
        while (file := await tasks.take()) is not None:
            finish(file)

    trio.run(play)
    assert done == set(files)


async def test_what_is_acknowledged_late_is_not_sent_again() -> None:
    """It was in doubt only, and not lost."""
    tasks = Tasks(in_order(["a", "b"]))
    first = await tasks.take()
    assert tasks.doubt() == 1
    tasks.acknowledge("a")
    assert (first, await tasks.take()) == ("a", "b")


def test_the_summary_counts_every_file_once() -> None:
    """Also one that was sent a third time."""
    assert summary(5, ["a", "b", "a"]) == "files in doubt: 5, done all the same: 3, sent again: 2"


# ------------------------------------------------------------------------------ the parts


def test_a_table_that_comes_twice_counts_once() -> None:
    """The second is counted as repeated, and not acknowledged."""
    counted = tally.Tally()
    assert counted.add("a.py", "one", 10, {"x": 3})
    assert not counted.add("a.py", "two", 10, {"x": 3})
    assert counted.totals()["identifiers"] == {"x": 3}
    assert counted.progress()["repeated"] == 1


def test_a_wrong_result_is_an_exit_status_of_1(capsys: pytest.CaptureFixture[str]) -> None:
    """And each difference is named."""
    right, wrong = tally.Tally(), tally.Tally()
    right.add("a.py", "one", 10, {"x": 3, "y": 1})
    wrong.add("a.py", "one", 10, {"x": 2, "y": 1})
    assert command.verdict(wrong.totals(), right.totals(), screen.Lines(1)) == 1
    assert "WRONG  x: 2 against 3\n" in capsys.readouterr().out


def test_files_and_unreadable_files_are_compared_too() -> None:
    """A file that is missing may not add a single identifier."""
    with_it, without = tally.Tally(), tally.Tally()
    with_it.add("bad.py", "one", 10, None)
    assert tally.differences(without.totals(), with_it.totals()) == [
        "0 files against 1",
        "not tokenised: [] against ['bad.py']",
    ]


def test_identifiers_are_names_but_no_keywords() -> None:
    """Neither text in strings and comments counts."""
    source = b"for x in y:\n    x('z')  # w\n"
    assert identifiers.count_identifiers(source) == {"x": 2, "y": 1}


@pytest.mark.parametrize("source", [b"(", b"# coding: nonsense\n", b'"\xff"', b"if x:\n\ty\n  z\n"])
def test_what_cannot_be_tokenised_has_no_table(source: bytes) -> None:
    """An open bracket, an unknown encoding, a wrong one, and a wrong indentation."""
    assert identifiers.count_identifiers(source) is None


def test_installed_packages_are_left_out(tmp_path: Path) -> None:
    """They often lie inside the standard library's folder."""
    for name in ("b.py", "sub/a.py", "site-packages/c.py", "sub/text.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert identifiers.find_sources(tmp_path) == ["b.py", "sub/a.py"]


def test_the_sink_says_what_it_can_be_asked() -> None:
    """To a question that it does not know."""
    assert sink.reply_to("top five", tally.Tally()) == {
        "error": "no answer to 'top five': ask 'top 5' or 'totals'"
    }


async def test_a_part_that_does_not_start_fails_the_demonstration(nursery: trio.Nursery) -> None:
    """Instead of waiting for it."""
    with pytest.raises(processes.DemoFailed, match="the extra ended before it was ready"):
        await nursery.start(processes.run_part, "no_such_role", "extra", (), print)
