"""PLAIN: a user name and a password, in the clear (RFC 24).

::

    PLAIN, client   GREETING -> send HELLO -> EXPECT_WELCOME -> send INITIATE -> EXPECT_READY
                    -> JUDGING -> ESTABLISHED
    PLAIN, server   GREETING -> EXPECT_HELLO -> AUTHENTICATING -> send WELCOME -> EXPECT_INITIATE
                    -> JUDGING -> send READY -> ESTABLISHED

It does not matter who connects: a client may well listen. Anybody on the way can read the password,
and a client gives it to whoever is at the other end. So this is for one machine, a network that you
trust, or the inside of a tunnel.

HELLO is a user name and a password, each after one byte with its length; WELCOME is empty;
INITIATE and READY are metadata. The authenticator is asked after HELLO, before the peer has said
what it is.
"""

from __future__ import annotations

from typing import ClassVar, Final

import attrs

from trio_mq._errors import LocalProtocolError
from trio_mq._limits import Limits

from .commands import Command, malformed
from .handshake import FAILED, TURNED_AWAY, Decision, Move, Role, State, Table

_LONGEST: Final = 255

CLIENT_TABLE: Final[Table] = {
    State.GREETING: {
        Decision.GREETED: Move(State.EXPECT_WELCOME, sends=Command.HELLO),
    },
    State.EXPECT_WELCOME: {
        Command.WELCOME: Move(State.EXPECT_READY, sends=Command.INITIATE),
        Command.ERROR: FAILED,
    },
    State.EXPECT_READY: {
        Command.READY: Move(State.JUDGING),
        Command.ERROR: FAILED,
    },
    State.JUDGING: {
        # A server has no credentials here, but its address may be asked about.
        Decision.AUTHENTICATE: Move(State.JUDGING),
        Decision.ACCEPT: Move(State.ESTABLISHED),
        Decision.REFUSE: TURNED_AWAY,
    },
}

SERVER_TABLE: Final[Table] = {
    State.GREETING: {
        Decision.GREETED: Move(State.EXPECT_HELLO),
    },
    State.EXPECT_HELLO: {
        Command.HELLO: Move(State.AUTHENTICATING),
        Command.ERROR: FAILED,
    },
    State.AUTHENTICATING: {
        Decision.AUTHENTICATE: Move(State.EXPECT_INITIATE, sends=Command.WELCOME),
        Decision.REFUSE: TURNED_AWAY,
    },
    State.EXPECT_INITIATE: {
        Command.INITIATE: Move(State.JUDGING),
        Command.ERROR: FAILED,
    },
    State.JUDGING: {
        Decision.ACCEPT: Move(State.ESTABLISHED, sends=Command.READY),
        Decision.REFUSE: TURNED_AWAY,
    },
}


def _text(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _credential(_: object, field: attrs.Attribute[bytes], value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{field.name} is str or bytes, not {type(value).__name__}")
    if len(value) > _LONGEST:
        raise ValueError(
            f"a {field.name} of {len(value)} bytes is not allowed: give at most {_LONGEST}"
        )


@attrs.frozen
class PlainClient:
    """Say a user name and a password to the server, whoever that is (RFC 24).

    Args:
        username: At most 255 bytes; ``str`` is sent as UTF-8.
        password: The same. It goes over the network in the clear.

    Raises:
        ValueError: One of them is too long.
    """

    name: ClassVar[str] = "PLAIN"
    """Its name in the greeting."""

    as_server: ClassVar[bool] = False
    """Whether the greeting says that we are the server."""

    username: bytes = attrs.field(converter=_text, validator=_credential)
    password: bytes = attrs.field(converter=_text, validator=_credential, repr=False)

    def start(self, role: Role, metadata: bytes, limits: Limits) -> PlainMechanism:
        """Return the state of one new connection."""
        del role, limits
        return PlainMechanism(CLIENT_TABLE, metadata, _sized(self.username) + _sized(self.password))


@attrs.frozen
class PlainServer:
    """Ask each peer for a user name and a password, and the authenticator about them (RFC 24).

    A server needs ``authenticator=``; without one, ``bind`` refuses.
    """

    name: ClassVar[str] = "PLAIN"
    """Its name in the greeting."""

    as_server: ClassVar[bool] = True
    """Whether the greeting says that we are the server."""

    def start(self, role: Role, metadata: bytes, limits: Limits) -> PlainMechanism:
        """Return the state of one new connection."""
        del role, limits
        return PlainMechanism(SERVER_TABLE, metadata)


@attrs.define(eq=False, repr=False)
class PlainMechanism:
    """One connection's share of PLAIN, in either role."""

    table: Table
    _ours: bytes
    _hello: bytes = b""
    metadata: bytes = attrs.field(default=b"", init=False)
    credentials: tuple[bytes, ...] = attrs.field(default=(), init=False)
    clear: ClassVar[bool] = True
    overhead: ClassVar[int] = 0

    def write(self, command: Command) -> bytes:
        """Return the data of a command of ours."""
        match command:
            case Command.HELLO:
                return self._hello
            case Command.WELCOME:
                return b""
            case _:
                return self._ours

    def read(self, command: Command, data: bytes) -> None:
        """Take the data of a command of the peer.

        Raises:
            RemoteProtocolError: A name or a password does not fill its place, or WELCOME says more
                than that.
        """
        match command:
            case Command.HELLO:
                self.credentials = _split_hello(data)
            case Command.WELCOME:
                if data:
                    raise malformed(f"a WELCOME with {len(data)} bytes of data: PLAIN has none")
            case _:
                self.metadata = data

    def seal(self, _flags: int, _body: bytes, /) -> bytes:
        """Refuse: nothing is sealed in the clear."""
        raise LocalProtocolError("PLAIN seals nothing: send frames as they are")

    def open(self, _body: bytes, /) -> tuple[int, bytes]:
        """Refuse: nothing is sealed in the clear."""
        raise LocalProtocolError("PLAIN opens nothing: take frames as they are")


def _sized(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def _split_hello(data: bytes) -> tuple[bytes, bytes]:
    username, rest = _take(data)
    password, rest = _take(rest)
    if rest:
        raise malformed(f"{len(rest)} bytes follow the password of a HELLO")
    return username, password


def _take(data: bytes) -> tuple[bytes, bytes]:
    """Return a text after its length, and what follows it."""
    end = 1 + data[0] if data else 1
    if end > len(data):
        raise malformed("the user name or the password of a HELLO runs over its end")
    return data[1:end], data[end:]
