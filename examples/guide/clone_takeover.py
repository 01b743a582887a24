"""A table that clients share, on two servers: a change that is confirmed is on both of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

import trio_mq
from trio_mq.testing import Network

SILENT = 2.0  # seconds after which the other server is taken for dead


class Table:
    """What is shared, and the number of the last change in it."""

    def __init__(self) -> None:
        self.number, self.values = 0, dict[str, str]()

    def change(self, number: int, key: bytes, value: bytes) -> bool:
        """Make a change if it is the next one, and tell whether it is in the table now."""
        if number == self.number + 1:
            self.number, self.values[key.decode()] = number, value.decode()
        return number <= self.number

    def dump(self) -> list[bytes]:
        """Return all of it."""
        return [b"%d" % self.number, json.dumps(self.values).encode()]

    def load(self, number: bytes, values: bytes = b"") -> None:
        """Take over all of it from somebody who has more."""
        if values and int(number) > self.number:
            self.number, self.values = int(number), json.loads(values)


class Server:
    """One of the two: it works, or it has a copy and waits."""

    def __init__(self, name: str, other: str, peer: trio_mq.Req, pub: trio_mq.Pub) -> None:
        self.name, self.other, self.peer, self.pub = name, other, peer, pub
        self.table, self.line = Table(), trio.Lock()
        self.works, self.heard = False, trio.current_time()

    async def answer(self, request: trio_mq.Request) -> list[bytes]:
        """Answer the other server if this one waits, and clients if it works, or should."""
        match request.message:
            case (b"copy", number, key, value) if not self.works:
                copied = self.table.change(int(number), key, value)
                return [b"copied" if copied else b"all, please"]
            case (b"load", number, values) if not self.works:
                self.table.load(number, values)
                return [b"copied"]
        self.works = self.works or trio.current_time() - self.heard > SILENT
        match request.message:
            case (b"get",) if self.works:
                return self.table.dump()
            case (b"set", key, value) if self.works:
                async with self.line:  # one change after the other
                    await self.change(key, value)
                return [b"done"]
        return [b"not me"]

    async def change(self, key: bytes, value: bytes) -> None:
        """Make a change here, at the other server if it is there, and at all clients."""
        number = self.table.number + 1
        self.table.change(number, key, value)
        with suppress(trio_mq.PeerLost), trio.move_on_after(SILENT):
            if self.peer.peers:
                reply = await self.peer.request([b"copy", b"%d" % number, key, value])
                if reply == b"all, please":
                    await self.peer.request([b"load", *self.table.dump()])
        await self.pub.send([b"%d" % number, key, value])

    async def listen(self, news: trio_mq.Sub) -> None:
        """Hear that the other one works, and catch up with it after a start."""
        async for number, *_ in news:
            self.heard = trio.current_time()
            if self.works and self.name < self.other:  # both have begun to: one gives way
                self.works, self.table = False, Table()
            if int(number) > self.table.number:
                with suppress(trio_mq.PeerLost), trio.move_on_after(SILENT):
                    self.table.load(*await self.peer.request([b"get"]))


async def serve(name: str, other: str) -> None:
    """Be the server of that name."""
    async with (
        trio_mq.Rep(bind="tcp://*:5555") as rep,
        trio_mq.Pub(bind="tcp://*:5556") as pub,
        trio_mq.Req(connect=f"tcp://{other}:5555", heartbeat_interval=1) as peer,
        trio_mq.Sub(connect=f"tcp://{other}:5556", topics="", heartbeat_interval=1) as news,
        trio.open_nursery() as nursery,
    ):
        server = Server(name, other, peer, pub)
        nursery.start_soon(rep.serve, server.answer)
        nursery.start_soon(server.listen, news)
        while True:
            if server.works:
                await pub.send([b"%d" % server.table.number, b"", b""])  # a sign of life
            await trio.sleep(SILENT / 4)


class Client:
    """A copy of the table, and the servers, with the one in front that worked last."""

    def __init__(self, servers: list[tuple[str, trio_mq.Req]], news: trio_mq.Sub) -> None:
        self.table, self.servers, self.news = Table(), servers, news

    async def ask(self, *question: bytes) -> trio_mq.Message:
        """Ask until there is an answer that is not a no."""
        while True:
            with trio.move_on_after(2 * SILENT), suppress(trio_mq.PeerLost):
                reply = await self.servers[0][1].request(question)
                if reply != b"not me":
                    return reply
            self.servers.reverse()
            await trio.sleep(0.1)

    async def follow(self) -> None:
        """Make the changes that are told; when one is missing, as at the beginning, get all."""
        async for number, key, value in self.news:
            if key:
                self.table.change(int(number), key, value)
            if int(number) > self.table.number:
                self.table.load(*await self.ask(b"get"))


@asynccontextmanager
async def joined(host: trio_mq.Context) -> AsyncIterator[Client]:
    """Be a client for the length of a block."""
    async with (
        trio_mq.Req(connect="tcp://ada:5555", context=host) as ada,
        trio_mq.Req(connect="tcp://grace:5555", context=host) as grace,
        trio_mq.Sub(topics="", heartbeat_interval=1, context=host) as news,
        trio.open_nursery() as nursery,
    ):
        for name in ("ada", "grace"):
            await news.connect(f"tcp://{name}:5556")
        client = Client([("ada", ada), ("grace", grace)], news)
        nursery.start_soon(client.follow)
        yield client
        nursery.cancel_scope.cancel()


async def main() -> None:
    """Crash the server that works, start it again, and later crash the other one as well."""
    async with Network(seed=1) as net, trio.open_nursery() as nursery:
        for name, other in (("ada", "grace"), ("grace", "ada")):
            nursery.start_soon(net.host(name).keep_running, serve, name, other)
        async with joined(net.host("writer")) as writer, joined(net.host("reader")) as reader:
            for number in range(40):
                await writer.ask(b"set", b"key %d" % number, b"%d" % number)
                works, _ = writer.servers[0]
                if number in {10, 30}:
                    print(works, "has", number + 1, "changes, and crashes")
                    net.host(works).crash()
                if number == 20:
                    net.host("ada" if works == "grace" else "grace").restart()
                await trio.sleep(0.5)
            await trio.sleep(SILENT)
            for client in (writer, reader):
                values = client.table.values
                print(len(values), sum(map(int, values.values())))
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
