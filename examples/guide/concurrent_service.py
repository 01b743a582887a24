"""A service that works on many requests at once: three seconds of work take one."""

import trio

import trio_mq

SERVICE = "inproc://service"


async def answer(request: trio_mq.Request) -> bytes:
    """Take a second for each request."""
    await trio.sleep(1)
    return b"hello, " + bytes(request.message)


async def serve() -> None:
    """Answer up to a hundred at once; the others wait in line."""
    async with trio_mq.Rep(bind=SERVICE) as rep:
        await rep.serve(answer, max_concurrent=100)


async def ask(req: trio_mq.Req, name: str) -> None:
    """Many tasks may ask over one socket: each gets the reply to its own question."""
    reply = await req.request(name.encode())
    assert reply.text == f"hello, {name}"


async def main() -> None:
    """Ask three things at once."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with trio_mq.Req(connect=SERVICE) as req:
            began = trio.current_time()
            async with trio.open_nursery() as asking:
                for name in ("ada", "grace", "mary"):
                    asking.start_soon(ask, req, name)
            print("three answers in", round(trio.current_time() - began), "second")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
