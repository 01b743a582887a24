"""Programs that run beside a test, whose lines it waits for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

import trio_mq

#: Other processes are to import the trio_mq that is being tested, installed or not.
ENVIRONMENT: Final = {**os.environ, "PYTHONPATH": str(Path(trio_mq.__file__).parent.parent)}


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
    """Run a program beside the test, and kill it at the end."""
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(
        command, stdout=pipe, stderr=subprocess.STDOUT, env=ENVIRONMENT
    )
    assert process.stdout is not None
    async with process.stdout:
        try:
            yield Program(process)
        finally:
            with trio.CancelScope(shield=True):
                await Program(process).kill()
