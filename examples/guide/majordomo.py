"""Majordomo (MDP 0.2): one broker for services with names, in whatever language they are."""

import itertools
import math
from collections import defaultdict
from typing import TypeAlias

import trio

import trio_mq

BROKER = "inproc://broker"
CLIENT, WORKER = b"MDPC02", b"MDPW02"
READY, REQUEST, PARTIAL, FINAL, HEARTBEAT, DISCONNECT = (b"%c" % n for n in range(1, 7))
INTERVAL, EXPIRY = 2.5, 10.0  # seconds between signs of life, and until a silent worker is lost


Queue: TypeAlias = tuple[
    trio.MemorySendChannel[list[bytes]], trio.MemoryReceiveChannel[list[bytes]]
]


class Worker:
    """What the broker knows of a worker: its life, which ends by itself, and whether it is done."""

    def __init__(self) -> None:
        self.life, self.done = trio.CancelScope(), trio.Event()


class Broker:
    """Each service has a queue, where workers wait: who has waited for longest is served first."""

    def __init__(self, router: trio_mq.Router, nursery: trio.Nursery) -> None:
        self.router, self.nursery, self.numbers = router, nursery, itertools.count()
        self.workers: dict[bytes, Worker] = {}
        self.asked: dict[bytes, tuple[list[bytes], bytes, bytes]] = {}  # by number
        self.queues: defaultdict[bytes, Queue] = defaultdict(
            lambda: trio.open_memory_channel[list[bytes]](math.inf)
        )

    async def run(self) -> None:
        """Hear clients and workers, and pass over what is neither."""
        async for message in self.router:
            empty = message.index(b"") if b"" in message else 0
            match message[empty + 1 :]:
                case (header, first, service, *body) if header == CLIENT:
                    number = b"%d" % next(self.numbers)
                    self.asked[number] = ([*message[: empty + 1], CLIENT], first, service)
                    self.queues[service][0].send_nowait([number, b"", *body])
                case (header, command, *body) if header == WORKER:
                    await self.hear(message[0], command, body)

    async def hear(self, name: bytes, command: bytes, body: list[bytes]) -> None:
        """Do what a worker says; whatever it says is a sign of life."""
        if command == READY and body and name not in self.workers:
            self.workers[name] = Worker()
            self.nursery.start_soon(self.attend, name, self.workers[name], body[0])
        if name not in self.workers:
            await self.tell(name, DISCONNECT)  # it comes again, and says what it serves
            return
        worker = self.workers[name]
        worker.life.deadline = trio.current_time() + EXPIRY
        match command, body:
            case (b"\x03" | b"\x04", [number, _, *reply]) if number in self.asked:
                back, first, service = self.asked[number]
                # RFC 18 counts the commands of clients from 1; majortomo does as with workers'.
                said = [b"%c" % (command[0] - 1), service] if first == b"\x01" else [command]
                await self.router.send([*back, *said, *reply])
                if command == FINAL:
                    worker.done.set()
            case (b"\x06", _):
                worker.life.cancel()

    async def attend(self, name: bytes, worker: Worker, service: bytes) -> None:
        """Give a worker one request after the other, until it leaves or falls silent."""
        with worker.life:
            self.nursery.start_soon(self.beat, name, worker)
            while True:
                request = await self.queues[service][1].receive()
                worker.done = trio.Event()
                await self.tell(name, REQUEST, *request)
                try:
                    await worker.done.wait()
                finally:
                    del self.asked[request[0]]
        del self.workers[name]
        await self.tell(name, DISCONNECT)

    async def beat(self, name: bytes, worker: Worker) -> None:
        """Show a worker that the broker is alive."""
        while self.workers.get(name) is worker:
            await self.tell(name, HEARTBEAT)
            await trio.sleep(INTERVAL)

    async def tell(self, name: bytes, command: bytes, *body: bytes) -> None:
        """Send a worker a command."""
        await self.router.send([name, b"", WORKER, command, *body])


async def broker(endpoint: str) -> None:
    """Run until cancelled."""
    async with trio_mq.Router(bind=endpoint) as router, trio.open_nursery() as nursery:
        await Broker(router, nursery).run()


async def work(endpoint: str, service: bytes) -> None:
    """Serve: answer with what was asked, in capitals, a second later."""

    async def beat() -> None:
        while True:
            await trio.sleep(INTERVAL)
            await dealer.send([b"", WORKER, HEARTBEAT])

    async with trio_mq.Dealer(connect=endpoint) as dealer, trio.open_nursery() as nursery:
        await dealer.send([b"", WORKER, READY, service])
        nursery.start_soon(beat)
        async for _, _, command, *rest in dealer:
            if command == DISCONNECT:
                await dealer.send([b"", WORKER, READY, service])
            elif command == REQUEST:
                client, _, *body = rest
                await trio.sleep(1)
                await dealer.send([b"", WORKER, FINAL, client, b"", *map(bytes.upper, body)])


async def ask(endpoint: str, service: bytes, *body: bytes) -> list[bytes]:
    """Be a client, and ask again when there is no answer."""
    async with trio_mq.Req(connect=endpoint) as req:
        retry = trio_mq.Retry(attempts=5, patience=5)
        _, _, _, *reply = await req.request([CLIENT, b"\x01", service, *body], retry=retry)
        return reply


async def main() -> None:
    """Ask for a service before there is a worker, and for two things at once when there are two."""
    async with trio.open_nursery() as nursery:

        async def say(word: bytes) -> None:
            (reply,) = await ask(BROKER, b"shout", word)
            print(reply.decode(), "after", round(trio.current_time() - began), "s")

        began = trio.current_time()
        nursery.start_soon(broker, BROKER)
        async with trio.open_nursery() as clients:
            clients.start_soon(say, b"early")
            await trio.sleep(2)
            nursery.start_soon(work, BROKER, b"shout")
        nursery.start_soon(work, BROKER, b"shout")
        await trio.sleep(1)
        async with trio.open_nursery() as clients:
            clients.start_soon(say, b"both")
            clients.start_soon(say, b"at once")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
