"""Whole sessions of libzmq, as recorded between two of its own sockets (4.3.5, NULL).

Each end of every session is played by one of our connections: the recorded bytes of the other end
go in, and what comes out must be the recorded bytes of the end that we play.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs
import pytest

from tests.zmtp.pair import GREETING, cuts, feed
from trio_mq.zmtp import (
    Cancel,
    Connection,
    Event,
    Messages,
    PeerReady,
    Ping,
    Pong,
    Role,
    SocketType,
    Subscribe,
)

#: What an end sent after its greeting: READY, then each thing with the event that it is.
Said = list[tuple[str, Event]]


@attrs.frozen
class End:
    """One end of a recorded session; its bytes in hexadecimal."""

    socket_type: SocketType
    ready: str
    said: Said
    routing_id: bytes = b""

    @property
    def bytes_said(self) -> bytes:
        """All that it said after its greeting."""
        return bytes.fromhex(self.ready + "".join(data for data, _ in self.said))

    @property
    def events(self) -> list[Event]:
        """What that means."""
        return [event for _, event in self.said]


def message(*frames: bytes) -> Messages:
    """Return the event of one message."""
    return Messages([frames], sum(map(len, frames)))  # type: ignore[list-item]


#: The connecting end first.
SESSIONS: Mapping[str, tuple[End, End]] = {
    "REQ and REP: hello, answered by two frames": (
        End(
            SocketType.REQ,
            "0426 055245414459 0b536f636b65742d54797065 00000003 524551084964656e74697479 00000000",
            [("0100 000568656c6c6f", message(b"", b"hello"))],
        ),
        End(
            SocketType.REP,
            "0419 055245414459 0b536f636b65742d54797065 00000003 524550",
            [("0100 0103776f72 00026c64", message(b"", b"wor", b"ld"))],
        ),
    ),
    "SUB and PUB: a subscription, a message, a cancellation": (
        End(
            SocketType.SUB,
            "0419 055245414459 0b536f636b65742d54797065 00000003 535542",
            [
                ("040b 09535542534352494245 41", Subscribe(b"A")),
                ("0408 0643414e43454c 41", Cancel(b"A")),
            ],
        ),
        End(
            SocketType.PUB,
            "0419 055245414459 0b536f636b65742d54797065 00000003 505542",
            [("010641746f706963 0004626f6479", message(b"Atopic", b"body"))],
        ),
    ),
    "DEALER and ROUTER: a heartbeat": (
        End(
            SocketType.DEALER,
            "042b 055245414459 0b536f636b65742d54797065 00000006 4445414c4552"
            "084964656e74697479 00000002 6d65",
            [("0407 0450494e47 000a", Ping(1.0, b""))],
            routing_id=b"me",
        ),
        End(
            SocketType.ROUTER,
            "0429 055245414459 0b536f636b65742d54797065 00000006 524f55544552"
            "084964656e74697479 00000000",
            [("0405 04504f4e47", Pong(b""))],
        ),
    ),
}

#: How we say what an event says.
SAY: Mapping[type, Callable[[Connection, Event], bytes]] = {
    Messages: lambda c, e: b"".join(c.encode(e.messages)),  # type: ignore[union-attr]
    Subscribe: lambda c, e: c.subscribe(e.topic),  # type: ignore[union-attr]
    Cancel: lambda c, e: c.cancel(e.topic),  # type: ignore[union-attr]
    Ping: lambda c, e: c.ping(e.ttl, e.context),  # type: ignore[union-attr]
    Pong: lambda c, e: c.pong(e.context),  # type: ignore[union-attr]
}


def both_ends() -> Iterator[tuple[End, End, Role]]:
    """Yield the end that we play, the one that was recorded, and our role."""
    for connecting, accepting in SESSIONS.values():
        yield connecting, accepting, Role.CONNECTING
        yield accepting, connecting, Role.ACCEPTING


def play(ours: End, theirs: End, role: Role) -> Connection:
    """Return our connection with the recorded handshake done."""
    connection = Connection(ours.socket_type, role, routing_id=ours.routing_id)
    events = feed(connection, [GREETING, bytes.fromhex(theirs.ready)])
    assert [type(event) for event in events] == [PeerReady]
    connection.accept()
    return connection


@pytest.mark.parametrize(("ours", "theirs", "role"), [*both_ends()])
def test_we_say_what_libzmq_said(ours: End, theirs: End, role: Role) -> None:
    """Byte for byte, from the greeting to the last message."""
    connection = play(ours, theirs, role)
    said = connection.data_to_send()
    for _, event in ours.said:
        said += SAY[type(event)](connection, event)
    assert said == GREETING + ours.bytes_said


@pytest.mark.parametrize(("ours", "theirs", "role"), [*both_ends()])
def test_we_understand_what_libzmq_said(ours: End, theirs: End, role: Role) -> None:
    """However its bytes were cut on the way."""
    for pieces in cuts(GREETING + theirs.bytes_said):
        connection = Connection(ours.socket_type, role, routing_id=ours.routing_id)
        events: list[Event] = []
        for piece in pieces:
            events += feed(connection, [piece])
            if connection.peer is not None and not connection.established:
                connection.accept()
        assert [*events[1:], *feed(connection, [b""])] == theirs.events


def test_the_routing_id_arrives() -> None:
    """The dealer of the third session is "me"."""
    dealer, router = SESSIONS["DEALER and ROUTER: a heartbeat"]
    peer = play(router, dealer, Role.ACCEPTING).peer
    assert peer is not None
    assert peer.routing_id == b"me"


def test_a_denial_of_libzmq_is_understood() -> None:
    """What its NULL server sends when its authenticator says 400."""
    connection = Connection(SocketType.REQ, Role.CONNECTING)
    with pytest.raises(Exception, match="status 400"):
        feed(connection, [GREETING, bytes.fromhex("040a 054552524f52 03 343030")])
