"""One ZMTP connection without its I/O: bytes in, events out; calls in, bytes out.

The owner moves the bytes and decides; a typical turn::

    connection.receive_data(sock.recv(65536))
    while (event := connection.next_event()) is not None:
        match event:
            case PeerReady():
                connection.accept()
            case Messages(messages):
                ...
    sock.sendall(connection.data_to_send())

What belongs to the handshake comes out of `Connection.data_to_send`; messages, pings and
subscriptions are returned by the calls that make them, so that the owner may queue, share and
order them as it likes. Under a mechanism that seals frames they have to be written in the order
in which they were made.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Final

import attrs

from .._errors import (
    AuthenticationFailed,
    HandshakeError,
    IncompatiblePeer,
    LocalProtocolError,
    ProtocolFault,
    RemoteProtocolError,
)
from .._message import Frames, Message, size_of
from .._options import Limits
from .commands import (
    TRAFFIC,
    Command,
    error_data,
    join_command,
    parse_error,
    ping_data,
    pong_data,
    split_command,
)
from .events import (
    Cancel,
    CredentialsReceived,
    Event,
    Messages,
    PeerProperties,
    PeerReady,
    Ping,
    Pong,
    Subscribe,
)
from .frames import (
    COMMAND,
    MORE,
    FrameDecoder,
    FrameLimits,
    encode_frame,
    encode_messages,
    wire_size,
)
from .greeting import Greeting, GreetingReader
from .handshake import Decision, Handshake, Role, State, Step
from .mechanism import INNER_COMMAND, INNER_MORE, MechanismFactory, Null
from .metadata import meet_peer, our_metadata, parse_metadata
from .socket_types import SocketType

_UNLIMITED: Final = 2**63
#: The longest command that is no subscription: ERROR with a reason of 255 bytes.
_LONGEST_COMMAND: Final = 262
_SUBSCRIBE_SIZE: Final = 10
_NEW_MESSAGE: Final = tuple.__new__
_OUR_TURN: Final = (State.GREETING, State.AUTHENTICATING, State.JUDGING)
_STATUSES: Final = frozenset({"300", "400", "500"})


class Connection:
    """Speaks ZMTP 3.0 and 3.1 for one end of one connection.

    Use it to put 0MQ on any I/O: the library's own links are one user of it. It does no I/O,
    reads no clock and draws no random numbers; it is not safe to use from two threads at once.

    Args:
        socket_type: What we are.
        role: Whether we opened the connection or accepted it.
        routing_id: The name under which a Router is to know us, at most 255 bytes.
        metadata: Further properties of ours that the peer may read.
        mechanism: The security mechanism; both ends need the same.
        limits: What the peer may make us hold.
        max_frame_size: Bytes of one frame received; ``None`` is unlimited.
        max_message_size: Bytes of all frames of a message received.
        max_frames: Frames of a message received.

    Raises:
        ValueError: The routing id or a metadata name is not allowed.
    """

    def __init__(
        self,
        socket_type: SocketType,
        role: Role,
        *,
        routing_id: bytes = b"",
        metadata: Mapping[str, bytes] = {},  # noqa: B006 - never changed
        mechanism: MechanismFactory = Null(),  # noqa: B008 - a value
        limits: Limits = Limits(),  # noqa: B008 - a value
        max_frame_size: int | None = None,
        max_message_size: int | None = None,
        max_frames: int | None = None,
    ) -> None:
        self._socket_type = socket_type
        self._mechanism_name = mechanism.name
        self._limits = limits
        self._mechanism = mechanism.start(
            role, our_metadata(socket_type, routing_id, metadata), limits
        )
        self._handshake = Handshake(self._mechanism.table)
        self._greeting = GreetingReader(mechanism.name)
        self._version = (0, 0)
        self._decoder = FrameDecoder(_handshake_limits(limits))
        self._traffic_limits = FrameLimits(
            frame=max_frame_size,
            command=max(limits.max_topic_length + _SUBSCRIBE_SIZE, _LONGEST_COMMAND),
            message=max_message_size,
            frames=max_frames,
            overhead=self._mechanism.overhead,
        )
        self._plain = self._mechanism.clear and not socket_type.has_subscribers
        self._peer: PeerProperties | None = None
        self._user_id: str | None = None
        self._auth_metadata: Mapping[str, bytes] = MappingProxyType({})
        self._asked: State | None = None
        self._unknown_commands = 0
        self._held: Event | RemoteProtocolError | None = None
        self._outgoing = [
            Greeting(mechanism=mechanism.name, as_server=mechanism.as_server).encode()
        ]

    # -- state ---------------------------------------------------------------------------------

    @property
    def established(self) -> bool:
        """Whether messages may flow: the peer was accepted."""
        return self._handshake.state is State.ESTABLISHED

    @property
    def peer(self) -> PeerProperties | None:
        """Who is at the other end, from the `PeerReady` event on."""
        return self._peer

    @property
    def peer_version(self) -> tuple[int, int] | None:
        """Major and minor version of the peer's greeting, once it is whole."""
        return self._version if self._version > (0, 0) else None

    @property
    def clear(self) -> bool:
        """Whether messages pass as they are, so that one `encode_message` serves many peers."""
        return self._mechanism.clear

    @property
    def mid_frame(self) -> bool:
        """Whether a frame or a message has begun to arrive and not ended."""
        return self._decoder.mid_frame

    @property
    def buffered(self) -> int:
        """Bytes that arrived and have not come out of `next_event`."""
        return self._decoder.buffered

    # -- input ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the peer sent, in any segmentation.

        Raises:
            RemoteProtocolError: The greeting is not ZMTP 3; the connection is over.
            MechanismMismatch: The peer wants another mechanism; the connection is over.
            LocalProtocolError: The connection was over before.
        """
        self._check_alive()
        if self._handshake.state is State.GREETING:
            data = self._guarded_greeting(data)
        if data:
            self._decoder.receive(data)

    def receive_buffer(self) -> memoryview | None:
        """Return where to receive the rest of a large frame, or ``None`` to use `receive_data`.

        Ask after `next_event` returned ``None``, and keep no other reference to the buffer: it is
        good for one receive, after which `buffer_filled` must be told the number of bytes.
        """
        return self._decoder.receive_buffer()

    def buffer_filled(self, count: int) -> None:
        """Tell how many bytes were received into `receive_buffer`."""
        self._decoder.buffer_filled(count)

    def next_event(
        self, max_messages: int | None = None, max_bytes: int | None = None
    ) -> Event | None:
        """Return what happened next, or ``None`` if that takes more data or a decision of yours.

        Consecutive messages come as one `Messages`. A message is taken while fewer than
        ``max_messages`` and fewer than ``max_bytes`` of payload are before it in the run; with 0
        for either, nothing is taken until there is room again.

        Raises:
            RemoteProtocolError: The peer broke the protocol or a limit.
            HandshakeError: The handshake failed. In both cases the connection is over: write out
                `data_to_send`, which may hold an ERROR for the peer, and close.
            LocalProtocolError: The connection was over before.
        """
        self._check_alive()
        try:
            if self.established:
                return self._next_in_traffic(
                    _UNLIMITED if max_messages is None else max_messages,
                    _UNLIMITED if max_bytes is None else max_bytes,
                )
            return self._next_in_handshake()
        except (RemoteProtocolError, HandshakeError):
            self._handshake.fail()
            raise

    def _check_alive(self) -> None:
        if self._handshake.state is State.FAILED:
            raise LocalProtocolError("this connection is over: make a new one")

    # -- the owner's decisions -----------------------------------------------------------------

    def authenticated(
        self, user_id: str | None = None, metadata: Mapping[str, bytes] | None = None
    ) -> None:
        """Go on after `CredentialsReceived`: they are good, and belong to this user.

        Under NULL, which has no credentials, an accepting end may say so before `accept`.

        Raises:
            LocalProtocolError: No credentials wait for a verdict.
        """
        self._step(Decision.AUTHENTICATE)
        self._user_id = user_id
        self._auth_metadata = MappingProxyType(dict(metadata or {}))
        if self._peer is not None:
            self._peer = self._with_user(self._peer)

    def accept(self) -> None:
        """Go on after `PeerReady`: messages may flow from now on.

        Raises:
            LocalProtocolError: No peer waits for a verdict.
        """
        self._step(Decision.ACCEPT)
        self._decoder.set_limits(self._traffic_limits)

    def refuse(self, reason: str) -> None:
        """Turn the peer away with an ERROR that gives the reason; a libzmq peer never comes back.

        To let it come back, close the connection without a word instead.

        Raises:
            LocalProtocolError: No peer waits for a verdict.
            ValueError: The reason is not printable ASCII of at most 255 characters.
        """
        data = error_data(reason)
        self._handshake.take(Decision.REFUSE)
        self._queue_command(Command.ERROR, data)

    # -- output --------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """Return what the handshake has to send now, once: greeting, commands, ERROR."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def encode(self, messages: Sequence[Frames]) -> list[bytes]:
        """Return the wire form of messages as buffers to write in order.

        Small frames are joined, large ones stay what they are: nothing large is copied.

        Raises:
            LocalProtocolError: The connection is not established.
        """
        self._check_established()
        if self._mechanism.clear:
            return encode_messages(messages)
        return [self._seal_message(message) for message in messages]

    def wire_size(self, message: Frames) -> int:
        """Return how many bytes `encode` makes of a message."""
        return wire_size(message, self._mechanism.overhead)

    def ping(self, ttl: float, context: bytes = b"") -> bytes:
        """Return a PING; ``ttl`` is in seconds, 0 for none, and libzmq misreads over 65.5.

        Raises:
            ValueError: ``ttl`` is over 6553.5 or ``context`` over 16 bytes.
            LocalProtocolError: The connection is not established.
        """
        return self._traffic_command(b"PING", ping_data(ttl, context))

    def pong(self, context: bytes) -> bytes:
        """Return the answer to a `Ping` with this context."""
        return self._traffic_command(b"PONG", pong_data(context))

    def subscribe(self, topic: bytes) -> bytes:
        """Return a subscription in the form that the peer's version knows."""
        return self._subscription(b"SUBSCRIBE", b"\x01", topic)

    def cancel(self, topic: bytes) -> bytes:
        """Return the end of a subscription in the form that the peer's version knows."""
        return self._subscription(b"CANCEL", b"\x00", topic)

    def _subscription(self, name: bytes, mark: bytes, topic: bytes) -> bytes:
        # ZMTP 3.0 has no such commands; there it is a message (RFC 23 against RFC 37).
        if self._version > (3, 0):
            return self._traffic_command(name, topic)
        return b"".join(self.encode([(mark + topic,)]))

    def _traffic_command(self, name: bytes, data: bytes) -> bytes:
        self._check_established()
        body = join_command(name, data)
        if self._mechanism.clear:
            return encode_frame(COMMAND, body)
        return encode_frame(0, self._mechanism.seal(INNER_COMMAND, body))

    def _seal_message(self, message: Frames) -> bytes:
        seal, last = self._mechanism.seal, len(message) - 1
        return b"".join(
            encode_frame(0, seal(0 if index == last else INNER_MORE, frame))
            for index, frame in enumerate(message)
        )

    def _check_established(self) -> None:
        if not self.established:
            raise LocalProtocolError(
                f"nothing can be sent yet: waiting for {self._handshake.state.value}"
            )

    # -- handshake -----------------------------------------------------------------------------

    def _guarded_greeting(self, data: bytes) -> bytes:
        try:
            greeting, rest = self._greeting.receive(data)
        except (RemoteProtocolError, HandshakeError):
            self._handshake.fail()
            raise
        if greeting is not None:
            self._version = greeting.version
            self._step(Decision.GREETED)
        return rest

    def _step(self, step: Step) -> None:
        command = self._handshake.take(step)
        if command is not None:
            self._queue_command(command, self._mechanism.write(command))

    def _queue_command(self, command: Command, data: bytes) -> None:
        self._outgoing.append(encode_frame(COMMAND, join_command(command.value, data)))

    def _next_in_handshake(self) -> Event | None:
        while self._handshake.state not in _OUR_TURN:
            frame = self._decoder.next_frame()
            if frame is None:
                return None
            self._read_handshake_command(frame[1])
        return self._question()

    def _read_handshake_command(self, body: bytes) -> None:
        name, data = split_command(body)
        try:
            command = Command(name)
        except ValueError:
            raise _unexpected(name) from None
        self._step(command)
        if command is Command.ERROR:
            raise _error_from_peer(parse_error(data))
        self._mechanism.read(command, data)

    def _question(self) -> Event | None:
        """Return what the owner has to decide now, if it was not asked already."""
        state = self._handshake.state
        if state is self._asked or state is State.GREETING:
            return None
        self._asked = state
        if state is State.AUTHENTICATING:
            return CredentialsReceived(self._mechanism_name, self._mechanism.credentials)
        self._peer = self._with_user(self._meet())
        return PeerReady(self._peer)

    def _with_user(self, peer: PeerProperties) -> PeerProperties:
        return attrs.evolve(peer, user_id=self._user_id, auth_metadata=self._auth_metadata)

    def _meet(self) -> PeerProperties:
        try:
            return meet_peer(
                self._socket_type,
                parse_metadata(self._mechanism.metadata, self._limits),
                version=self._version,
                mechanism=self._mechanism_name,
            )
        except IncompatiblePeer:
            self.refuse("invalid socket type")
            raise
        except RemoteProtocolError:
            self.refuse("invalid metadata")
            raise

    # -- traffic -------------------------------------------------------------------------------

    def _next_in_traffic(self, max_messages: int, max_bytes: int) -> Event | None:
        if self._held is not None:
            return self._release()
        if max_messages <= 0 or max_bytes <= 0:
            return None
        run: list[Frames] = []
        following: Event | RemoteProtocolError | None
        try:
            following = self._fill_run(run, max_messages, max_bytes)
        except RemoteProtocolError as error:
            following = error
        if not run:
            return _raise_or_return(following)
        self._held = following
        return Messages(list(map(_NEW_MESSAGE, repeat(Message), run)), sum(map(size_of, run)))

    def _release(self) -> Event | None:
        held, self._held = self._held, None
        return _raise_or_return(held)

    def _fill_run(self, run: list[Frames], max_messages: int, max_bytes: int) -> Event | None:
        """Collect messages; return the event that ends the run, if it is one."""
        if self._plain:
            self._decoder.next_messages(run, max_messages, max_bytes)
            return None if run else self._next_command()
        payload = 0
        while len(run) < max_messages and payload < max_bytes:
            item = self._next_item()
            if not isinstance(item, tuple):
                return item
            run.append(item)
            payload += size_of(item)
        return None

    def _next_command(self) -> Event | None:
        """Return the event of the next command that has one, before any message."""
        while self._decoder.at_command:
            frame = self._decoder.next_frame()
            event = frame and self._read_command(frame[1])
            if frame is None or event is not None:
                return event
        return None

    def _next_item(self) -> Frames | Event | None:
        """Return the next message or event, one frame at a time: the way that suits all types."""
        while (frame := self._decoder.next_frame()) is not None:
            more, command, body = self._unseal(*frame)
            item = self._read_command(body) if command else self._read_frame(more, body)
            if item is not None:
                return item
        return None

    def _unseal(self, flags: int, body: bytes) -> tuple[bool, bool, bytes]:
        if self._mechanism.clear:
            return bool(flags & MORE), bool(flags & COMMAND), body
        # The outer bits are not protected by the seal, so they say nothing here.
        flags, body = self._mechanism.open(body)
        return bool(flags & INNER_MORE), bool(flags & INNER_COMMAND), body

    def _read_frame(self, more: bool, body: bytes) -> Frames | Event | None:
        message = self._decoder.join(more, body)
        if message is None or len(message) > 1 or not self._socket_type.has_subscribers:
            return message
        # The form that ZMTP 3.0 has for subscriptions; publishers take both from everybody.
        if body[:1] == b"\x01":
            return self._relevant(Subscribe(body[1:]))
        return self._relevant(Cancel(body[1:])) if body[:1] == b"\x00" else message

    def _read_command(self, body: bytes) -> Event | None:
        name, data = split_command(body)
        parse = TRAFFIC.get(name)
        if parse is None:
            self._judge_stranger(name, data)
            return None
        return self._relevant(parse(data))

    def _relevant(self, event: Ping | Pong | Subscribe | Cancel | None) -> Event | None:
        if isinstance(event, (Subscribe, Cancel)):
            if not self._socket_type.has_subscribers:
                return None
            self._judge_topic(event.topic)
        return event

    def _judge_topic(self, topic: bytes) -> None:
        limit = self._limits.max_topic_length
        if len(topic) > limit:
            raise RemoteProtocolError(
                ProtocolFault.SUBSCRIPTION_LIMIT,
                f"a topic of {len(topic)} bytes: max_topic_length allows {limit}",
            )

    def _judge_stranger(self, name: bytes, data: bytes) -> None:
        if name == Command.ERROR.value:
            raise _peer_error(parse_error(data))
        if name in {command.value for command in Command}:
            raise _unexpected(name)
        self._unknown_commands += 1
        if self._unknown_commands > self._limits.max_unknown_commands:
            raise RemoteProtocolError(
                ProtocolFault.UNKNOWN_COMMANDS,
                f"more than max_unknown_commands={self._limits.max_unknown_commands}, "
                f"the last one {name[:32]!r}",
            )


def _raise_or_return(following: Event | RemoteProtocolError | None) -> Event | None:
    if isinstance(following, RemoteProtocolError):
        raise following
    return following


def _handshake_limits(limits: Limits) -> FrameLimits:
    size = limits.max_handshake_frame
    return FrameLimits(frame=0, command=size, message=0, frames=0, messages_allowed=False)


def _unexpected(name: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        ProtocolFault.UNEXPECTED_COMMAND, f"the peer sent {name[:32]!r} where it has no place"
    )


def _peer_error(reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        ProtocolFault.PEER_ERROR, f"the peer ended the connection with ERROR: {reason or 'unsaid'}"
    )


def _error_from_peer(reason: str) -> RemoteProtocolError | AuthenticationFailed:
    if reason in _STATUSES:
        return AuthenticationFailed(f"the peer refused us with status {reason}", reason)
    return _peer_error(reason)
