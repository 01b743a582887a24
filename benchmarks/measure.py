"""One measurement: start its processes, let them begin in order, collect figures, end them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, Final

import attrs
import trio

from benchmarks.job import READY, Figures, Job, parse_report

_ROOT: Final = Path(__file__).parent.parent
#: Seconds for everything, far above what a measurement should take.
TIME_LIMIT: Final = 60.0


class MeasurementFailed(Exception):
    """A worker ended early, found something wrong or never reported; the text says which."""


@attrs.frozen
class Part:
    """Who plays which role in a measurement."""

    peer: str
    role: str
    #: It never ends by itself and reports nothing.
    endless: bool = False


@attrs.define(eq=False)
class _Worker:
    """A running worker process and the lines that it writes."""

    part: Part
    process: trio.Process
    errors: IO[bytes]
    _buffer: bytearray = attrs.field(factory=bytearray)

    async def line(self) -> str:
        """Return its next line.

        Raises:
            MeasurementFailed: It ended instead.
        """
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            piece = await self.process.stdout.receive_some()
            if not piece:
                raise MeasurementFailed(self._last_words())
            self._buffer += piece
        line, _, self._buffer[:] = self._buffer.partition(b"\n")
        return line.decode()

    async def become_ready(self) -> None:
        while await self.line() != READY:
            pass

    async def figures(self) -> Figures:
        while True:
            found = parse_report(await self.line())
            if found is not None:
                return found

    async def go(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"go\n")

    async def dismiss(self) -> None:
        """Let it close its sockets and end."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        said = lines[-1].strip() if lines else "nothing on its standard error"
        return f"{self.part.peer} as {self.part.role} ended early: {said}"


@asynccontextmanager
async def _started(part: Part, job: Job) -> AsyncIterator[_Worker]:
    command = [sys.executable, "-m", "benchmarks.worker", part.peer, part.role, job.to_json()]
    with tempfile.TemporaryFile() as errors:
        process = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=_ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdin, process.stdout:
            try:
                yield _Worker(part, process, errors)
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()


def _cores(number: int) -> list[int | None]:
    """Return the first core for the server, and the others in turn for its clients."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return [first, *itertools.islice(itertools.cycle(rest or [first]), number - 1)]


async def measure(parts: Sequence[Part], job: Job, *, apart: bool = False) -> dict[str, float]:
    """Run the parts, the server first, and return the figures of all together.

    ``apart`` keeps the server on one core and its clients on others.

    ``cpu_seconds`` is the processor time of all processes, ``server_cpu_seconds`` that of the
    first.

    Raises:
        MeasurementFailed: A worker failed, or nothing was heard for `TIME_LIMIT` seconds.
    """
    with trio.move_on_after(TIME_LIMIT):
        async with AsyncExitStack() as stack:
            cores = _cores(len(parts)) if apart else [None] * len(parts)
            jobs = [attrs.evolve(job, core=core) for core in cores]
            workers = [
                await stack.enter_async_context(_started(part, own))
                for part, own in zip(parts, jobs, strict=True)
            ]
            return await _conduct(workers)
    raise MeasurementFailed(
        f"not finished within {TIME_LIMIT:g} s: too slow, or a message was lost"
    )


async def _conduct(workers: Sequence[_Worker]) -> dict[str, float]:
    for worker in workers[:-1]:
        await worker.go()
        await worker.become_ready()
    await workers[-1].go()
    ending = [worker for worker in workers if not worker.part.endless]
    reports = [await worker.figures() for worker in ending]
    for worker in ending:
        await worker.dismiss()
    for worker in ending:
        # Closing is part of a library's work, but not of the measurement: a hang ends with it.
        with trio.move_on_after(1):
            await worker.process.wait()
    together = {name: value for report in reports for name, value in report.items()}
    together["server_cpu_seconds"] = reports[0]["cpu_seconds"]
    together["cpu_seconds"] = sum(report["cpu_seconds"] for report in reports)
    return together
