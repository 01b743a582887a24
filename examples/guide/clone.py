"""A table that clients share: a snapshot first, then the changes that came after it."""

import json

import trio

import trio_mq

CHANGES, UPDATES, SNAPSHOT = "inproc://changes", "inproc://updates", "inproc://snapshot"


async def serve() -> None:
    """Give each change a number, keep the table, and tell everybody."""
    table: dict[str, str] = {}
    number = 0
    async with (
        trio_mq.Pull(bind=CHANGES) as changes,
        trio_mq.Pub(bind=UPDATES) as updates,
        trio_mq.Rep(bind=SNAPSHOT) as snapshots,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(snapshots.serve, lambda _: json.dumps([number, table]).encode())
        async for key, value in changes:
            number += 1
            table[key.decode()] = value.decode()
            await updates.send([b"%d" % number, key, value])


async def follow(table: dict[str, str]) -> None:
    """Keep a copy. A gap in the numbers, also the one at the beginning, asks for a snapshot."""
    last = 0
    async with (
        trio_mq.Sub(connect=UPDATES, topics="") as updates,
        trio_mq.Req(connect=SNAPSHOT) as snapshots,
    ):
        async for number, key, value in updates:
            if int(number) > last + 1:
                last, known = json.loads(bytes(await snapshots.request(b"")))
                table.update(known)
            if int(number) == last + 1:
                table[key.decode()] = value.decode()
                last += 1


async def main() -> None:
    """Change the table, with one client from the beginning and one that comes late."""
    tables: list[dict[str, str]] = [{}, {}]
    async with trio.open_nursery() as nursery, trio_mq.Push(connect=CHANGES) as push:
        nursery.start_soon(serve)
        for number in range(10):
            if number in {0, 6}:
                nursery.start_soon(follow, tables[number // 6])
            await push.send([b"key %d" % (number % 4), b"%d" % number])
            await trio.sleep(1)
        print(*tables, sep="\n")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
