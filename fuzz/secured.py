# Invariant: whatever is changed on the way between two ends of NULL, PLAIN or CURVE, each end goes
# on, waits, or ends with a RemoteProtocolError or a HandshakeError and nothing else; under CURVE
# what was delivered is a beginning of what was sent, and what is changed is never asked about.
"""Feeds chance to the handshakes of mechanisms, in both roles: ``python -m fuzz.secured``.

The first byte of an input chooses the mechanism, who is its server, and which end is lied to. The
rest are changes of what that end hears: three bytes each, two for the place and one for what is
done to the byte there; past the end, it is put in.
"""

from __future__ import annotations

import random
from typing import Final

from fuzz.guided import main
from trio_mq import HandshakeError, Limits, SocketType, auth
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    MechanismFactory,
    Messages,
    Null,
    PeerReady,
    RemoteProtocolError,
    Role,
)
from trio_mq.zmtp.z85 import z85_decode

SERVER: Final = auth.CurveKeys(secret=bytes(range(32)))
CLIENT: Final = auth.CurveKeys(secret=bytes(range(32, 64)))
CLIENT_KEY: Final = z85_decode(CLIENT.public)
SENT: Final = [(b"first",), (b"", b"second"), (b"third" * 100,)]
LIMITS: Final = Limits(max_unknown_commands=2)


def _mechanisms(choice: int) -> tuple[MechanismFactory, MechanismFactory, bool]:
    """Return those of server and client, and whether they seal what they say."""
    draw = random.Random(choice).randbytes
    match choice % 3:
        case 0:
            return Null(), Null(), False
        case 1:
            return auth.PlainServer(), auth.PlainClient("alice", "secret"), False
        case _:
            return (
                auth.CurveServer(SERVER, random_bytes=draw),
                auth.CurveClient(CLIENT, server=SERVER.public, random_bytes=draw),
                True,
            )


class _End:
    """One end, which ends as it should."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.asked: list[tuple[bytes, ...]] = []
        self.delivered: list[tuple[bytes, ...]] = []
        self.over = False

    def hear(self, data: bytes) -> None:
        try:
            self.connection.receive_data(data)
            for event in iter(self.connection.next_event, None):
                self._take(event)
        except (RemoteProtocolError, HandshakeError):
            self.over = True

    def _take(self, event: object) -> None:
        match event:
            case CredentialsReceived(credentials=credentials):
                self.asked.append(credentials)
                self.connection.authenticated()
            case PeerReady():
                self.connection.accept()
            case Messages(messages=messages):
                self.delivered += [tuple(message) for message in messages]

    def say(self) -> bytes:
        return b"" if self.over else self.connection.data_to_send()


def _changed(said: bytes, heard: int, changes: list[tuple[int, int]]) -> bytes:
    """Return what is heard of what is said, at this place of the stream."""
    data = bytearray(said)
    for place, value in changes:
        at = place - heard
        if 0 <= at < len(data):
            data[at] ^= value
        elif at == len(data):
            data.append(value)
    return bytes(data)


def check(data: bytes) -> None:
    """Try one input."""
    choice = data[0] if data else 0
    changes = [
        (int.from_bytes(data[at : at + 2], "big") % 1200, data[at + 2])
        for at in range(1, len(data) - 2, 3)
    ]
    server, client, sealed = _mechanisms(choice)
    ends = [
        _End(Connection(SocketType.PULL, Role.ACCEPTING, mechanism=server, limits=LIMITS)),
        _End(Connection(SocketType.PUSH, Role.CONNECTING, mechanism=client, limits=LIMITS)),
    ]
    if choice & 0x40:  # the server dials
        ends[0].connection = Connection(
            SocketType.PULL, Role.CONNECTING, mechanism=server, limits=LIMITS
        )
        ends[1].connection = Connection(
            SocketType.PUSH, Role.ACCEPTING, mechanism=client, limits=LIMITS
        )
    victim = choice >> 7
    _converse(ends, victim, changes)
    if sealed:
        assert ends[0].delivered == SENT[: len(ends[0].delivered)], "changed, and delivered"
        assert all(asked == (CLIENT_KEY,) for asked in ends[0].asked), "another key"


def _converse(ends: list[_End], victim: int, changes: list[tuple[int, int]]) -> None:
    heard, sent = 0, False
    for _ in range(12):
        for speaker, listener in ((1, 0), (0, 1)):
            said = ends[speaker].say()
            if speaker == 1 and ends[1].connection.established and not (sent or ends[1].over):
                said += b"".join(ends[1].connection.encode(SENT))
                sent = True
            if not said or ends[listener].over:
                continue
            if listener == victim:
                before, heard = heard, heard + len(said)
                said = _changed(said, before, changes)
            ends[listener].hear(said)


if __name__ == "__main__":
    main("secured", check)
