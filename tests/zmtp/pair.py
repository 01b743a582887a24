"""What the tests of the wire share: two connections back to back, and ways to cut bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from trio_mq import HandshakeError, Message
from trio_mq.zmtp import (
    Connection,
    Event,
    LocalProtocolError,
    Messages,
    PeerReady,
    RemoteProtocolError,
    Role,
    SocketType,
)

GREETING = bytes.fromhex("ff00000000000000017f0301") + b"NULL".ljust(20, b"\0") + bytes(32)
#: Whatever bytes come in, nothing else may come out of a connection.
DOCUMENTED = (RemoteProtocolError, HandshakeError)


class ConnectionPair:
    """Two connections whose bytes go straight to each other."""

    def __init__(
        self,
        connecting: Connection | SocketType = SocketType.PUSH,
        accepting: Connection | SocketType = SocketType.PULL,
    ) -> None:
        if isinstance(connecting, SocketType):
            connecting = Connection(connecting, Role.CONNECTING)
        if isinstance(accepting, SocketType):
            accepting = Connection(accepting, Role.ACCEPTING)
        self.connecting = connecting
        self.accepting = accepting

    def exchange(self) -> list[Event]:
        """Carry the bytes of the handshake until there are none; return what it told."""
        told: list[Event] = []
        while any([*self._carry(told)]):
            pass
        return told

    def _carry(self, told: list[Event]) -> Iterator[bytes]:
        both = (self.connecting, self.accepting)
        for speaker, listener in (both, both[::-1]):
            data = speaker.data_to_send()
            yield data
            listener.receive_data(data)
            told += events_of(listener)

    def establish(self) -> ConnectionPair:
        """Shake hands, both ends accepting whoever comes."""
        while not (self.connecting.established and self.accepting.established):
            for event in self.exchange():
                assert isinstance(event, PeerReady)
            for connection in (self.accepting, self.connecting):
                if not connection.established:
                    try:
                        connection.accept()
                    except LocalProtocolError:
                        continue  # its peer's READY is still to come
        return self


def established(socket_type: SocketType = SocketType.PULL, **options: object) -> Connection:
    """Return a connection of this type that has accepted a fitting peer."""
    peer = next(t for t in SocketType if t.may_talk_to(socket_type))
    connection = Connection(socket_type, Role.ACCEPTING, **options)  # type: ignore[arg-type]
    ConnectionPair(Connection(peer, Role.CONNECTING), connection).establish()
    return connection


def events_of(connection: Connection) -> list[Event]:
    """Return all that a connection has to tell now."""
    return list(iter(connection.next_event, None))


def feed(connection: Connection, pieces: Iterable[bytes]) -> list[Event]:
    """Give it pieces and return all that it tells, runs of messages flattened to one event each."""
    told: list[Event] = []
    for piece in pieces:
        connection.receive_data(piece)
        for event in events_of(connection):
            told += split(event)
    return told


def split(event: Event) -> list[Event]:
    """Return an event per message, so that the cuts of the bytes do not show."""
    if isinstance(event, Messages):
        return [Messages([message], sum(map(len, message))) for message in event.messages]
    return [event]


def messages_of(events: Iterable[Event]) -> list[Message]:
    """Return the messages of the events, in order."""
    runs = [event.messages for event in events if isinstance(event, Messages)]
    return [message for run in runs for message in run]


def cuts(data: bytes) -> list[list[bytes]]:
    """Return the same bytes whole, one by one, and in two pieces at every place."""
    one_by_one = [data[at : at + 1] for at in range(len(data))]
    return [[data], one_by_one, *([data[:at], data[at:]] for at in range(1, len(data)))]
