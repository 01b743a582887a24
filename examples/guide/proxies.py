"""Two programs in the middle, one call each: a queue for requests, a streamer for tasks."""

import trio

import trio_mq

FRONT, BACK = "inproc://front", "inproc://back"


async def queue() -> None:
    """Pass requests on to services, and replies back."""
    async with trio_mq.Router(bind=FRONT) as front, trio_mq.Dealer(bind=BACK) as back:
        await trio_mq.proxy(front, back)


async def streamer() -> None:
    """Pass tasks on to workers."""
    async with trio_mq.Pull(bind=FRONT) as front, trio_mq.Push(bind=BACK) as back:
        await trio_mq.proxy(front, back)


async def ask() -> None:
    """Be a service and a client of the queue."""
    async with (
        trio_mq.Rep(connect=BACK) as rep,
        trio_mq.Req(connect=FRONT) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(rep.serve, lambda request: bytes(request.message).upper())
        print("through the queue:", (await req.request(b"hello")).text)
        nursery.cancel_scope.cancel()


async def push() -> None:
    """Be both ends of the streamer."""
    async with trio_mq.Push(connect=FRONT) as push, trio_mq.Pull(connect=BACK) as pull:
        await push.send(b"task")
        print("through the streamer:", (await pull.receive()).text)


async def main() -> None:
    """Try one after the other, as they have the same endpoints."""
    for device, attempt in ((queue, ask), (streamer, push)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device)
            await attempt()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
