"""Starting the parts as processes, and leaving none behind, however this ends."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from subprocess import PIPE

import attrs
import trio

#: Seconds that a part gets to leave by itself.
GRACE = 3.0


class DemoFailed(Exception):
    """The demonstration can't go on."""


@attrs.frozen(eq=False)
class Part:
    """A part that is running."""

    name: str
    process: trio.Process
    #: Where it can be reached, as it announced.
    endpoints: dict[str, str]
    ended: trio.Event


async def run_part(
    role: str,
    name: str,
    arguments: tuple[str, ...],
    say: Callable[[str], None],
    *,
    task_status: trio.TaskStatus[Part] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a part to its end, say what it prints, and be started when it is ready.

    Cancelled, it ends the process, in good order if that is possible.
    """
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", f"{__package__}.{role}", *arguments],
        stdin=PIPE,
        stdout=PIPE,
        # Ctrl-C is for us alone: we tell the others.
        process_group=0,
    )
    part = Part(name, process, {}, trio.Event())
    try:
        lines = read_lines(process)
        part.endpoints.update(await first_line(lines, name))
        task_status.started(part)
        async for line in lines:
            say(f"{name}: {line}")
        await process.wait()
    finally:
        await let_go(process)
        part.ended.set()


async def first_line(lines: AsyncIterator[str], name: str) -> dict[str, str]:
    """Return the endpoints that a part announces."""
    async for line in lines:
        endpoints: dict[str, str] = json.loads(line)
        return endpoints
    raise DemoFailed(f"the {name} ended before it was ready")


async def read_lines(process: trio.Process) -> AsyncIterator[str]:
    """Yield the lines that a process prints."""
    assert process.stdout is not None
    rest = b""
    async for chunk in process.stdout:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode()


async def let_go(process: trio.Process) -> None:
    """Let a process leave, which it does when its standard input ends, or kill it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with trio.CancelScope(shield=True):
        await process.stdin.aclose()
        with trio.move_on_after(GRACE):
            await process.wait()
        process.kill()
        await process.wait()
        await process.stdout.aclose()


def how_it_ended(process: trio.Process) -> str:
    """Say how a process ended."""
    code = process.returncode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"
