"""A client and several servers without a broker: whoever is well answers."""

import trio

import trio_mq

SERVERS = [f"inproc://server-{number}" for number in range(3)]


async def serve(endpoint: str) -> None:
    """Answer at once."""
    async with trio_mq.Rep(bind=endpoint) as rep:
        await rep.serve(lambda request: [bytes(request.message), endpoint.encode()])


async def hang(endpoint: str) -> None:
    """Take requests, and never answer: the worst that a server can do."""
    async with trio_mq.Rep(bind=endpoint) as rep:
        async for _ in rep.requests():
            pass


async def main() -> None:
    """One server does not exist, one hangs, and one is well."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hang, SERVERS[1])
        nursery.start_soon(serve, SERVERS[2])
        async with trio_mq.Req(connect=SERVERS) as req:
            await req.wait_for_peers(2)
            for number in range(4):
                retry = trio_mq.Retry(attempts=3, patience=1)
                question, server = await req.request(b"%d" % number, retry=retry)
                print(question.decode(), "was answered by", server.decode())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
