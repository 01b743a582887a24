"""Two ends under PLAIN or CURVE, and one of CURVE whose keys and random numbers are known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tests.zmtp.pair import ConnectionPair
from trio_mq import Limits, auth
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    LocalProtocolError,
    MechanismFactory,
    Role,
    SocketType,
)
from trio_mq.zmtp.commands import Command
from trio_mq.zmtp.curve import CurveClientMechanism, CurveServerMechanism


def known(name: str) -> bytes:
    """Return the secret key of that name."""
    return hashlib.sha256(f"trio_mq test key {name}".encode()).digest()


def nonce(name: str) -> bytes:
    """Return the random part of a nonce."""
    return hashlib.sha256(f"nonce {name}".encode()).digest()[:16]


#: What each end draws, in order.
CLIENT_DRAWS = (known("Cp"), nonce("vouch"))
SERVER_DRAWS = (
    known("Sp"),
    hashlib.sha256(b"cookie key").digest(),
    nonce("cookie"),
    nonce("welcome"),
)
SERVER_KEYS = auth.CurveKeys(secret=known("S"))
CLIENT_KEYS = auth.CurveKeys(secret=known("C"))


def draws(*values: bytes) -> Callable[[int], bytes]:
    """Return a source of random bytes that gives these, over and over."""
    left: list[bytes] = []

    def draw(size: int) -> bytes:
        left[:] = left or values
        drawn = left.pop(0)
        assert len(drawn) == size, "another number of random bytes than the test knows"
        return drawn

    return draw


def curve_server(**options: object) -> auth.CurveServer:
    """Return the server whose keys and random numbers are known."""
    return auth.CurveServer(SERVER_KEYS, random_bytes=draws(*SERVER_DRAWS), **options)  # type: ignore[arg-type]


def curve_client(**options: object) -> auth.CurveClient:
    """Return the client whose keys and random numbers are known."""
    return auth.CurveClient(
        CLIENT_KEYS,
        server=SERVER_KEYS.public,
        random_bytes=draws(*CLIENT_DRAWS),
        **options,  # type: ignore[arg-type]
    )


class CurveHandshake:
    """The data of each command between the two, one end after the other."""

    def __init__(self, metadata: bytes = b"", **options: object) -> None:
        self.client: CurveClientMechanism = curve_client(**options).start(
            Role.CONNECTING, metadata, Limits()
        )
        self.server: CurveServerMechanism = curve_server(**options).start(
            Role.ACCEPTING, metadata, Limits()
        )
        self.hello: bytes = self.client.write(Command.HELLO)

    def welcome(self) -> bytes:
        """Let the server read HELLO, and return its answer."""
        self.server.read(Command.HELLO, self.hello)
        return self.server.write(Command.WELCOME)

    def initiate(self) -> bytes:
        """Go on, and return the client's answer."""
        self.client.read(Command.WELCOME, self.welcome())
        return self.client.write(Command.INITIATE)

    def ready(self) -> bytes:
        """Go on, and return the server's answer."""
        self.server.read(Command.INITIATE, self.initiate())
        return self.server.write(Command.READY)

    def finish(self) -> CurveHandshake:
        """Go on to the end."""
        self.client.read(Command.READY, self.ready())
        return self


def pair_of(
    client: MechanismFactory,
    server: MechanismFactory,
    client_type: SocketType = SocketType.PUSH,
    server_type: SocketType = SocketType.PULL,
    *,
    server_connects: bool = False,
) -> ConnectionPair:
    """Return a client and a server, either of which may be the one that connects."""
    roles = (Role.ACCEPTING, Role.CONNECTING) if server_connects else tuple(Role)
    theirs = Connection(client_type, roles[0], mechanism=client)
    ours = Connection(server_type, roles[1], mechanism=server)
    return ConnectionPair(*((ours, theirs) if server_connects else (theirs, ours)))


def establish(pair: ConnectionPair, user_id: str | None = None) -> ConnectionPair:
    """Shake hands; whoever asks about credentials is told that they are good."""
    while not (pair.connecting.established and pair.accepting.established):
        asked = any(isinstance(event, CredentialsReceived) for event in pair.exchange())
        for connection in (pair.accepting, pair.connecting):
            try:
                if asked:
                    connection.authenticated(user_id)
                else:
                    connection.accept()
            except LocalProtocolError:
                continue  # this end is not the one that has to decide
    return pair
