"""What may come when, between the first byte and the first message: rules, then tables.

There are two rules:

1. All knowledge of order is in tables of this form, one per mechanism and role. No other code
   asks "am I in a state in which this may come?"; a step that a table does not list is refused.
2. Tables know nothing of bytes. What a command says is the business of the mechanism, and
   whether the peer suits us is the business of the owner; both only report the step.

A step is either a *command* that the peer sent or a *decision* taken on our side. A move names
the state that follows and the command that we send on the way, if any. That is why NULL, PLAIN
and CURVE differ so little here: ::

    NULL, connecting   GREETING -> send READY -> EXPECT_READY -> JUDGING -> ESTABLISHED
    NULL, accepting    GREETING -> EXPECT_READY -> JUDGING -> send READY -> ESTABLISHED

JUDGING is where every handshake waits for its owner. The accepting end sends its READY only
after that: a libzmq peer that is turned away before READY keeps its queue and dials again, one
that is turned away after READY loses its queue, and one that gets an ERROR never dials again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final, TypeAlias

import attrs

from trio_mq._errors import LocalProtocolError, ProtocolFault, RemoteProtocolError

from .commands import Command


class Role(enum.Enum):
    """Who opened the connection; only NULL derives from it who speaks first."""

    CONNECTING = "connecting"
    """We dialled."""

    ACCEPTING = "accepting"
    """The peer did."""


class State(enum.Enum):
    """What the handshake waits for."""

    GREETING = "the peer's greeting"
    EXPECT_HELLO = "HELLO"
    EXPECT_WELCOME = "WELCOME"
    EXPECT_INITIATE = "INITIATE"
    EXPECT_READY = "READY"
    AUTHENTICATING = "the authenticator's verdict"
    JUDGING = "the owner to accept or refuse the peer"
    ESTABLISHED = "nothing: messages may flow"
    FAILED = "nothing: it is over"


class Decision(enum.Enum):
    """A step that our own side takes."""

    GREETED = "greeted"
    AUTHENTICATE = "authenticate"
    ACCEPT = "accept"
    REFUSE = "refuse"


Step: TypeAlias = Command | Decision


@attrs.frozen(eq=False, repr=False)
class Move:
    """Where a step leads, and what we send on the way."""

    state: State
    sends: Command | None = None


Table: TypeAlias = Mapping[State, Mapping[Step, Move]]

FAILED: Final = Move(State.FAILED)
"""Where the peer's ERROR, and a refusal of ours, lead in every mechanism."""

TURNED_AWAY: Final = Move(State.FAILED, sends=Command.ERROR)

NULL_TABLES: Final[Mapping[Role, Table]] = {
    Role.CONNECTING: {
        State.GREETING: {
            Decision.GREETED: Move(State.EXPECT_READY, sends=Command.READY),
        },
        State.EXPECT_READY: {
            Command.READY: Move(State.JUDGING),
            Command.ERROR: FAILED,
        },
        State.JUDGING: {
            Decision.ACCEPT: Move(State.ESTABLISHED),
            Decision.REFUSE: TURNED_AWAY,
        },
    },
    Role.ACCEPTING: {
        State.GREETING: {
            Decision.GREETED: Move(State.EXPECT_READY),
        },
        State.EXPECT_READY: {
            Command.READY: Move(State.JUDGING),
            Command.ERROR: FAILED,
        },
        State.JUDGING: {
            # NULL has no credentials to ask about, but an address may belong to a user.
            Decision.AUTHENTICATE: Move(State.JUDGING),
            Decision.ACCEPT: Move(State.ESTABLISHED, sends=Command.READY),
            Decision.REFUSE: TURNED_AWAY,
        },
    },
}


_WHY_LEFT: Final[Mapping[State, str]] = {
    State.EXPECT_WELCOME: ", as a server does whose key is another one, or that has nobody to ask"
    " about its clients",
}
"""What it usually means when a peer leaves without a word."""


@attrs.define(eq=False, repr=False)
class Handshake:
    """Walks a table; it remembers one thing, the state."""

    table: Table
    state: State = attrs.field(default=State.GREETING, init=False)

    def take(self, step: Step) -> Command | None:
        """Make a step and return the command that we have to send for it, if any.

        Raises:
            RemoteProtocolError: The peer sent a command that has no place here.
            LocalProtocolError: Our own side took a decision that is not due now.
        """
        move = self.table.get(self.state, {}).get(step)
        if move is None:
            raise self._refusal(step)
        self.state = move.state
        return move.sends

    def fail(self) -> None:
        """End it, whatever the state: the peer broke the protocol."""
        self.state = State.FAILED

    @property
    def introduced(self) -> bool:
        """Whether the peer has said who it is, so that nothing is missing but a verdict on it."""
        follows = self.table.get(self.state, {}).get(Decision.AUTHENTICATE)
        return follows is not None and follows.state is State.JUDGING

    def explain_end(self) -> str:
        """Return what it means if the peer ends the stream here."""
        left = f"the peer left while the handshake waited for {self.state.value}"
        return left + _WHY_LEFT.get(self.state, "")

    def _refusal(self, step: Step) -> RemoteProtocolError | LocalProtocolError:
        if isinstance(step, Command):
            return RemoteProtocolError(
                ProtocolFault.UNEXPECTED_COMMAND,
                f"the peer sent {step.name} while the handshake expected {self.state.value}",
            )
        return LocalProtocolError(
            f"cannot {step.value} now: the handshake waits for {self.state.value}"
        )
