"""The fuzzing program keeps its invariant on its own inputs, and would see it broken."""

from __future__ import annotations

import itertools
import random

import pytest

from fuzz import connection
from trio_mq.zmtp import Connection


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
