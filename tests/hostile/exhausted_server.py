"""A program that runs out of descriptors: binds a Pull, lets visitors use all up, and tells.

It prints its endpoint. When its descriptors are exhausted and it has tried again a few times, it
prints the error, how often the failure was told, and whether there were pauses between the
attempts. Then it prints the first message.
"""

from __future__ import annotations

import errno
import itertools
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


#: Attempts that it waits for, when they fail.
ATTEMPTS = 4
#: Seconds between two of them, at least.
PAUSE = 0.09


@attrs.define
class Attempts:
    """The times of attempts to accept."""

    times: list[float] = attrs.field(factory=list)
    another: trio.Event = attrs.field(factory=trio.Event)

    def install(self) -> None:
        """Watch them from now on."""
        accept = Listener.accept

        async def watched(listener: Listener) -> ByteStream:
            self.times.append(trio.current_time())
            self.another.set()
            self.another = trio.Event()
            return await accept(listener)

        setattr(Listener, "accept", watched)  # noqa: B010  # type checkers object to the other form

    async def wait_for(self, count: int) -> list[float]:
        """Return the seconds between the next so many."""
        self.times.clear()
        while len(self.times) < count:
            await self.another.wait()
        return [after - before for before, after in itertools.pairwise(self.times)]


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
            pauses = await attempts.wait_for(ATTEMPTS)
            told = 1 + _failures_left(events)
        tell(f"{errno.errorcode[error.errno or 0]}, told {told} time, {min(pauses) > PAUSE}")
        tell(bytes(await pull.receive()).decode())


async def _first_failure(events: EventStream) -> OSError:
    while True:
        event = await events.receive()
        if isinstance(event, AcceptFailed):
            assert isinstance(event.error, OSError)
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
