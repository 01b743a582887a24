"""A broker that notices silent workers, and clients that ask again: no question is lost."""

import trio

import trio_mq
from trio_mq.testing import Network

READY: tuple[bytes, ...] = (b"ready",)


async def broker() -> None:
    """Give work to who has waited for longest, and forget those who show no sign of life."""

    async def next_task(worker: trio_mq.Request) -> trio_mq.Message:
        if worker.message != READY:
            await clients.send(worker.message)
        return await clients.receive()  # cancelled when the worker is gone: it took nothing

    async with (
        trio_mq.Router(bind="tcp://*:5555") as clients,
        trio_mq.Rep(bind="tcp://*:5556", heartbeat_interval=1) as workers,
    ):
        await workers.serve(next_task, max_concurrent=10_000)


async def work(name: bytes) -> None:
    """Begin anew when the broker is lost: who asked will ask again."""
    async with trio_mq.Req(connect="tcp://broker:5556", heartbeat_interval=1) as req:
        result = READY
        while True:
            try:
                *envelope, question = await req.request(result)
            except trio_mq.PeerLost:
                result = READY
            else:
                await trio.sleep(0.1)
                result = (*envelope, question + b" by " + name)


async def main() -> None:
    """Silence a worker, crash the broker, and ask all the time, in a network in memory."""
    async with Network(seed=1) as network, trio.open_nursery() as nursery:
        server, client = network.host("broker"), network.host("client")
        nursery.start_soon(server.keep_running, broker)
        for name in ("ada", "grace"):
            nursery.start_soon(network.host(name).keep_running, work, name.encode())
        retry = trio_mq.Retry(attempts=None, patience=2)
        async with trio_mq.Req(connect="tcp://broker:5555", context=client) as req:
            for number in range(30):
                if number == 10:
                    network.silence("ada", "broker")
                if number == 20:
                    server.crash()
                    server.restart()
                print((await req.request(b"%d" % number, retry=retry)).text)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
