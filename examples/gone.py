"""Answer requests of req.py, and give up the work for clients that hang up, until Ctrl-C."""

import sys
from functools import partial

import trio

import trio_mq


async def answer(router: trio_mq.Router, request: trio_mq.Message, peer: trio_mq.Peer) -> None:
    """Work for a second, unless the client has gone by then."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_when_gone, peer, nursery.cancel_scope)
        await trio.sleep(1)
        await router.send([request[0], b"", b"hello, " + request[-1]])
        nursery.cancel_scope.cancel()  # the watcher ends with the work


async def cancel_when_gone(peer: trio_mq.Peer, scope: trio.CancelScope) -> None:
    """Cancel the work when the peer leaves."""
    await peer.wait_closed()
    scope.cancel()


async def main(endpoint: str = "tcp://127.0.0.1:5555") -> None:
    """Start a task for each request."""
    async with trio_mq.Router(bind=endpoint) as router, trio.open_nursery() as nursery:
        while True:
            nursery.start_soon(answer, router, *await router.receive_from())


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
