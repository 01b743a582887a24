"""The order of the handshake: the table walked, and everything outside it refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from trio_mq.zmtp import LocalProtocolError, ProtocolFault, RemoteProtocolError, Role
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.handshake import NULL_TABLES, Decision, Handshake, State, Step

STEPS: list[Step] = [*Command, *Decision]


def at(role: Role, state: State) -> Handshake:
    """Return a handshake that has come to this state."""
    handshake = Handshake(NULL_TABLES[role])
    handshake.state = state
    return handshake


def outside(role: Role) -> Iterator[tuple[Role, State, Step]]:
    """Yield every pair of state and step that the table does not have."""
    for state in State:
        for step in STEPS:
            if step not in NULL_TABLES[role].get(state, {}):
                yield role, state, step


def test_the_connecting_end_sends_ready_first() -> None:
    """It need not wait for anything but the greeting."""
    handshake = Handshake(NULL_TABLES[Role.CONNECTING])
    assert handshake.take(Decision.GREETED) is Command.READY
    assert handshake.take(Command.READY) is None
    assert handshake.take(Decision.ACCEPT) is None
    assert handshake.state is State.ESTABLISHED


def test_the_accepting_end_sends_ready_only_for_a_peer_that_it_accepts() -> None:
    """A peer turned away before READY keeps what it wants to send, and comes back."""
    handshake = Handshake(NULL_TABLES[Role.ACCEPTING])
    assert handshake.take(Decision.GREETED) is None
    assert handshake.take(Command.READY) is None
    assert handshake.take(Decision.ACCEPT) is Command.READY
    assert handshake.state is State.ESTABLISHED


@pytest.mark.parametrize("role", Role)
def test_a_refused_peer_is_told_and_it_is_over(role: Role) -> None:
    """ERROR goes out from either end."""
    handshake = at(role, State.JUDGING)
    assert handshake.take(Decision.REFUSE) is Command.ERROR
    assert handshake.state is State.FAILED


@pytest.mark.parametrize("role", Role)
def test_an_error_of_the_peer_ends_it(role: Role) -> None:
    """Instead of its READY."""
    handshake = at(role, State.EXPECT_READY)
    assert handshake.take(Command.ERROR) is None
    assert handshake.state is State.FAILED


@pytest.mark.parametrize(
    ("role", "state", "step"), [*outside(Role.CONNECTING), *outside(Role.ACCEPTING)]
)
def test_what_the_table_does_not_list_is_refused(role: Role, state: State, step: Step) -> None:
    """The peer is to blame for commands, our own side for decisions; the state stays."""
    handshake = at(role, state)
    with pytest.raises((RemoteProtocolError, LocalProtocolError)) as caught:
        handshake.take(step)
    assert handshake.state is state
    if isinstance(caught.value, RemoteProtocolError):
        assert caught.value.fault is ProtocolFault.UNEXPECTED_COMMAND
    assert isinstance(caught.value, RemoteProtocolError) is isinstance(step, Command)


@pytest.mark.parametrize("role", Role)
def test_every_listed_state_is_reached_from_the_greeting(role: Role) -> None:
    """A row that no walk comes to would be dead."""
    table, reached, queue = NULL_TABLES[role], {State.GREETING}, deque([State.GREETING])
    while queue:
        following = {move.state for move in table.get(queue.popleft(), {}).values()}
        queue.extend(following - reached)
        reached |= following
    assert reached == {*table, State.ESTABLISHED, State.FAILED}
