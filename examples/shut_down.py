"""Answer requests until SIGTERM or Ctrl-C; then finish what has begun, and leave."""

import signal
import sys
from functools import partial

import trio

import trio_mq


async def until_told(scope: trio.CancelScope) -> None:
    """Cancel a scope when the system, or a person, asks the program to end."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            print("stopping:", signal.Signals(number).name, flush=True)
            scope.cancel()


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Cancel only the waiting: a request that was taken gets its answer."""
    async with trio.open_nursery() as nursery, trio_mq.Rep(bind=endpoint, linger=2) as rep:
        with trio.CancelScope() as waiting:
            nursery.start_soon(until_told, waiting)
            async for request in rep:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.1)  # the work
                    await rep.send(b"done: " + request[0])
        nursery.cancel_scope.cancel()  # of until_told; the block of rep writes what waits


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
