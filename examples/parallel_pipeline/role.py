"""What every part has in common: how it tells where it can be reached, and when it ends."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable

import trio


def announce(**endpoints: str) -> None:
    """Tell whoever started this process that it is ready, and where: the first line it prints."""
    print(json.dumps(endpoints), flush=True)


def tell(line: str) -> None:
    """Print a line at once, for people; if they are gone, to nobody."""
    try:
        print(printable(line), flush=True)
    except BrokenPipeError:
        # The command was killed, which standard input will tell in a moment. Until then, and at
        # exit, what is printed must not raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(line: str) -> str:
    """Return the line with what can't be printed escaped: a file may have any name."""
    return line.encode(errors="backslashreplace").decode()


def run(role: Callable[..., Awaitable[None]], *arguments: str) -> None:
    """Run a part to its end, or until whoever started this process is gone."""
    trio.run(_run, role, arguments)


async def _run(role: Callable[..., Awaitable[None]], arguments: tuple[str, ...]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_leave_when_stdin_ends, nursery.cancel_scope)
        await role(*arguments)
        nursery.cancel_scope.cancel()


async def _leave_when_stdin_ends(scope: trio.CancelScope) -> None:
    # Standard input is a pipe that the command holds and never writes to: it ends when the command
    # lets go of it, and also when the command is killed. So nothing is ever left running.
    stdin = sys.stdin.fileno()
    await trio.lowlevel.wait_readable(stdin)
    while os.read(stdin, 1024):
        await trio.lowlevel.wait_readable(stdin)
    # Nobody wants what is still queued, so no warnings about what is not delivered.
    logging.getLogger("trio_mq").setLevel(logging.ERROR)
    scope.cancel()
