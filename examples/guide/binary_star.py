"""Two servers: one works, and the other takes over when it is gone and somebody asks."""

from contextlib import suppress

import trio

import trio_mq
from trio_mq.testing import Network

SILENT = 2.0  # seconds after which the other server is taken for dead


async def serve(name: str, other: str) -> None:
    """Answer as long as the other doesn't; a new server listens for a while before it does."""
    active, heard = False, trio.current_time()

    def answer(request: trio_mq.Request) -> list[bytes]:
        nonlocal active
        active = active or trio.current_time() - heard > SILENT
        return [bytes(request.message), name.encode() if active else b""]

    async def listen() -> None:
        nonlocal active, heard
        async for _ in news:
            heard = trio.current_time()
            active = active and name < other  # both have begun to work: one gives way

    async with (
        trio_mq.Rep(bind="tcp://*:5555") as rep,
        trio_mq.Pub(bind="tcp://*:5556") as pub,
        trio_mq.Sub(connect=f"tcp://{other}:5556", topics="") as news,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(rep.serve, answer)
        nursery.start_soon(listen)
        while True:
            if active:
                await pub.send(b"I am at work")
            await trio.sleep(SILENT / 4)


async def ask(servers: list[trio_mq.Req], question: bytes) -> str:
    """Ask the server that worked last, and the other one when there is no answer, or a no."""
    while True:
        with trio.move_on_after(1), suppress(trio_mq.PeerLost):
            _, name = await servers[0].request(question)
            if name:
                return name.decode()
        servers.reverse()
        await trio.sleep(0.1)


async def main() -> None:
    """Crash the server that works after ten questions, and start it again after twenty."""
    async with Network(seed=1) as net, trio.open_nursery() as nursery:
        for name, other in (("ada", "grace"), ("grace", "ada")):
            nursery.start_soon(net.host(name).keep_running, serve, name, other)
        client = net.host("client")
        async with (
            trio_mq.Req(connect="tcp://ada:5555", context=client) as ada,
            trio_mq.Req(connect="tcp://grace:5555", context=client) as grace,
        ):
            servers, first = [ada, grace], ""
            for number in range(30):
                if number == 10:
                    net.host(first).crash()
                if number == 20:
                    net.host(first).restart()
                name = await ask(servers, b"%d" % number)
                first = first or name
                print(number, "by", name)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
