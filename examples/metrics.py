"""Print what a puller's socket has counted, as Prometheus reads it, while push.py sends to it."""

import sys
from collections.abc import Iterator
from functools import partial

import trio

import trio_mq


def lines(figures: trio_mq.SocketStatistics) -> Iterator[str]:
    """Yield a line for each figure."""
    yield f"mq_peers {len(figures.peers)}"
    yield f"mq_received_total {figures.delivered}"
    yield f"mq_waiting_to_receive {figures.waiting_to_receive}"
    for reason, count in figures.dropped.items():
        yield f'mq_dropped_total{{reason="{reason.value}"}} {count}'


async def report(pull: trio_mq.Pull) -> None:
    """Look at the figures every two seconds."""
    while True:
        await trio.sleep(2)
        print(*lines(pull.statistics()), sep="\n", flush=True)


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Receive, and report beside it."""
    async with trio_mq.Pull(connect=endpoint) as pull, trio.open_nursery() as nursery:
        nursery.start_soon(report, pull)
        async for _ in pull:
            pass


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
