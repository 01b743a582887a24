"""The diagrams in the docstrings, and so in the documentation, are drawn from the tables."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from trio_mq.zmtp import Role, curve, handshake, plain
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.handshake import Decision, State, Table


def drawn(table: Table) -> str:
    """Draw the way from the greeting to the end, with what is sent on it."""
    state, steps = State.GREETING, [State.GREETING.name]
    while state is not State.ESTABLISHED:
        # The one that leads on: neither an ERROR, nor a refusal, nor a question that leads back.
        moves = [
            move
            for step, move in table[state].items()
            if step not in (Command.ERROR, Decision.REFUSE) and move.state is not state
        ]
        (move,) = moves
        if move.sends is not None:
            steps.append(f"send {move.sends.name}")
        state = move.state
        steps.append(state.name)
    return " -> ".join(steps)


TABLES: list[tuple[ModuleType, str, Table]] = [
    (handshake, "NULL, connecting", handshake.NULL_TABLES[Role.CONNECTING]),
    (handshake, "NULL, accepting", handshake.NULL_TABLES[Role.ACCEPTING]),
    (plain, "PLAIN, client", plain.CLIENT_TABLE),
    (plain, "PLAIN, server", plain.SERVER_TABLE),
    (curve, "CURVE, client", curve.CLIENT_TABLE),
    (curve, "CURVE, server", curve.SERVER_TABLE),
]


@pytest.mark.parametrize(("module", "title", "table"), TABLES)
def test_a_diagram_shows_what_its_table_says(module: ModuleType, title: str, table: Table) -> None:
    """Line ends and indentation apart."""
    text = re.sub(r"\s+", " ", module.__doc__ or "")
    assert f"{title} {drawn(table)}" in text
    following = text.partition(f"{title} {drawn(table)}")[2]
    assert not following.startswith(" ->"), "the diagram goes on where the table ends"


@pytest.mark.parametrize(("module", "title", "table"), TABLES)
def test_whatever_the_state_an_error_ends_it_or_has_no_place(
    module: ModuleType, title: str, table: Table
) -> None:
    """Where the peer is to speak, it may speak an ERROR."""
    del module, title
    for state, steps in table.items():
        if any(isinstance(step, Command) for step in steps):
            assert steps[Command.ERROR] == handshake.FAILED, state
