"""Programs that run beside a test, whose lines it waits for, and that end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import trio

import trio_mq

#: Other processes are to import the trio_mq that is being tested, installed or not.
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(Path(trio_mq.__file__).parent.parent)}

#: Waits for the end of a pipe, then kills its own group of processes.
_WATCHER: Final = "import os, signal, sys; sys.stdin.read(); os.killpg(0, signal.SIGKILL)"


@contextmanager
def new_group() -> Iterator[int]:
    """Make a group of processes that are killed when the block ends, however it ends.

    A run of tests that hangs is killed from outside at last, and does nothing more. So the first
    process of the group waits for the end of a pipe that only this one holds.

    Yields:
        What others get as ``process_group=`` to be in it, and what they start is in it, too.
    """
    command = [sys.executable, "-I", "-S", "-c", _WATCHER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0) as watcher:
        try:
            yield watcher.pid
        finally:
            os.killpg(watcher.pid, signal.SIGKILL)


class Program:
    """A process that runs beside the test, and the lines that it prints."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._rest = b""

    async def line(self) -> str:
        """Wait for its next line; for ever, if it has ended."""
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            self._rest += await self.process.stdout.receive_some() or await trio.sleep_forever()
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def kill(self) -> None:
        """Do to it what ``kill -9`` does, and wait for its end."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Program]:
    """Run a program beside the test, and kill it at the end, with all that it has started."""
    pipe = subprocess.PIPE
    with new_group() as group:
        process = await trio.lowlevel.open_process(
            command, stdout=pipe, stderr=subprocess.STDOUT, env=ENVIRONMENT, process_group=group
        )
        assert process.stdout is not None
        async with process.stdout:
            try:
                yield Program(process)
            finally:
                with trio.CancelScope(shield=True):
                    await Program(process).kill()
