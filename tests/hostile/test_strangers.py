"""Thousands of strangers at the door of a server of CURVE, and one good client among them (B59)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import attrs
import pytest
import trio

from tests.hostile import flooded_server, strangers as strangers_program
from trio_mq import Dealer, auth

SERVER = auth.CurveKeys.generate()
#: How many are there, in ordinary runs and in thorough ones.
FEW, MANY = 400, 5_000
#: Seconds within which a good client is let in, and bytes by which the server may grow.
PATIENCE = 2.0
GROWTH = 16 * 2**20
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
                with trio.fail_after(PATIENCE):
                    await greet(server.endpoint)
            grown, _ = await server.usage()
        assert grown - memory < GROWTH
