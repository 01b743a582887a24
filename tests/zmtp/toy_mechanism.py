"""A security mechanism that is none, and uses all of the interface of mechanisms."""

from __future__ import annotations

import attrs

from tests.zmtp.pair import ConnectionPair
from trio_mq import Limits, ProtocolFault
from trio_mq.zmtp import Connection, RemoteProtocolError, Role, SocketType
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.handshake import Decision, Move, State, Table

CLIENT: Table = {
    State.GREETING: {Decision.GREETED: Move(State.EXPECT_WELCOME, sends=Command.HELLO)},
    State.EXPECT_WELCOME: {
        Command.WELCOME: Move(State.EXPECT_READY, sends=Command.INITIATE),
        Command.ERROR: Move(State.FAILED),
    },
    State.EXPECT_READY: {Command.READY: Move(State.JUDGING), Command.ERROR: Move(State.FAILED)},
    State.JUDGING: {Decision.ACCEPT: Move(State.ESTABLISHED)},
}
SERVER: Table = {
    State.GREETING: {Decision.GREETED: Move(State.EXPECT_HELLO)},
    State.EXPECT_HELLO: {Command.HELLO: Move(State.AUTHENTICATING)},
    State.AUTHENTICATING: {
        Decision.AUTHENTICATE: Move(State.EXPECT_INITIATE, sends=Command.WELCOME),
        Decision.REFUSE: Move(State.FAILED, sends=Command.ERROR),
    },
    State.EXPECT_INITIATE: {Command.INITIATE: Move(State.JUDGING)},
    State.JUDGING: {Decision.ACCEPT: Move(State.ESTABLISHED, sends=Command.READY)},
}


@attrs.define(eq=False)
class Rot:
    """A toy: four commands, a password, frames turned by a number that WELCOME hands over."""

    table: Table
    ours: bytes
    clear: bool = False
    overhead: int = 1
    metadata: bytes = b""
    credentials: tuple[bytes, ...] = ()
    shift: int = 7

    def write(self, command: Command) -> bytes:
        """Introduce ourselves in INITIATE and READY."""
        said = {Command.HELLO: b"password", Command.WELCOME: bytes([self.shift])}
        return said.get(command, bytes([self.shift]) + self.ours)

    def read(self, command: Command, data: bytes) -> None:
        """Take the password, the number, the introduction."""
        if command is Command.HELLO:
            self.credentials = (data,)
        elif command is Command.WELCOME:
            self.shift = data[0]
        else:
            assert data[0] == self.shift, "INITIATE was written before WELCOME was read"
            self.metadata = data[1:]

    def seal(self, flags: int, body: bytes, /) -> bytes:
        """Turn every byte."""
        return bytes((byte + self.shift) % 256 for byte in bytes([flags]) + body)

    def open(self, body: bytes, /) -> tuple[int, bytes]:
        """Turn every byte back."""
        if not body:
            raise RemoteProtocolError(ProtocolFault.MALFORMED_COMMAND, "nothing to open")
        plain = bytes((byte - self.shift) % 256 for byte in body)
        return plain[0], plain[1:]


@attrs.frozen
class RotFactory:
    """The option: which side of the toy we are."""

    as_server: bool
    name: str = "ROT"

    def start(self, role: Role, metadata: bytes, limits: Limits) -> Rot:
        """Servers choose another number than clients would."""
        del role, limits
        return Rot(SERVER, metadata, shift=9) if self.as_server else Rot(CLIENT, metadata)


def rot_pair(client: SocketType, server: SocketType) -> ConnectionPair:
    """Return a client that accepts and a server that connects: roles are another matter."""
    return ConnectionPair(
        Connection(server, Role.CONNECTING, mechanism=RotFactory(as_server=True)),
        Connection(client, Role.ACCEPTING, mechanism=RotFactory(as_server=False)),
    )


def established_rot(client: SocketType, server: SocketType) -> ConnectionPair:
    """Return the pair after its handshake."""
    pair = rot_pair(client, server)
    pair.exchange()
    pair.connecting.authenticated("anna", {"Group": b"staff"})
    pair.exchange()
    return pair.establish()
