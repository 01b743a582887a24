"""Pull ten tasks from push.py, and log who comes and goes."""

import logging
import sys
from functools import partial

import trio

import trio_mq

LOG = logging.getLogger("example")


async def log(events: trio_mq.EventStream) -> None:
    """Take events apart by their type."""
    async for event in events:
        match event:
            case trio_mq.Connected(peer=peer):
                LOG.info("%s is here", peer)
            case trio_mq.Disconnected(peer=peer, reason=reason):
                LOG.info("%s left: %s", peer, reason)
            case trio_mq.HandshakeFailed(address=address, error=error):
                LOG.warning("%s was turned away: %s", address, error)


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Take ten tasks, and log meanwhile."""
    async with trio.open_nursery() as nursery, trio_mq.Pull() as pull:
        nursery.start_soon(log, pull.events())
        await pull.connect(endpoint)
        for _ in range(10):
            await pull.receive()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    trio.run(partial(main, *sys.argv[1:]))
