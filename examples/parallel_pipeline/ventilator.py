"""The ventilator: hand out files, and hand out again what was lost with a worker.

A Push loses nothing that it has not wholly written, but what a worker has received and not finished
is gone when the worker is. Only the sink knows what is finished, so the sink acknowledges every
file. When a worker's connection ends, every file that is out and not acknowledged is *in doubt*:
some are lost, the others are just being counted by other workers. Files in doubt go to the end of
the list, behind all that was never handed out. Until their turn comes, most of those that were not
lost have been acknowledged, and are struck off. The rest is sent again; should one of them be
counted twice after all, the sink ignores the second table.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import attrs
import trio

import trio_mq

from .identifiers import find_sources
from .role import announce, run, tell
from .worker import BUFFER

#: Seconds to wait for all workers; then those who are there begin.
PATIENCE = 10.0


def in_order(files: Iterable[str]) -> OrderedDict[str, None]:
    """Return a queue from whose middle, too, a file is quickly struck off."""
    return OrderedDict.fromkeys(files)


@attrs.define(eq=False)
class Tasks:
    """Every file is in one of three states: to be handed out, out, or done."""

    waiting: OrderedDict[str, None] = attrs.field(converter=in_order)
    #: In the order in which they were handed out.
    out: dict[str, None] = attrs.field(factory=dict)
    doubted: set[str] = attrs.field(factory=set)
    sent_again: list[str] = attrs.field(factory=list)
    _news: trio.Event = attrs.field(factory=trio.Event)

    async def take(self) -> str | None:
        """Return the next file to hand out, when there is one; None when all are done."""
        while self.waiting or self.out:
            if self.waiting:
                # It counts as out before it is sent: a worker may be lost during the sending.
                file, _ = self.waiting.popitem(last=False)
                self.out[file] = None
                return file
            self._news = trio.Event()
            await self._news.wait()
        return None

    def acknowledge(self, file: str) -> None:
        """The sink has the table of this file."""
        self.out.pop(file, None)
        self.waiting.pop(file, None)
        self._news.set()

    def doubt(self) -> int:
        """A worker is lost: put whatever is out at the end of the list, and return how many."""
        count = len(self.out)
        self.waiting.update(self.out)
        self.doubted.update(self.out)
        self.out.clear()
        self._news.set()
        return count

    def again(self, file: str) -> bool:
        """Tell, and note, that a file is being handed out again."""
        if file in self.doubted:
            self.sent_again.append(file)
        return file in self.doubted


async def hand_out(push: trio_mq.Push, folder: Path, tasks: Tasks) -> None:
    """Send one file after another, for as long as any is not done."""
    while (file := await tasks.take()) is not None:
        if tasks.again(file):
            tell(f"sent again: {file}")
        source = await trio.Path(folder / file).read_bytes()
        await push.send([os.fsencode(file), source])


async def strike_off(finished: trio_mq.Pull, tasks: Tasks) -> None:
    """Take the acknowledgements of the sink."""
    async for file in finished:
        tasks.acknowledge(os.fsdecode(bytes(file)))


async def watch(events: trio_mq.EventStream, tasks: Tasks) -> None:
    """Notice when a worker is lost."""
    async for event in events:
        match event:
            case trio_mq.Disconnected(peer=peer, reason=reason):
                worker = peer.metadata.get("X-Worker", b"a worker").decode()
                tell(f"{worker} has left ({reason}), files in doubt: {tasks.doubt()}")
            case _:
                pass


async def ventilate(folder: str, workers: str, finished: str) -> None:
    """Hand out all Python files of a folder until every one of them is done."""
    tasks = Tasks(find_sources(Path(folder)))
    async with (
        trio_mq.Push(send_hwm=1, send_buffer=BUFFER) as push,
        trio_mq.Pull(connect=finished) as acknowledgements,
        trio.open_nursery() as nursery,
    ):
        announce(tasks=await push.bind("tcp://127.0.0.1:*"))
        nursery.start_soon(watch, push.events(), tasks)
        nursery.start_soon(strike_off, acknowledgements, tasks)
        with trio.move_on_after(PATIENCE):
            await push.wait_for_peers(int(workers))
        await hand_out(push, Path(folder), tasks)
        nursery.cancel_scope.cancel()
    if tasks.doubted:
        tell(summary(len(tasks.doubted), tasks.sent_again))


def summary(doubted: int, sent_again: Iterable[str]) -> str:
    """Say what became of the files in doubt."""
    again = len(set(sent_again))
    return f"files in doubt: {doubted}, done all the same: {doubted - again}, sent again: {again}"


if __name__ == "__main__":
    run(ventilate, *sys.argv[1:])
