"""Standing between two sockets, recording what passes, playing it again, and watching."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import pytest
import trio
from rich.console import Console

from tests.cli.shell import finish, run, running
from trio_mq import Pull, Push, admin
from trio_mq._cli.picture import picture
from trio_mq._cli.recording import Recorded, read_all


@pytest.fixture
def places(tmp_path: Path) -> tuple[str, str]:
    """Return two endpoints that no other test uses."""
    return f"ipc://{tmp_path}/front", f"ipc://{tmp_path}/back"


def test_a_queue_joins_clients_and_services(places: tuple[str, str]) -> None:
    """Requests go one way, and replies the other."""
    front, back = places
    with (
        running("proxy", front, back, "--stats", "0.1") as proxy,
        running("rep", "-c", back, "--exec", "tr a-z A-Z", "-n", "1") as rep,
    ):
        assert run("req", "-c", front, "-D", "hello")[:2] == (0, b"HELLO\n")
        assert finish(rep)[0] == 0
        assert proxy.stderr is not None
        assert re.match(
            rb"[\d,]+/s to the back, .* dropped; \d+ and \d+ peers", proxy.stderr.readline()
        )


def test_a_streamer_writes_a_copy_into_a_file(places: tuple[str, str], tmp_path: Path) -> None:
    """Every message, with its time; one end connects."""
    front, back = places
    file = tmp_path / "copy.jsonl"
    with (
        running("pull", "-b", back, "-n", "3") as pull,
        running("proxy", "--kind", "streamer", front, f">{back}", "--capture", str(file)),
    ):
        assert run("push", "-c", front, stdin="1\n2\n3\n")[0] == 0
        assert finish(pull)[:2] == (0, b"1\n2\n3\n")
        wait_for_lines(file, 3)
    assert [recorded.frames for recorded in read_all(file)] == [[b"1"], [b"2"], [b"3"]]


def wait_for_lines(file: Path, count: int) -> None:
    """Wait until a file that another process writes has so many lines; the guard ends that."""
    while file.read_bytes().count(b"\n") < count:
        time.sleep(0.01)


def test_what_was_recorded_is_played_again(places: tuple[str, str], tmp_path: Path) -> None:
    """Frame by frame, whatever is in them."""
    place, again = places
    file = tmp_path / "work.jsonl"
    lines = '["a", "b"]\n[{"base64": "/w=="}]\n'
    with running("record", str(file), "-b", place, "--type", "PULL", "-n", "2") as recording:
        assert run("push", "-c", place, "-J", stdin=lines)[0] == 0
        assert finish(recording)[0] == 0
    with running("pull", "-b", again, "-n", "2", "-J") as pull:
        assert run("replay", str(file), "-c", again, "--type", "PUSH", "--speed", "0")[0] == 0
        assert finish(pull)[1].decode() == lines


def test_a_file_that_is_no_recording_is_an_error(places: tuple[str, str], tmp_path: Path) -> None:
    """With the line that is none."""
    file = tmp_path / "nonsense"
    file.write_text("hello\n", "utf-8")
    with running("pull", "-b", places[0]):
        status, _, errors = run("replay", str(file), "-c", places[0], "--type", "PUSH")
    assert status == 1
    assert "b'hello\\n' is not a line of a recording" in errors


@pytest.mark.parametrize("frames", [[b"a"], [b"\xff", b""], [b'"\\', "é".encode()]])
def test_a_line_of_a_recording_is_read_again(frames: list[bytes]) -> None:
    """And is JSON."""
    recorded = Recorded(1.5, frames)
    assert json.loads(recorded.line())["t"] == 1.5
    assert Recorded.read(recorded.line()) == recorded


# -- watch --


@pytest.fixture
def served(places: tuple[str, str]) -> str:
    """Return the endpoint at which the program below serves its picture."""
    return places[0]


async def look(served: str, *arguments: str) -> tuple[int, bytes, str]:
    """Run `watch` on a program that has a queue, a peer and an endpoint that is down."""
    async with (
        Push(linger=0) as push,
        Pull(bind="inproc://work") as pull,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(serve, served)
        await push.connect("inproc://work", wait=True)
        await push.connect("ipc:///nonexistent/[bold]socket")
        for _ in range(4):
            await push.send(b"x")
        assert pull.statistics().waiting_to_receive == 2
        done = await trio.to_thread.run_sync(run, "watch", served, *arguments)
        nursery.cancel_scope.cancel()
    return done


async def serve(endpoint: str, *, task_status: trio.TaskStatus[str]) -> None:
    """Answer whoever watches."""
    await admin.serve(endpoint, task_status=task_status)


async def test_a_program_is_watched_from_outside(served: str) -> None:
    """A row for each socket, with its endpoints below."""
    status, output, errors = await look(served, "--once")
    text = output.decode()
    assert (status, errors) == (0, "")
    assert re.search(r"Push 1 .* 1 ", text)
    assert re.search(r"Pull 2 ", text)
    assert "Push 1  connect inproc://work  connected" in text
    assert "Push 1  connect ipc:///nonexistent/[bold]socket  retrying" in text


async def test_the_picture_can_be_had_as_json(served: str) -> None:
    """For programs."""
    status, output, _ = await look(served, "--json")
    assert status == 0
    assert [each["type"] for each in json.loads(output)["sockets"]] == ["Push", "Pull"]


def test_a_program_that_does_not_serve_is_a_time_out(served: str) -> None:
    """With the reason."""
    status, _, errors = run("watch", served, "-t", "0.5")
    assert status == 3
    assert "No such file" in errors


def test_rates_are_differences_of_two_pictures() -> None:
    """Per second; a socket that is new has none."""

    def at(time: float, written: int) -> dict[str, admin.Json]:
        figures: dict[str, admin.Json] = {"written": written, "dropped_outgoing": {"closed": 2}}
        return {"time": time, "sockets": [{"number": 1, "type": "Push", "statistics": figures}]}

    console = Console(width=120, record=True, file=io.StringIO())
    console.print(picture("ipc://x", at(3.0, 700), at(1.0, 100)))
    assert "300/s" in console.export_text()


@pytest.mark.parametrize("answer", [{}, {"sockets": [5, {"statistics": 7}]}, {"sockets": "no"}])
def test_an_answer_of_another_version_is_shown_as_far_as_it_goes(
    answer: dict[str, admin.Json],
) -> None:
    """Without an error: where it comes from, and a row for each socket that it has."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(picture("ipc://x", answer, answer))
    head, *rows = console.export_text().splitlines()
    assert head.startswith("ipc://x, process")
    sockets = answer.get("sockets")
    known = sum(isinstance(each, dict) for each in sockets) if isinstance(sockets, list) else 0
    # The lines of the table itself: a frame of three, and the names of the columns.
    assert len(rows) == 4 + known
