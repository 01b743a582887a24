"""libzmq programs to talk to, and places to meet them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest

from tests.interop.libzmq import Libzmq, end_process, start_process


@attrs.define(eq=False)
class Keeper:
    """Keeps one libzmq program running from test to test: starting one takes a while."""

    process: subprocess.Popen[bytes] = attrs.field(factory=start_process)

    def replace(self) -> None:
        """Start another one."""
        end_process(self.process)
        self.process = start_process()


@pytest.fixture(scope="session")
def keeper() -> Iterator[Keeper]:
    """Return the keeper of the program that tests share, one after the other."""
    keeper = Keeper()
    yield keeper
    end_process(keeper.process)


@pytest.fixture
async def libzmq(keeper: Keeper) -> AsyncIterator[Libzmq]:
    """Return a libzmq program without sockets."""
    async with Libzmq.of(keeper.process) as program:
        try:
            await program.reset()  # the test before may have broken off
            yield program
            await program.reset()
        finally:
            if program.stuck:
                keeper.replace()


class Programs:
    """Starts libzmq programs that may be killed."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def start(self) -> Libzmq:
        """Start one; it ends with the test at the latest."""
        process = start_process()
        self._stack.callback(end_process, process)
        return await self._stack.enter_async_context(Libzmq.of(process))


@pytest.fixture
async def programs() -> AsyncIterator[Programs]:
    """Return what starts libzmq programs of one's own."""
    async with AsyncExitStack() as stack:
        yield Programs(stack)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder of a short name, as socket paths must be short."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(params=["tcp", "ipc"])
def place(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return an endpoint to bind."""
    return "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{folder}/meeting"
