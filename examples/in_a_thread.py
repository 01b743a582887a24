"""Give a program without an event loop a socket: trio runs in a thread of its own."""

import sys
import threading
from functools import partial
from queue import SimpleQueue

import trio

import trio_mq

Service = tuple[trio.lowlevel.TrioToken, trio_mq.Req, trio.CancelScope]


async def keep_open(endpoint: str, ready: SimpleQueue[Service]) -> None:
    """Own the socket, and tell where it can be reached, until somebody cancels the scope."""
    async with trio_mq.Req(connect=endpoint) as req:
        with trio.CancelScope() as scope:
            ready.put((trio.lowlevel.current_trio_token(), req, scope))
            await trio.sleep_forever()


def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Ask rep.py twice, from a thread that knows nothing of trio."""
    ready: SimpleQueue[Service] = SimpleQueue()
    thread = threading.Thread(target=partial(trio.run, keep_open, endpoint, ready))
    thread.start()
    token, req, scope = ready.get()
    for name in (b"ada", b"grace"):
        print(trio.from_thread.run(req.request, name, trio_token=token).text)
    trio.from_thread.run_sync(scope.cancel, trio_token=token)
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
