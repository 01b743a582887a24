"""Each program of the guide does what its page says, in virtual time where time is in it."""

from __future__ import annotations

import logging
import runpy
from pathlib import Path
from typing import Final

import pytest
import trio.testing
import zmq
from zmq.log.handlers import PUBHandler

import trio_mq

GUIDE: Final = Path(__file__).parent.parent / "examples" / "guide"
PAGES: Final = "\n".join(
    path.read_text("utf-8") for path in (GUIDE.parent.parent / "docs" / "guide").glob("*.rst")
)
TESTS: Final = "\n".join(
    path.read_text("utf-8") for path in Path(__file__).parent.glob("test_guide*.py")
)
LONGER: Final = {
    "binary_star.py": 80,
    "clone_takeover.py": 180,
    "discovery.py": 180,
    "jupyter_console.py": 90,
    "jupyter_kernel.py": 150,
    "majordomo.py": 160,
    "many_processes.py": 70,
    "peering.py": 90,
    "titanic.py": 90,
}
SAME: Final = "{'key 0': '8', 'key 1': '9', 'key 2': '6', 'key 3': '7'}"

#: What each program prints, in any order where it is a set.
PRINTED: Final[dict[str, list[str] | set[str]]] = {
    "weather.py": {"bern 13.0", "oslo 6.0"},
    "kill_signal.py": ["328350"],
    "concurrent_service.py": ["three answers in 1 second"],
    "broker.py": [
        *("task 0 by quick", "task 2 by quick", "task 3 by quick"),
        *("task 1 by slow", "task 4 by quick", "task 5 by slow"),
    ],
    "proxies.py": ["through the queue: HELLO", "through the streamer: task"],
    "espresso.py": {
        *("heard news.0", "heard news.1", "heard news.2"),
        *("  passed news.0", "  passed news.1", "  passed news.2"),
        *("  passed (True, b'news.')", "  passed (False, b'news.')"),
    },
    "lazy_pirate.py": ["  service: silent", "  service: crashes", "you are welcome"],
    "freelance.py": [f"{number} was answered by inproc://server-2" for number in range(4)],
    "last_value.py": ["ada sees apples at 5", "grace sees pears at 4"],
    "suicidal_snail.py": ["the quick one is still there", "the slow one has ended itself"],
    "clone.py": [SAME, SAME],
    "majordomo.py": {"EARLY after 3 s", "AT ONCE after 5 s", "BOTH after 5 s"},
    "node_sync.py": [
        *("ada has prepared", "mary has prepared", "grace has prepared"),
        *("grace has worked", "mary has worked", "ada has worked"),
    ],
    "peering.py": {"done by bern 0", "done by oslo 0", "done by oslo 1", "all in 1 second"},
    "black_box.py": ["20000 messages, in all 199990000"],
    "event_replay.py": {f"{who} {number}" for who in ("early", "late") for number in range(6)},
    "streaming.py": ["[0, 1, 2]", "0", "1", "2", "service: the client has left"],
    "log_hub.py": {
        *("ada.WARNING is not sure of this", "ada.ERROR has lost that"),
        *("grace.WARNING is not sure of this", "grace.ERROR has lost that"),
    },
}


@pytest.mark.parametrize("name", PRINTED)
async def test_a_program_prints_what_it_should(
    name: str, autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """All its parts, in one run."""
    main = runpy.run_path(str(GUIDE / name))["main"]
    with trio.fail_after(1000):
        await main()
    expected = PRINTED[name]
    printed = capsys.readouterr().out.splitlines()
    assert (sorted(printed) if isinstance(expected, set) else printed) == (
        sorted(expected) if isinstance(expected, set) else expected
    )


async def test_a_simple_pirate_survives_the_death_of_a_worker(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It had the question in hand; the client asks again, and another worker answers."""
    program = runpy.run_path(str(GUIDE / "broker.py"))
    retry = trio_mq.Retry(attempts=2, patience=5)

    async def die() -> None:
        with trio.move_on_after(2):
            await program["work"]("slow", 1000)

    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery, trio_mq.Req(connect=program["FRONT"]) as req:
            nursery.start_soon(program["broker"])
            nursery.start_soon(die)
            await trio.sleep(1)  # the slow one waits, and gets the question
            nursery.start_soon(program["work"], "quick", 0.1)
            assert await req.request(b"task", retry=retry) == b"task by quick"
            nursery.cancel_scope.cancel()


async def test_a_request_survives_the_store(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is answered when the service is there, and found a day later."""
    with trio.fail_after(1_000_000):
        await runpy.run_path(str(GUIDE / "titanic.py"))["main"](str(tmp_path / "store"))
    assert capsys.readouterr().out.splitlines() == [
        "not yet: [b'reply']",
        "tomorrow: [b'reply', b'HELLO']",
    ]


async def test_each_question_is_answered_whoever_falls_silent(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """In order, and by the worker that is left: ada falls silent after ten of them."""
    with trio.fail_after(1000):
        await runpy.run_path(str(GUIDE / "paranoid_pirate.py"))["main"]()
    answers = [line.split(" by ") for line in capsys.readouterr().out.splitlines()]
    assert [number for number, _ in answers] == [str(number) for number in range(30)]
    assert {name for _, name in answers[:10]} == {"ada", "grace"}
    assert {name for _, name in answers[10:]} == {"grace"}


async def test_one_of_two_servers_works_at_a_time(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other takes over after the crash, and goes on when the first is back."""
    with trio.fail_after(1000):
        await runpy.run_path(str(GUIDE / "binary_star.py"))["main"]()
    answers = [line.split(" by ") for line in capsys.readouterr().out.splitlines()]
    assert [number for number, _ in answers] == [str(number) for number in range(30)]
    (first,) = {name for _, name in answers[:10]}
    (second,) = {name for _, name in answers[10:]}
    assert {first, second} == {"ada", "grace"}


async def test_no_confirmed_change_is_lost_when_either_server_crashes(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """First one crashes, then the other, which by then has everything from the first."""
    with trio.fail_after(1000):
        await runpy.run_path(str(GUIDE / "clone_takeover.py"))["main"]()
    *crashes, writer, reader = capsys.readouterr().out.splitlines()
    assert writer == reader == f"40 {sum(range(40))}"
    first, second = (line.split() for line in crashes)
    assert {first[0], second[0]} == {"ada", "grace"}


async def test_a_file_arrives_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """In real time, since files are read and written by threads."""
    with trio.fail_after(60):
        await runpy.run_path(str(GUIDE / "send_file.py"))["main"]()
    assert capsys.readouterr().out == "the same: True\n"


@pytest.mark.interop
async def test_the_hub_reads_the_logs_of_pyzmq(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The topic and the text are where its handler puts them."""
    endpoint = f"ipc://{tmp_path}/logs"

    def log() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as xpub:
            xpub.rcvtimeo = 60_000
            xpub.connect(endpoint)
            assert xpub.recv() == b"\x01"  # the hub has subscribed
            handler = PUBHandler(xpub, root_topic="mary")
            handler.emit(logging.LogRecord("it", logging.INFO, "", 0, "hello", None, None))

    hub = runpy.run_path(str(GUIDE / "log_hub.py"))["hub"]
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hub, endpoint, 1)
            await trio.to_thread.run_sync(log)
    assert capsys.readouterr().out == "mary.INFO hello\n"


@pytest.mark.parametrize("path", sorted(GUIDE.glob("*.py")), ids=lambda path: str(path.name))
def test_a_program_is_short_tested_and_shown(path: Path) -> None:
    """Sixty lines at most, on a page of the guide; a few more where the pattern has many parts."""
    assert len(path.read_text("utf-8").splitlines()) <= LONGER.get(path.name, 60)
    assert f'"{path.name}"' in TESTS
    assert f"examples/guide/{path.name}" in PAGES
