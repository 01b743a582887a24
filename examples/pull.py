"""Pull tasks from push.py and print them, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5557") -> None:
    """Print each message: what is connected to may come, go and come again meanwhile."""
    async with trio_mq.Pull(connect=endpoint) as pull:
        async for message in pull:
            print(message.text, flush=True)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
