"""The fuzzing program keeps its invariant on its own inputs, and would see it broken."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from fuzz import connection, guided, secured, texts
from trio_mq.zmtp import Connection
from trio_mq.zmtp.sealed import SealedTraffic


def test_damaged_sessions_keep_the_invariant() -> None:
    """A few hundred of them, the same each time."""
    connection.run(500)


def test_an_exception_of_another_kind_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the input that brought it out."""

    def buggy(_: Connection) -> None:
        raise KeyError

    monkeypatch.setattr(Connection, "next_event", buggy)
    with pytest.raises(KeyError):
        connection.run(1)


def test_inputs_reach_beyond_the_handshake() -> None:
    """Else the harness would test greetings alone."""
    inputs = itertools.islice(connection.sessions(random.Random(1)), 300)
    told = [connection._story(data[0], [data[2:]])[0] for data in inputs]
    assert sum(len(events) > 1 for events in told) > 100


TARGETS = {"texts": texts.check, "secured": secured.check}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_keeps_its_invariant(target: str) -> None:
    """On its corpus, and on a few hundred damaged inputs, the same each time."""
    good = guided.seeds(target)
    guided.run(TARGETS[target], iter(good), len(good))
    guided.run(TARGETS[target], guided.damaged(good, random.Random(0)), 300)


@pytest.mark.parametrize("target", ["connection", "secured", "texts"])
def test_every_target_says_its_invariant_first(target: str) -> None:
    """Who reads a crash wants to know what was broken."""
    program = Path(guided.__file__).with_name(f"{target}.py")
    assert program.read_text("utf-8").startswith("# Invariant: ")


def test_what_is_changed_and_delivered_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target for mechanisms would notice a seal that is not looked at."""
    opened = SealedTraffic.open

    def careless(self: SealedTraffic, body: bytes) -> tuple[int, bytes]:
        flags, text = opened(self, body)
        return flags, text[::-1]

    monkeypatch.setattr(SealedTraffic, "open", careless)
    with pytest.raises(AssertionError, match="changed, and delivered"):
        guided.run(secured.check, iter(guided.seeds("secured")), 100)
