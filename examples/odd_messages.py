"""Take messages of two frames from strangers, and pass over whatever else they send."""

import logging
import sys
from functools import partial

import trio

import trio_mq

LOG = logging.getLogger("odd_messages")


async def collect(pull: trio_mq.Pull) -> None:
    """Match the form that is expected: to unpack would end the program with the first odd one."""
    async for message in pull:
        match message:
            case name, body:
                print(f"{name!r} sends {len(body)} bytes", flush=True)
            case _:
                LOG.warning("nobody understands %r", message)


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Let strangers come."""
    async with trio_mq.Pull(bind=endpoint, **trio_mq.Options.hardened()) as pull:
        await collect(pull)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
