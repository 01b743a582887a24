"""Run trio beside asyncio, in one thread: what trio calls guest mode. It asks rep.py twice."""

import asyncio
import sys
from functools import partial

import outcome
import trio

import trio_mq


async def ask(endpoint: str) -> list[str]:
    """Use sockets: this part is an ordinary trio program."""
    async with trio_mq.Req(connect=endpoint) as req:
        return [(await req.request(name)).text for name in (b"ada", b"grace")]


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Await it from asyncio, whose other tasks go on meanwhile."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[outcome.Outcome[list[str]]] = loop.create_future()
    trio.lowlevel.start_guest_run(
        ask,
        endpoint,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=ended.set_result,
    )
    while not ended.done():
        print("asyncio goes on")
        await asyncio.wait([ended], timeout=1)
    print((await ended).unwrap())


if __name__ == "__main__":
    asyncio.run(partial(main, *sys.argv[1:])())
