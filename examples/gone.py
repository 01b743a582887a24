"""Answer requests of req.py, and give up the work for clients that hang up, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def answer(request: trio_mq.Request) -> None:
    """Work for a second, unless the client has gone by then."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_when_gone, request.peer, nursery.cancel_scope)
        await trio.sleep(1)
        await request.reply(b"hello, " + b" ".join(request.message))
        nursery.cancel_scope.cancel()  # the watcher ends with the work


async def cancel_when_gone(peer: trio_mq.Peer, scope: trio.CancelScope) -> None:
    """Cancel the work when the peer leaves."""
    await peer.wait_closed()
    scope.cancel()


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Start a task for each request."""
    async with trio_mq.Router(bind=endpoint) as router, trio.open_nursery() as nursery:
        async for request in router.requests():
            nursery.start_soon(answer, request)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
