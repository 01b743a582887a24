"""Ask rep.py three times, and give up on an answer that takes too long."""

import sys
from functools import partial

import trio

import trio_mq


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Print three replies."""
    async with trio_mq.Req(connect=endpoint) as req:
        for name in ("ada", "grace", "mary"):
            with trio.move_on_after(5) as patience:
                reply = await req.request(name.encode())
                print(reply.text)
            if patience.cancelled_caught:
                print("no answer for", name)  # and the socket is ready for the next request


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
