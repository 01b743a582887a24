"""What only some systems have is not needed: each is taken away, and messages flow all the same.

Each test is a Python of its own, whose standard library lacks something from before trio_mq is
imported. trio itself keeps what it needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import trio_mq

#: How a system without something looks: the program that takes it away.
WITHOUT: Final = {
    "nothing": "pass",
    "resource": "sys.modules['resource'] = None",
    "fcntl": "sys.modules['fcntl'] = None",
    "termios": "sys.modules['termios'] = None",
    "unix sockets": "del socket.AF_UNIX",
    "sendmsg": "socket.socket.sendmsg = property(lambda self: self.there_is_none)",
    "shared ports": "del socket.SO_REUSEPORT",
    "peers' credentials": "del socket.SO_PEERCRED",
    "tcp_info": "del socket.TCP_INFO",
    "poll": "del select.POLLRDHUP, select.POLLHUP, select.POLLERR, select.poll",
    "sysconf": "del os.sysconf",
    "linux": "sys.platform = 'another'",
}
EVERYTHING: Final = "\n    ".join(WITHOUT.values())

PROGRAM: Final = """
import os, select, socket, sys
import trio, trio.socket

SIZES = [0, 1, 300, 70_000, 0, 2_000_000]

async def work(endpoint):
    # With a peer's connection, many small and some large messages, of many frames: and back.
    async with trio_mq.Router(bind=endpoint) as router:
        (bound,) = [each.endpoint for each in router.endpoints]
        async with trio_mq.Dealer(connect=bound, heartbeat_interval=1) as dealer:
            sent = [[b"x" * size, str(n).encode()] for n in range(300) for size in SIZES[:3]]
            sent += [[b"x" * size] * 3 for size in SIZES]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(dealer.send_many, sent)
                for message in sent:
                    name, *frames = await router.receive()
                    assert frames == message
                    await router.send([name, *frames])
            for message in sent:
                assert list(await dealer.receive()) == message

async def main():
    global trio_mq
    {without}
    import trio_mq
    with trio.fail_after(60):
        await work("inproc://here")
        await work("tcp://127.0.0.1:*")
        {more}
    print("done")

trio.run(main)
"""

#: What a program is told who asks for what is not there.
NOT_THERE: Final = """
        for keywords in ({{"bind": "ipc://x"}}, {{"bind": "ipc://*"}}, {{"bind": "ipc://@x"}}):
            try:
                async with trio_mq.Pull(**keywords):
                    raise AssertionError
            except (OSError, ValueError) as error:
                print(error)
        try:
            async with trio_mq.Pull(bind="tcp://127.0.0.1:*", reuse_port=True):
                raise AssertionError
        except OSError as error:
            print(error)
        async with trio_mq.Push() as push:
            try:
                await push.connect("ipc://x", wait=True)
            except OSError as error:
                print(error)
"""


def run(without: str, tmp_path: Path, more: str = "") -> str:
    """Run the program where something is missing, and return what it prints."""
    program = PROGRAM.format(without=without, more=more.format())
    environment = {**os.environ, "PYTHONPATH": str(Path(trio_mq.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=environment,
        text=True,
        timeout=120,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.mark.parametrize("what", WITHOUT)
def test_messages_flow_without_it(what: str, tmp_path: Path) -> None:
    """Over inproc and tcp, both ways, small and large."""
    assert run(WITHOUT[what], tmp_path) == "done\n"


def test_messages_flow_without_all_of_it_and_errors_name_the_remedy(tmp_path: Path) -> None:
    """As on a system that has nothing but what Python has everywhere."""
    *errors, done = run(EVERYTHING, tmp_path, NOT_THERE).splitlines()
    assert done == "done"
    ipc_file, ipc_fresh, abstract, port, dialled = errors
    for error in (ipc_file, ipc_fresh, dialled):
        assert "no sockets for ipc://; use tcp://127.0.0.1 and a port" in error
    assert "Linux" in abstract
    assert "leave out reuse_port" in port
