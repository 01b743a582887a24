"""Move a file of any size in pieces that the receiver asks for, a few ahead."""

import itertools
import tempfile

import trio

import trio_mq

SERVER = "inproc://files"
PIECE = 250_000
AHEAD = 10  # pieces on the way: as many as keep the line busy


async def serve(folder: trio.Path) -> None:
    """Read the piece of the file that is asked for, out of this folder and no other."""

    async def piece(request: trio_mq.Request) -> bytes:
        name, start = request.message
        async with await (folder / trio.Path(name.decode()).name).open("rb") as file:
            await file.seek(int(start))
            return await file.read(PIECE)

    async with trio_mq.Rep(bind=SERVER) as rep:
        await rep.serve(piece)


async def fetch(name: str, target: trio.Path) -> None:
    """Let several tasks ask for one piece after the other, until one comes back empty."""
    starts = itertools.count(0, PIECE)

    async def fill() -> None:
        async with await target.open("r+b") as file:
            for start in starts:
                reply = await req.request([name.encode(), b"%d" % start])
                await file.seek(start)
                if not await file.write(bytes(reply)):
                    return

    await target.touch()
    async with trio_mq.Req(connect=SERVER) as req, trio.open_nursery() as nursery:
        for _ in range(AHEAD):
            nursery.start_soon(fill)


async def main() -> None:
    """Make a file, fetch it, and compare."""
    with tempfile.TemporaryDirectory() as name:
        source, target = trio.Path(name, "source"), trio.Path(name, "target")
        await source.write_bytes(bytes(range(256)) * 20_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, trio.Path(name))
            await fetch("source", target)
            nursery.cancel_scope.cancel()
        print("the same:", await source.read_bytes() == await target.read_bytes())


if __name__ == "__main__":
    trio.run(main)
