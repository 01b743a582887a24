"""A subscriber that keeps up: it reads in batches, looks at nothing, and hands on to workers."""

import trio

import trio_mq

NEWS, INSIDE, RESULTS = "inproc://news", "inproc://inside", "inproc://results"
COUNT, BATCH, WORKERS = 20_000, 1000, 2


async def publish() -> None:
    """Publish as fast as it goes; this one rather waits than loses anything."""
    async with trio_mq.Pub(bind=NEWS, on_full="block") as pub:
        await pub.wait_for_subscribers()
        for number in range(COUNT):
            await pub.send(b"%d" % number)


async def read() -> None:
    """Be the box: take all that is there, and give it away, without a look at it."""
    async with (
        trio_mq.Push(bind=INSIDE, send_hwm=10 * BATCH) as push,
        trio_mq.Sub(connect=NEWS, topics="", receive_hwm=10 * BATCH) as sub,
    ):
        while True:
            messages = await sub.receive_many(BATCH)
            while messages:  # as many as there is room for; then the rest
                del messages[: await push.send_many(messages)]


async def work() -> None:
    """Do with each message what takes long: this is best a process of its own."""
    async with trio_mq.Pull(connect=INSIDE) as pull, trio_mq.Push(connect=RESULTS) as push:
        while True:
            messages = await pull.receive_many(BATCH)
            await push.send([b"%d" % len(messages), b"%d" % sum(int(m.text) for m in messages)])


async def main() -> None:
    """Count what came, and add it up: nothing is missing, and nothing was done twice."""
    async with trio_mq.Pull(bind=RESULTS) as results, trio.open_nursery() as nursery:
        for part in (publish, read, *[work] * WORKERS):
            nursery.start_soon(part)
        count = total = 0
        while count < COUNT:
            some, of_them = await results.receive()
            count, total = count + int(some), total + int(of_them)
        print(count, "messages, in all", total)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
