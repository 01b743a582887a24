"""Thousands of strangers at the door of a server of CURVE, and one good client among them (B59)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import attrs
import pytest
import trio
import trio.testing

from tests.hostile import flooded_server, strangers as strangers_program
from tests.hostile.strangers import good_hello
from tests.joined import bind
from trio_mq import Dealer, Limits, Router, auth
from trio_mq.zmtp import Connection, Role, SocketType
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.curve import CurveServerMechanism

SERVER = auth.CurveKeys.generate()
#: How many are there, in ordinary runs and in thorough ones.
FEW, MANY = 400, 5_000
#: Seconds within which a good client is let in, and bytes by which the server may grow.
PATIENCE = 2.0
GROWTH = 16 * 2**20
#: Seconds that it may take on a machine that is busy with other things.
BUSY = 60
#: Bytes of a WELCOME with its header, and HELLOs whose cost is measured together.
WELCOME_SIZE = 170
TRIES = 100
#: Good clients that come while it is flooded.
GOOD = 5


@attrs.define
class Flooded:
    """A server among strangers."""

    endpoint: str
    process: subprocess.Popen[str]

    async def usage(self) -> tuple[int, float]:
        """Return the bytes that it holds and the seconds of the processor that it has used."""
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        memory, seconds = (await line_of(self.process)).split()
        return int(memory), float(seconds)


def start(program: ModuleType, *arguments: str) -> subprocess.Popen[str]:
    """Start a program of this folder."""
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", program.__name__, *arguments]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a program after the block."""
    with process:
        try:
            yield process
        finally:
            process.kill()


async def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that a program prints."""
    assert process.stdout is not None
    return (await trio.to_thread.run_sync(process.stdout.readline)).strip()


async def greet(endpoint: str) -> None:
    """Be a good client: come in, and get an answer."""
    mechanism = auth.CurveClient(server=SERVER.public)
    async with Dealer(linger=0, mechanism=mechanism) as dealer:
        await dealer.connect(endpoint, wait=True)
        await dealer.send(b"hello")
        assert await dealer.receive() == (b"hello",)


def starved(*processes: int) -> float:
    """Return the seconds for which these processes could have gone on, had there been a processor.

    The second figure in the file is the time of waiting for one, in nanoseconds.
    """
    files = [Path(f"/proc/{process}/schedstat") for process in processes]
    return sum(int(file.read_text("ascii").split()[1]) for file in files) / 1e9


async def seconds_of_greeting(server: Flooded) -> float:
    """Be a good client; return how long that took, without the time that other programs took."""
    both = (os.getpid(), server.process.pid)
    begin, starved_before = time.monotonic(), starved(*both)
    with trio.fail_after(BUSY):
        await greet(server.endpoint)
    return time.monotonic() - begin - (starved(*both) - starved_before)


async def test_a_good_client_gets_in_among_thousands_of_strangers(
    pytestconfig: pytest.Config,
) -> None:
    """In time, and the server has hardly grown."""
    thorough = pytestconfig.getoption("--hypothesis-profile") == "thorough"
    strangers = MANY if thorough else FEW
    with running(start(flooded_server, SERVER.secret)) as process:
        server = Flooded(await line_of(process), process)
        await greet(server.endpoint)
        memory, _ = await server.usage()
        flood = start(strangers_program, server.endpoint, SERVER.public, str(strangers))
        with running(flood):
            assert await line_of(flood) == "all have knocked"
            for _ in range(GOOD):
                assert await seconds_of_greeting(server) < PATIENCE
            grown, _ = await server.usage()
        assert grown - memory < GROWTH


async def test_a_flood_of_good_hellos_gets_only_its_share(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many are computed at once after a rest, and so many a second, whoever sends how many."""
    limits, seconds = Limits(max_handshakes_per_second=50.0, max_handshake_burst=20), 10
    computed = count_hellos(monkeypatch)
    hello = good_hello(SERVER.public)
    async with Router(
        mechanism=auth.CurveServer(SERVER), authenticator=auth.ALLOW_ANY, limits=limits, linger=0
    ) as router:
        listener = await bind(router, "memory")

        async def flood() -> None:
            while True:
                stream = await listener.dial()
                await stream.write_all(hello)
                # The answer: the next one comes at once.
                while len(await stream.receive_some(1000)) < WELCOME_SIZE:
                    pass
                await stream.aclose()

        with trio.move_on_after(seconds + 0.01):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(flood)
    assert computed == [Command.HELLO] * (20 + 50 * seconds)


def test_the_share_is_less_than_a_tenth_of_a_processor() -> None:
    """What the default lets a flood of HELLOs compute, in the time of the processor."""
    hello = good_hello(SERVER.public)
    # What else runs on the machine can only make it slower.
    each = min(seconds_of_hellos(hello) for _ in range(6)) / TRIES
    assert each * Limits().max_handshakes_per_second < 0.1
    assert each * Limits.hardened().max_handshakes_per_second < 0.02


def seconds_of_hellos(hello: bytes) -> float:
    """Return the processor's seconds for the answers to so many of them."""
    mechanism = auth.CurveServer(SERVER)
    begin = time.process_time()
    for _ in range(TRIES):
        server = Connection(SocketType.ROUTER, Role.ACCEPTING, mechanism=mechanism)
        server.receive_data(hello)
        server.next_event()
        assert b"\7WELCOME" in server.data_to_send()
    return time.process_time() - begin


def count_hellos(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Note each HELLO that a server reads, which is what makes it compute."""
    computed: list[Command] = []
    read = CurveServerMechanism.read

    def counting(self: CurveServerMechanism, command: Command, data: bytes) -> None:
        computed.append(command)
        read(self, command, data)

    monkeypatch.setattr(CurveServerMechanism, "read", counting)
    return computed
