"""A server of CURVE among strangers: it prints its endpoint, and echoes.

For each line that it reads, it prints how many bytes of memory it holds and how many seconds of
the processor it has used.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import trio

from trio_mq import Router, auth, lowlevel


def tell(what: str) -> None:
    """Say something to whoever started this program."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def held() -> int:
    """Return the bytes of memory that are in use."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def answer(router: Router) -> None:
    """Send everything back."""
    async for message in router:
        await router.send(message)


async def report() -> None:
    """Tell of memory and time when asked."""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as questions:
        while await questions.receive_some():
            usage = resource.getrusage(resource.RUSAGE_SELF)
            tell(f"{held()} {usage.ru_utime + usage.ru_stime}")


async def main(secret_key: str) -> None:
    """Serve until there are no more questions."""
    lowlevel.set_debug(False)
    mechanism = auth.CurveServer(auth.CurveKeys(secret=secret_key))
    async with Router(mechanism=mechanism, authenticator=auth.ALLOW_ANY, linger=0) as router:
        tell(await router.bind("tcp://127.0.0.1:*"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, router)
            await report()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
