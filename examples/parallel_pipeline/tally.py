"""What has been counted so far, and how it is told to others."""

from __future__ import annotations

import json
from collections import Counter
from typing import TypedDict

import attrs


class Progress(TypedDict):
    """How far the sink is, as it publishes it."""

    files: int
    size: int
    repeated: int
    workers: dict[str, int]


class Totals(TypedDict):
    """The whole result, as the sink answers it."""

    progress: Progress
    identifiers: dict[str, int]
    unreadable: list[str]


@attrs.define(eq=False)
class Tally:
    """The sum of the tables of all files, each counted once."""

    identifiers: Counter[str] = attrs.field(factory=Counter)
    done: set[str] = attrs.field(factory=set)
    #: Files that could not be tokenised.
    unreadable: list[str] = attrs.field(factory=list)
    size: int = 0
    #: Tables that came once more, and were ignored.
    repeated: int = 0
    workers: Counter[str] = attrs.field(factory=Counter)

    def add(self, file: str, worker: str, size: int, table: dict[str, int] | None) -> bool:
        """Add the table of a file, or tell that this file was counted before."""
        if file in self.done:
            self.repeated += 1
            return False
        self.done.add(file)
        self.size += size
        self.workers[worker] += 1
        if table is None:
            self.unreadable.append(file)
        else:
            self.identifiers.update(table)
        return True

    def progress(self) -> Progress:
        """Return how far this is."""
        return Progress(
            files=len(self.done),
            size=self.size,
            repeated=self.repeated,
            workers=dict(self.workers),
        )

    def totals(self) -> Totals:
        """Return everything."""
        return Totals(
            progress=self.progress(),
            identifiers=dict(self.identifiers),
            unreadable=sorted(self.unreadable),
        )


def to_json(value: object) -> bytes:
    """Return the frame in which a value travels."""
    return json.dumps(value).encode()


def differences(one: Totals, other: Totals) -> list[str]:
    """Say how two results differ; nothing if they are the same."""
    found = []
    if one["progress"]["files"] != other["progress"]["files"]:
        found.append(f"{one['progress']['files']} files against {other['progress']['files']}")
    if one["unreadable"] != other["unreadable"]:
        found.append(f"not tokenised: {one['unreadable']} against {other['unreadable']}")
    mine, others = one["identifiers"], other["identifiers"]
    found += [
        f"{name}: {mine.get(name, 0)} against {others.get(name, 0)}"
        for name in sorted(mine.keys() | others.keys())
        if mine.get(name, 0) != others.get(name, 0)
    ]
    return found
