"""The sink: add up the tables, acknowledge each, publish the progress and answer questions."""

from __future__ import annotations

import json
import os

import trio

import trio_mq

from .role import announce, run
from .tally import Tally, to_json

ANY_PORT = "tcp://127.0.0.1:*"


async def collect(
    results: trio_mq.Pull, finished: trio_mq.Push, progress: trio_mq.Pub, tally: Tally
) -> None:
    """Add every table that comes, and tell the ventilator that its file is done."""
    async for file, worker, size, table in results:
        if tally.add(os.fsdecode(file), worker.decode(), int(size), json.loads(table)):
            await finished.send(file)
        await progress.send([b"progress", to_json(tally.progress())])


async def answer(questions: trio_mq.Rep, tally: Tally) -> None:
    """Answer whoever asks, at any time."""
    async for question in questions:
        await questions.send(to_json(reply_to(question.text, tally)))


def reply_to(question: str, tally: Tally) -> object:
    """Return the answer to one question."""
    match question.split():
        case ["top", number] if number.isdecimal():
            return tally.identifiers.most_common(int(number))
        case ["totals"]:
            return tally.totals()
        case _:
            return {"error": f"no answer to {question!r}: ask 'top 5' or 'totals'"}


async def sink() -> None:
    """Bind all four sockets where there is room, say where, and serve them."""
    tally = Tally()
    async with (
        trio_mq.Pull() as results,
        trio_mq.Push() as finished,
        trio_mq.Pub() as progress,
        trio_mq.Rep() as questions,
        trio.open_nursery() as nursery,
    ):
        announce(
            results=await results.bind(ANY_PORT),
            finished=await finished.bind(ANY_PORT),
            progress=await progress.bind(ANY_PORT),
            questions=await questions.bind(ANY_PORT),
        )
        nursery.start_soon(collect, results, finished, progress, tally)
        nursery.start_soon(answer, questions, tally)


if __name__ == "__main__":
    run(sink)
