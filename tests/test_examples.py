"""Every example is run as its reader would run it: as real processes, which talk over ipc."""

from __future__ import annotations

import ast
import itertools
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import trio_mq
from tests.complaints import complaints
from tests.programs import ENVIRONMENT, new_group
from tests.transports.over_tls import AUTHORITY

EXAMPLES = Path(__file__).parent.parent / "examples"
#: The example of a test shows two, that of serialising three.
LONGER = {"test_shouting.py", "serialise.py"}
SECONDS = 100


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a Python, with its output to be read, and leave nothing behind when a test fails."""
    pipe = subprocess.PIPE
    python = [sys.executable, *command]
    with (
        new_group() as group,
        subprocess.Popen(
            python, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT, process_group=group
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    """Return an endpoint that no other test uses."""
    return f"ipc://{tmp_path}/socket"


def run(name: str, *arguments: str) -> list[str]:
    """Run an example to its end, and return the lines that it printed."""
    with started(str(EXAMPLES / name), *arguments) as process:
        output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, complaints(errors)) == (0, [])
    return output.splitlines()


@contextmanager
def running(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example beside the test, and end it with Ctrl-C."""
    with started(str(EXAMPLES / name), *arguments) as process:
        yield process
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    # With a nursery of the program's own, it comes in a group.
    assert complaints(errors) == [] or "KeyboardInterrupt" in errors
    assert "Error" not in errors


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
        trio.run(wait_for_service, endpoint)
        assert run("req.py", endpoint) == ["hello, ada", "hello, grace", "hello, mary"]


@pytest.mark.parametrize("service", ["service.py", "gone.py"])
def test_req_gets_the_answers_of_a_service_that_works_on_many(endpoint: str, service: str) -> None:
    """Three clients at once are not three times as long; nor does one with two frames end it."""
    with running(service, endpoint):
        trio.run(send_two_frames, endpoint)
        assert run("req.py", endpoint) == ["hello, ada", "hello, grace", "hello, mary"]


async def wait_for_service(endpoint: str) -> None:
    """Wait until it is there: a client of the examples gives up after five seconds."""
    async with trio_mq.Dealer(connect=endpoint) as dealer:
        with trio.fail_after(SECONDS):
            await dealer.wait_for_peers()


async def send_two_frames(endpoint: str) -> None:
    """Ask what the examples' own client does not ask, and ask badly."""
    async with trio_mq.Req(connect=endpoint) as req, trio_mq.Dealer(connect=endpoint) as dealer:
        await dealer.send(b"without an envelope")
        with trio.fail_after(SECONDS):
            assert (await req.request([b"you", b"two"])).text.startswith("hello, ")


@pytest.mark.parametrize("program", ["beside_asyncio.py", "in_a_thread.py"])
def test_a_program_without_trio_asks_all_the_same(endpoint: str, program: str) -> None:
    """From another event loop, and from a thread that has none."""
    with running("rep.py", endpoint):
        printed = "\n".join(run(program, endpoint))
    assert "hello, ada" in printed
    assert "hello, grace" in printed


def test_what_was_taken_is_answered_after_sigterm(endpoint: str) -> None:
    """It ends in order, with what it says about why."""
    with started(str(EXAMPLES / "shut_down.py"), endpoint) as service:
        assert trio.run(ask_once_while, endpoint, service) == b"done: work"
        assert service.stdout is not None
        assert service.stdout.read() == "stopping: SIGTERM\n"
        assert service.wait(SECONDS) == 0


async def ask_once_while(endpoint: str, service: subprocess.Popen[str]) -> bytes:
    """Let the service be told to end while it works on a request."""
    async with trio_mq.Dealer(connect=endpoint) as dealer:
        with trio.fail_after(SECONDS):
            # It takes requests in order: with the first reply here, it is working on the second.
            await dealer.send_many([[b"", b"work"]] * 2)
            await dealer.receive()
            service.send_signal(signal.SIGTERM)
            _, reply = await dealer.receive()
            return reply


#: Become the program that is named, with a socket as its descriptor 3.
AS_SYSTEMD = """
import os, sys
os.dup2(int(os.environ["NUMBER"]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_a_service_takes_the_socket_that_systemd_has_opened() -> None:
    """As descriptor 3, for the process that LISTEN_PID names."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        arguments = [sys.executable, "-c", AS_SYSTEMD, str(EXAMPLES / "systemd_socket.py")]
        environment = {**ENVIRONMENT, "NUMBER": str(number)}
        with (
            new_group() as group,
            subprocess.Popen(
                arguments, pass_fds=[number], env=environment, process_group=group
            ) as service,
        ):
            try:
                endpoint = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
                trio.run(wait_for_service, endpoint)
                assert run("req.py", endpoint)[0] == "hello, ada"
            finally:
                service.kill()


def test_tables_arrive_as_they_were_sent() -> None:
    """In three forms."""
    degrees = "[20.5, 21.0]"
    expected = [f"json: {degrees}", f"msgpack: {degrees}", f"array: {degrees}"]
    assert run("serialise.py") == expected


def test_processes_share_the_work() -> None:
    """The sum of the first ten squares."""
    assert run("processes.py") == ["285"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the last one gets all connections")
def test_processes_share_a_port() -> None:
    """Each gets some of the connections."""
    assert run("shared_port.py") == ["2 processes have answered"]


def test_log_events_tells_who_came_and_went(endpoint: str) -> None:
    """In words."""
    with running("push.py", endpoint):
        assert "is here" in "\n".join(run("log_events.py", endpoint))


def test_who_asks_for_work_gets_as_much_as_it_does(endpoint: str) -> None:
    """The slow worker holds up nobody."""
    assert sorted(run("ask_for_work.py", endpoint)) == [
        "fast did more than half",
        "slow did the rest",
    ]


@pytest.mark.interop
def test_req_gets_the_answers_of_libzmq(endpoint: str) -> None:
    """The same program talks to a service that is written with pyzmq."""
    with running("rep_pyzmq.py", endpoint):
        trio.run(wait_for_service, endpoint)
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
    with started("-m", "pytest", "-q", str(EXAMPLES / "test_shouting.py")) as process:
        assert "2 passed" in process.communicate(timeout=SECONDS)[0]


def test_every_example_is_run_here() -> None:
    """An example without a test would rot."""
    source = Path(__file__).read_text("utf-8")
    named = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert {path.name for path in EXAMPLES.glob("*.py")} <= named


#: What each level of security prints when it is run.
HOUSES = {
    "strawhouse.py": ["from here"],
    "woodhouse.py": ["alice: it is me", "refused with 400"],
    "stonehouse.py": ["sealed"],
    "ironhouse.py": ["alice: sealed, by me"],
    "own_user.py": ["True: from here"],
}


@pytest.mark.parametrize("house", HOUSES)
def test_each_house_lets_in_whom_it_should(house: str) -> None:
    """Each is one program, with both ends."""
    assert run(house) == HOUSES[house]


def test_tls_needs_nothing_but_certificates(tmp_path: Path) -> None:
    """Of an authority that the client trusts."""
    certificate, authority = tmp_path / "server.pem", tmp_path / "authority.pem"
    identity = AUTHORITY.issue_cert("127.0.0.1")
    identity.private_key_and_cert_chain_pem.write_to_path(certificate)
    AUTHORITY.cert_pem.write_to_path(authority)
    assert run("tls.py", str(certificate), str(authority)) == ["sealed"]


def test_zmtp_can_be_spoken_by_hand() -> None:
    """Over a plain socket, with a Push of ours at the other end."""
    with started(str(EXAMPLES / "zmtp_by_hand.py"), "0") as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        trio.run(push_three, endpoint)
        output, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors, output.split()) == (0, "", ["a", "b", "c"])


async def push_three(endpoint: str) -> None:
    """Send three messages, two of them together."""
    async with trio_mq.Push(connect=endpoint) as push:
        await push.send(b"a")
        await push.send_many([b"b", b"c"])


def test_an_odd_message_is_passed_over(endpoint: str) -> None:
    """And the next one is taken."""
    with started(str(EXAMPLES / "odd_messages.py"), endpoint) as process:
        trio.run(push_odd_ones, endpoint)
        assert process.stdout is not None
        assert process.stdout.readline() == "b'me' sends 4 bytes\n"
        process.kill()
        assert process.communicate(timeout=SECONDS)[1].count("nobody understands") == 2


async def push_odd_ones(endpoint: str) -> None:
    """Send two that nobody understands, and one that is right."""
    async with trio_mq.Push(connect=endpoint) as push:
        await push.send_many([[b"alone"], [b"me", b"and", b"you"], [b"me", b"good"]])


# -- what the pages show -------------------------------------------------------------------------

_DIRECTIVE = re.compile(r" *\.\. (?:code|code-block|sourcecode)::")
#: Lines of Python that may stand in the text and be run by nobody.
_SHORT = 3


def opens(line: str) -> bool:
    """Tell whether code may follow: after a directive, or after two colons at the end."""
    prose = line.rstrip().endswith("::") and not line.lstrip().startswith("..")
    return prose or _DIRECTIVE.match(line) is not None


def margin(line: str) -> int:
    """Return how far it is indented."""
    return len(line) - len(line.lstrip())


def is_inside(outer: int, line: str) -> bool:
    """Tell whether it is indented further, or empty."""
    return not line.strip() or margin(line) > outer


def blocks(text: str) -> Iterator[str]:
    """Yield what stands literally in a text."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if opens(line):
            inside = itertools.takewhile(partial(is_inside, margin(line)), lines[number + 1 :])
            yield textwrap.dedent("\n".join(inside))


def is_python(code: str) -> bool:
    """Tell whether it is a piece of a program, and not a picture or what one prints."""
    try:
        body = ast.parse("async def it():\n" + textwrap.indent(code, "    ") + "\n    pass").body
    except SyntaxError:
        return False
    function = body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    return (
        any(not isinstance(each, (ast.Expr, ast.Pass)) for each in function.body) or "await" in code
    )


def snippets(text: str) -> list[str]:
    """Return the pieces of programs that are too long to be run by nobody."""
    found = []
    for block in blocks(text):
        lines = [line for line in block.split("\n") if line.strip() and line.strip()[0] != ":"]
        code = "\n".join(lines)
        if len(lines) > _SHORT and is_python(code):
            found.append(code)
    return found


PAGES = sorted((EXAMPLES.parent / "docs").rglob("*.rst"))
SOURCES = sorted((EXAMPLES.parent / "trio_mq").rglob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_snippet_of_more_than_three_lines_is_a_file_that_runs(page: Path) -> None:
    """What nobody runs is wrong one day: put it into ``examples`` and include it."""
    assert snippets(page.read_text("utf-8")) == []


def docstrings(source: Path) -> Iterator[str]:
    """Yield every docstring of a file."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield text


def test_no_docstring_has_a_longer_one() -> None:
    """They are pages, too: name the example there."""
    assert [
        each for source in SOURCES for text in docstrings(source) for each in snippets(text)
    ] == []


@pytest.mark.parametrize("opening", ["Do so::", ".. code-block:: python", "  .. code:: python"])
def test_a_snippet_is_found_however_it_stands_there(opening: str) -> None:
    """Four lines are too many, and three are not."""
    for count in (3, 4):
        lines = ["with this as that:", *["    await that.send(b'x')"] * (count - 1)]
        page = "\n".join([opening, "", *[f"      {line}" for line in lines], "", "The end."])
        assert len(snippets(page)) == (count > _SHORT)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: str(path.name))
def test_an_example_fits_on_a_screen(path: Path) -> None:
    """A reader should see the whole of it at once."""
    assert path.name in LONGER or len(path.read_text("utf-8").splitlines()) <= 40
