"""The worker: take a file, count its identifiers, pass the table on, take the next."""

from __future__ import annotations

import sys

import trio

import trio_mq

from .identifiers import count_identifiers
from .role import announce, run
from .tally import to_json

#: Bytes that the kernel may hold. Little, so that what waits for a slow worker waits where
#: another worker can still have it.
BUFFER = 16 * 1024


async def work(name: str, tasks: str, results: str) -> None:
    """Work until this process ends: a worker knows neither the others nor how much there is."""
    async with (
        trio_mq.Pull(
            connect=tasks, receive_hwm=1, receive_buffer=BUFFER, metadata={"X-Worker": name}
        ) as pull,
        trio_mq.Push(connect=results, send_hwm=1) as push,
    ):
        await pull.wait_for_peers()
        announce()
        async for file, source in pull:
            # In a thread, so that the connections stay alive meanwhile.
            table = await trio.to_thread.run_sync(count_identifiers, source, abandon_on_cancel=True)
            await push.send([file, name.encode(), str(len(source)).encode(), to_json(table)])


if __name__ == "__main__":
    run(work, *sys.argv[1:])
