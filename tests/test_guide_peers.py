"""Programs of the guide that speak a protocol of others, with what others wrote at the far end."""

from __future__ import annotations

import contextlib
import json
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import majortomo
import majortomo.broker
import pytest
import trio
import zmq

import trio_mq
from tests.programs import ENVIRONMENT, running

GUIDE: Final = Path(__file__).parent.parent / "examples" / "guide"
SECONDS: Final = 100

pytestmark = pytest.mark.interop


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    """Return an endpoint that no other test uses."""
    return f"ipc://{tmp_path}/socket"


# -- majordomo --


def ask_by_majortomo(endpoint: str) -> list[bytes]:
    """Ask for a word in capitals, and return all parts of the reply."""
    with zmq.Context() as context, majortomo.Client(endpoint, zmq_context=context) as client:
        client.send("shout", b"hello")
        parts: list[bytes] = client.recv_all_as_list(timeout=SECONDS)
        return parts


async def test_clients_and_workers_of_majortomo_meet_at_the_broker(endpoint: str) -> None:
    """A reply in parts to a client of its own kind, and a whole one to ours."""
    program = runpy.run_path(str(GUIDE / "majordomo.py"))

    def work() -> None:
        with (
            zmq.Context() as context,
            majortomo.Worker(endpoint, "shout", zmq_context=context) as worker,
        ):
            client, request = worker.wait_for_request()
            worker.send_reply_partial(client, [b"well"])
            worker.send_reply_final(client, [request[0].upper()])
            client, request = worker.wait_for_request()
            worker.send_reply_final(client, [request[0].upper()])

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program["broker"], endpoint)
            async with trio.open_nursery() as others:
                others.start_soon(trio.to_thread.run_sync, work)
                parts = await trio.to_thread.run_sync(ask_by_majortomo, endpoint)
                assert parts == [b"well", b"HELLO"]
                assert await program["ask"](endpoint, b"shout", b"hello") == [b"HELLO"]
            nursery.cancel_scope.cancel()


async def test_the_worker_works_for_the_broker_of_majortomo(endpoint: str) -> None:
    """It says READY when that broker comes, and shows that it is alive."""
    program = runpy.run_path(str(GUIDE / "majordomo.py"))
    with zmq.Context() as context:
        broker = majortomo.broker.Broker(endpoint, heartbeat_interval=0.1, zmq_context=context)

        def run() -> None:
            with contextlib.suppress(zmq.ZMQError):  # it disconnects what it has bound
                broker.run()
            context.destroy()

        with trio.fail_after(SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, run)
                async with trio.open_nursery() as ours:
                    ours.start_soon(program["work"], endpoint, b"shout")
                    reply = await trio.to_thread.run_sync(ask_by_majortomo, endpoint)
                    ours.cancel_scope.cancel()
                broker.stop()
    assert reply == [b"HELLO"]


# -- jupyter --


def test_jupyter_client_runs_cells_in_the_kernel(tmp_path: Path) -> None:
    """It starts it, is told of outputs, results and errors, and shuts it down."""
    driver = Path(__file__).parent / "drive_jupyter.py"
    finished = subprocess.run(
        [sys.executable, str(driver), str(GUIDE / "jupyter_kernel.py"), str(tmp_path)],
        env={**ENVIRONMENT, "JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in finished.stderr
    assert finished.stdout.splitlines() == [
        *("result 42 of 1", "status ok", "status ok", "printed kept", "status ok"),
        *("error TypeError", "status error", "alive True", "ended True"),
    ]


async def test_the_console_shows_what_comes_of_each_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the kernel of the guide, which jupyter_client found to be one."""
    channels = ("shell", "control", "stdin", "hb", "iopub")
    known: dict[str, object] = {
        f"{channel}_port": number for number, channel in enumerate(channels)
    }
    known |= {"transport": "ipc", "ip": str(tmp_path / "kernel"), "key": "secret"}
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(known), "utf-8")
    kernel, console = (
        runpy.run_path(str(GUIDE / f"jupyter_{name}.py"))["main"] for name in ("kernel", "console")
    )
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kernel, str(file))
            async with trio_mq.Dealer(connect=f"ipc://{tmp_path}/kernel-0") as stranger:
                # Of what is not signed, in whatever form, nothing comes.
                await stranger.send_many([[b"nonsense"], [b"<IDS|MSG>"], [b"<IDS|MSG>", b"", b"{"]])
            await console(str(file), ["6 * 7", "print('hello')", "1 / 0"])
            async with trio_mq.Req(connect=f"ipc://{tmp_path}/kernel-3") as heart:
                assert await heart.request(b"beat") == b"beat"
            nursery.cancel_scope.cancel()
    assert capsys.readouterr().out.splitlines() == [
        *("[1] 42", "hello", "ZeroDivisionError: division by zero"),
    ]


# -- zre --


@pytest.fixture
def beacons() -> Iterator[int]:
    """Hold a port of UDP to which beacons on loopback can be sent, and where all can see them."""
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("", 0))  # given to nobody else by chance, as it can't be shared yet
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT, socket.SO_BROADCAST):
            holder.setsockopt(socket.SOL_SOCKET, option, 1)
        holder.settimeout(0)
        port: int = holder.getsockname()[1]
        try:
            holder.sendto(b"?", ("127.255.255.255", port))
            holder.recv(1)
        except OSError as error:
            pytest.skip(f"nothing can be broadcast on loopback here: {error}")
        yield port


async def test_two_nodes_find_each_other(beacons: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One learns of the groups of the other, and shouts in one."""
    with trio.fail_after(SECONDS):
        await runpy.run_path(str(GUIDE / "discovery.py"))["main"](beacons)
    assert capsys.readouterr().out.splitlines() == [
        *("grace is here", "grace joins chess", "grace joins tea"),
        *("ada is here", "ada joins chess", "ada shouts tea with milk?"),
    ]


async def test_a_node_of_zre_is_found_and_finds_us(beacons: int) -> None:
    """Each greets the other, and what is shouted in a group comes to the other one in it."""
    node = runpy.run_path(str(GUIDE / "discovery.py"))["Node"]("ours", "tea")
    driver = str(Path(__file__).parent / "drive_zre.py")
    with trio.fail_after(SECONDS):
        async with (
            running(sys.executable, driver, str(beacons)) as theirs,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(partial(node.run, beacon=("127.255.255.255", beacons)))
            heard = {await node.news.receive() for _ in range(3)}
            assert heard == {
                ("theirs", "is here"),
                ("theirs", "joins", "tea"),
                ("theirs", "whispers", "welcome"),
            }
            assert [await theirs.line() for _ in range(2)] == ["ENTER ours ", "JOIN ours tea"]
            node.shout("tea", b"with milk?")
            assert await theirs.line() == "SHOUT ours tea"
            assert await node.news.receive() == ("theirs", "shouts", "tea", "WITH MILK?")
            nursery.cancel_scope.cancel()
