"""A program that runs out of descriptors: binds a Pull, lets visitors use all up, and tells.

It prints its endpoint, then that its descriptors are exhausted, and after the first message what
it saw: the number of failures that were told, and whether it kept trying without a pause.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import attrs
import trio

from trio_mq import AcceptFailed, EventStream, Pull
from trio_mq._transports.listener import Listener
from trio_mq._transports.stream import ByteStream

#: Descriptors that visitors can use up.
SPARE = 10


@attrs.define
class Attempts:
    """Counts attempts to accept."""

    count: int = 0

    def install(self) -> None:
        """Count from now on."""
        accept = Listener.accept

        async def counted(listener: Listener) -> ByteStream:
            self.count += 1
            return await accept(listener)

        setattr(Listener, "accept", counted)  # noqa: B010  # type checkers object to the other form


def tell(what: str) -> None:
    """Say something to whoever started this program."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def leave_few_descriptors() -> None:
    """Allow a few more than are open."""
    limit = len(list(Path("/proc/self/fd").iterdir())) + SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


async def main(endpoint: str) -> None:
    """Serve."""
    attempts = Attempts()
    attempts.install()
    async with Pull(linger=0) as pull:
        tell(await pull.bind(endpoint))
        leave_few_descriptors()
        with pull.events() as events:
            error = await _first_failure(events)
            attempts.count, began = 0, trio.current_time()
            tell(f"exhausted {error.errno}")
            message = await pull.receive()
            seconds = trio.current_time() - began
            told = _failures_left(events)
        paused = attempts.count - SPARE <= seconds / 0.1 + SPARE
        tell(f"{bytes(message).decode()} {told} {paused}")


async def _first_failure(events: EventStream) -> OSError:
    while True:
        event = await events.receive()
        if isinstance(event, AcceptFailed):
            return event.error


def _failures_left(events: EventStream) -> int:
    count = 0
    try:
        while True:
            count += isinstance(events.receive_nowait(), AcceptFailed)
    except trio.WouldBlock:
        return count


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
