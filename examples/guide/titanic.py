"""Requests on a disk: they are answered one day, whoever goes down meanwhile."""

import sqlite3
import sys
from contextlib import closing

import trio

import trio_mq

STORE, SERVICE = "inproc://store", "inproc://service"
TABLE = "create table if not exists work (number integer primary key, request blob, reply blob)"
FIND = "select reply from work where number = ? and reply is not null"
NEXT = "select number, request from work where reply is null order by number"


async def keep(table: sqlite3.Connection) -> None:
    """Write requests down, have one after the other answered, and hand out the replies."""
    news = trio.Event()

    def do(request: trio_mq.Request) -> list[bytes]:
        match request.message:
            case (b"keep", body):
                news.set()
                added = table.execute("insert into work (request) values (?)", (body,))
                return [b"kept", b"%d" % (added.lastrowid or 0)]
            case (b"fetch", number):
                return [b"reply", *(table.execute(FIND, (int(number),)).fetchone() or ())]
            case (b"forget", number):
                table.execute("delete from work where number = ?", (int(number),))
        return [b"done"]

    async with (
        trio_mq.Rep(bind=STORE) as rep,
        trio_mq.Req(connect=SERVICE) as req,
        trio.open_nursery() as nursery,
    ):
        table.execute(TABLE)
        nursery.start_soon(rep.serve, do)
        while True:
            news = trio.Event()
            for number, body in table.execute(NEXT).fetchall():
                reply = await req.request(body, retry=trio_mq.Retry(attempts=None))
                table.execute("update work set reply = ? where number = ?", (bytes(reply), number))
            await news.wait()


async def serve() -> None:
    """Be the service, which knows nothing of all this."""
    async with trio_mq.Rep(bind=SERVICE) as rep:
        await rep.serve(lambda request: bytes(request.message).upper())


async def ask(*words: bytes) -> list[bytes]:
    """Ask the store."""
    async with trio_mq.Req(connect=STORE) as req:
        return list(await req.request(words, retry=trio_mq.Retry(attempts=None)))


def open_table(file: str) -> closing[sqlite3.Connection]:
    """Open the file; each statement that is done is on the disk."""
    return closing(sqlite3.connect(file, isolation_level=None))


async def main(file: str) -> None:
    """Leave a request, sink the store and raise it again, and fetch the reply tomorrow."""
    with open_table(file) as table:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, table)
            _, number = await ask(b"keep", b"hello")
            print("not yet:", await ask(b"fetch", number))
            nursery.cancel_scope.cancel()
    with open_table(file) as table:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, table)
            nursery.start_soon(serve)
            await trio.sleep(24 * 60 * 60)
            print("tomorrow:", await ask(b"fetch", number))
            await ask(b"forget", number)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
