"""One ZMTP connection without its I/O: bytes in, events out; calls in, bytes out.

The owner moves the bytes and decides; a typical turn::

    connection.receive_data(sock.recv(65536))
    while (event := connection.next_event()) is not None: ...
    sock.sendall(connection.data_to_send())

The example ``zmtp_by_hand.py`` is a whole program. What belongs to the handshake comes out of
`Connection.data_to_send`; messages, pings and subscriptions are returned by the calls that make
them, so that the owner may queue, share and order them as it likes. Under a mechanism that seals
frames they have to be written in the order in which they were made.

This file is longer than most: it is everything that an owner of a connection may call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Self

import attrs

from trio_mq._errors import (
    HandshakeError,
    IncompatiblePeer,
    LocalProtocolError,
    MechanismMismatch,
    RemoteProtocolError,
)
from trio_mq._limits import Limits
from trio_mq._message import Frames, Message

from .commands import (
    Command,
    error_data,
    join_command,
    parse_error,
    ping_data,
    pong_data,
    read_wrong_type,
    refusal,
    split_command,
    unexpected,
    wrong_type,
)
from .decoder import FrameDecoder
from .events import CredentialsReceived, Event, PeerProperties, PeerReady
from .frames import COMMAND, encode_frame, wire_size
from .greeting import GreetingReader, OurGreeting
from .handshake import Decision, Handshake, Role, State
from .mechanism import DeferringMechanism, MechanismFactory, Null
from .metadata import parse_metadata, shown_type
from .sealing import Sealing, seal_later
from .socket_types import SocketType
from .terms import Terms
from .traffic import TrafficReader, TrafficWriter

_UNLIMITED: Final = 2**63
_OUR_TURN: Final = (State.GREETING, State.AUTHENTICATING, State.JUDGING)
_NO_METADATA: Final[Mapping[str, bytes]] = MappingProxyType({})
_NULL: Final = Null()
_DEFAULT_LIMITS: Final = Limits()
#: What is left of the greetings, and of what the handshake has to send, when it is over: the same
#: for every connection, and nobody adds to it.
_GREETED: Final = GreetingReader("")
_ALL_SAID: Final = OurGreeting(b"", _GREETED, version_first=True)
_NOTHING: Final[list[bytes]] = []


def _no_body(_: bytes) -> None:
    """Take nothing: messages don't flow."""


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

    __slots__ = (
        "__weakref__",
        "_asked",
        "_auth_metadata",
        "_decoder",
        "_greeting",
        "_handshake",
        "_later",
        "_mechanism",
        "_open_writer",
        "_our_greeting",
        "_outgoing",
        "_peer",
        "_terms",
        "_traffic",
        "_user_id",
        "_version",
        "body_of",
        "established",
    )

    established: bool
    """Whether messages may flow: the peer was accepted, and nothing has gone wrong since."""

    body_of: Callable[[bytes], bytes | None]
    """Returns the body if bytes are one plain request, or the reply to one, and nothing else.

    That is one small frame after an empty one. ``None``: it is something else, or something came
    before it, and has yet to be given to `take_whole` or `receive_data`.
    """

    def __init__(
        self,
        socket_type: SocketType,
        role: Role,
        *,
        routing_id: bytes = b"",
        metadata: Mapping[str, bytes] = _NO_METADATA,
        mechanism: MechanismFactory = _NULL,
        limits: Limits = _DEFAULT_LIMITS,
        max_frame_size: int | None = None,
        max_message_size: int | None = None,
        max_frames: int | None = None,
    ) -> None:
        self._begin(
            Terms.of(
                socket_type,
                routing_id=routing_id,
                metadata=metadata,
                mechanism=mechanism,
                limits=limits,
                max_frame_size=max_frame_size,
                max_message_size=max_message_size,
                max_frames=max_frames,
            ),
            role,
        )

    @classmethod
    def on(cls, terms: Terms, role: Role) -> Self:
        """Return a connection on terms that it shares with others."""
        connection = cls.__new__(cls)
        connection._begin(terms, role)  # noqa: SLF001  # our own
        return connection

    def _begin(self, terms: Terms, role: Role) -> None:
        self._terms = terms
        self._mechanism = terms.mechanism.start(role, terms.metadata, terms.limits)
        self._handshake = Handshake(self._mechanism.table)
        self.established = False
        self._greeting = GreetingReader(terms.mechanism.name)
        self._version = (0, 0)
        self._decoder = FrameDecoder(terms.handshake)
        self.body_of = _no_body
        self._traffic = TrafficReader(
            self._decoder, self._mechanism, terms.socket_type, terms.limits
        )
        self._open_writer: TrafficWriter | None = None
        #: How large frames are, and who seals them, once they are left to the owner.
        self._later: tuple[int, DeferringMechanism] | None = None
        self._peer: PeerProperties | None = None
        self._user_id: str | None = None
        self._auth_metadata = _NO_METADATA
        self._asked: State | None = None
        self._our_greeting = OurGreeting(
            terms.greeting, self._greeting, version_first=role is Role.ACCEPTING
        )
        self._outgoing = [self._our_greeting.due()]

    # -- state ---------------------------------------------------------------------------------

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
        return self._decoder.buffered + self._traffic.apart

    @property
    def missing(self) -> int:
        """Bytes that are still to come of the frame at hand: how much is worth asking for."""
        return self._decoder.missing

    @property
    def exhausted(self) -> bool:
        """Whether `next_event` needs more data to return anything; ``False`` says nothing."""
        return self._traffic.exhausted

    # -- input ---------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes that the peer sent, in any segmentation.

        Raises:
            RemoteProtocolError: The greeting is not ZMTP 3; the connection is over.
            MechanismMismatch: The peer wants another mechanism; the connection is over.
            LocalProtocolError: The connection was over before.
        """
        if not self.established:
            self._check_alive()
            data = self._read_greeting(data)
        if data:
            self._decoder.receive(data)

    def take_whole(self, data: bytes) -> Message | None:
        """Take bytes that are one small message and nothing else, and return that message.

        It is the same as `receive_data` and `next_event`, in a fifth of their steps. ``None``: it
        is something else, or something came before it, and has yet to be given to `receive_data`.
        """
        return self._traffic.take_whole(data) if self.established else None

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
        try:
            if self.established:
                return self._traffic.next_event(
                    _UNLIMITED if max_messages is None else max_messages,
                    _UNLIMITED if max_bytes is None else max_bytes,
                )
            self._check_alive()
            return self._next_in_handshake()
        except (RemoteProtocolError, HandshakeError):
            self._fail()
            raise

    def handshake_ended(self) -> ConnectionError | MechanismMismatch:
        """Return the error to raise if the peer ends the stream here, before `PeerReady`."""
        if self._handshake.state is State.GREETING and self._greeting.looked_at_ours:
            return MechanismMismatch(self.explain_end())
        return ConnectionAbortedError(self.explain_end())

    @property
    def greeted(self) -> bool:
        """The peer has sent a whole greeting that goes with ours: it speaks ZMTP."""
        return self._handshake.state is not State.GREETING

    def explain_wait(self) -> str:
        """Return what a failed handshake was waiting for, for an error or a log."""
        if self._handshake.state is State.GREETING:
            return self._greeting.explain_wait()
        return f"the handshake waited for {self._handshake.state.value}"

    def explain_end(self) -> str:
        """Return what it means if the peer ends the stream here, for an error or a log.

        Some refusals of libzmq are nothing but an end at a certain place.
        """
        if self._handshake.state is State.GREETING:
            return self._greeting.explain_end()
        if self.established:
            where = "inside a message" if self.mid_frame else "between messages"
            return f"the peer ended the connection {where}"
        return self._handshake.explain_end()

    def _fail(self) -> None:
        self._handshake.fail()
        self.established = False
        self.body_of = _no_body

    def _check_alive(self) -> None:
        if self._handshake.state is State.FAILED:
            raise LocalProtocolError("this connection is over: make a new one")

    def authenticated(
        self, user_id: str | None = None, metadata: Mapping[str, bytes] | None = None
    ) -> None:
        """Go on after `CredentialsReceived`: they are good, and belong to this user.

        Under NULL, which has no credentials, an accepting end may say so before `accept`.

        Raises:
            LocalProtocolError: No credentials wait for a verdict.
        """
        self._decide(Decision.AUTHENTICATE)
        self._user_id = user_id
        self._auth_metadata = MappingProxyType(dict(metadata or {}))
        if self._peer is not None:
            self._peer = self._with_user(self._peer)

    def accept(self) -> None:
        """Go on after `PeerReady`: messages may flow from now on.

        Raises:
            LocalProtocolError: No peer waits for a verdict.
        """
        self._decide(Decision.ACCEPT)
        self.established = True
        self._greeting, self._our_greeting = _GREETED, _ALL_SAID
        self._decoder.set_limits(self._terms.traffic(self._mechanism.overhead))
        self._open_writer = TrafficWriter(self._mechanism, self._version)
        if self._traffic.in_bulk:
            self.body_of = self._traffic.body_of

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

    @property
    def withholds_version(self) -> bool:
        """Whether both ends may be waiting for the other's version: see `say_version`."""
        return self._our_greeting.withholds_version

    def say_version(self) -> None:
        """Say our version first: something in between may have joined two connecting ends."""
        self._our_greeting.version_first = True
        self._outgoing.append(self._our_greeting.due())

    def data_to_send(self) -> bytes:
        """Return what the handshake has to send now, once: greeting, commands, ERROR."""
        data = b"".join(self._outgoing)
        if data:
            self._outgoing = _NOTHING if self.established else []
        return data

    def encode(self, messages: Sequence[bytes | Frames]) -> list[bytes]:
        """Return the wire form of messages as buffers to write in order.

        A message of one frame may be given as that frame. Small frames are joined, large ones stay
        what they are: nothing large is copied.

        Raises:
            LocalProtocolError: The connection is not established.
        """
        return self._writer.encode(messages)

    def leave_large_boxes(self, size: int) -> int:
        """Leave boxes of large frames to you, who may seal and open them in other threads.

        A box of a megabyte takes about a millisecond, which others need not wait for. From now on
        `next_event` returns a `LargeBox` where there is one, and `encode_later` leaves such frames
        to be sealed. `encode` seals all, as before.

        Args:
            size: Bytes of a frame that make it large.

        Returns:
            The same; or, under a mechanism that seals nothing or can't do without that, a size
            that no frame has.

        Raises:
            LocalProtocolError: The connection is not established.
        """
        self._require_established()
        mechanism = self._mechanism
        if mechanism.clear or not isinstance(mechanism, DeferringMechanism):
            return _UNLIMITED
        self._later = size, mechanism
        self._traffic.leave_large_boxes(mechanism, size)
        return size

    def encode_later(self, messages: Sequence[bytes | Frames]) -> Sealing:
        """Seal messages but for their large frames, which you seal next: see `Sealing`.

        What you encode meanwhile has to be written after them.

        Raises:
            LocalProtocolError: The connection is not established, or `leave_large_boxes` was not
                called, or of no effect.
        """
        self._require_established()
        if self._later is None:
            raise LocalProtocolError("large boxes were not left to you: call leave_large_boxes()")
        size, mechanism = self._later
        return seal_later(mechanism, messages, size)

    @property
    def boxes_counted(self) -> int:
        """Boxes that have their count, where large ones are left to you; else 0."""
        return 0 if self._later is None else self._later[1].boxes_counted

    def wire_size(self, message: Frames) -> int:
        """Return how many bytes `encode` makes of a message."""
        return wire_size(message, self._mechanism.overhead)

    def ping(self, ttl: float, context: bytes = b"") -> bytes:
        """Return a PING; ``ttl`` is in seconds, 0 for none, and libzmq misreads over 65.5.

        Raises:
            ValueError: ``ttl`` is over 6553.5 or ``context`` over 16 bytes.
            LocalProtocolError: The connection is not established.
        """
        return self._writer.command(b"PING", ping_data(ttl, context))

    def pong(self, context: bytes) -> bytes:
        """Return the answer to a `Ping` with this context."""
        return self._writer.command(b"PONG", pong_data(context))

    def subscribe(self, topic: bytes) -> bytes:
        """Return a subscription in the form that the peer's version knows."""
        return self._writer.subscription(b"SUBSCRIBE", b"\x01", topic)

    def cancel(self, topic: bytes) -> bytes:
        """Return the end of a subscription in the form that the peer's version knows."""
        return self._writer.subscription(b"CANCEL", b"\x00", topic)

    @property
    def _writer(self) -> TrafficWriter:
        if self._open_writer is None or not self.established:
            raise self._not_established()
        return self._open_writer

    def _require_established(self) -> None:
        if not self.established:
            raise self._not_established()

    def _not_established(self) -> LocalProtocolError:
        return LocalProtocolError(
            f"nothing can be sent now: waiting for {self._handshake.state.value}"
        )

    # -- handshake -----------------------------------------------------------------------------

    def _read_greeting(self, data: bytes) -> bytes:
        """Return what does not belong to the greeting."""
        if self._handshake.state is not State.GREETING:
            return data
        try:
            greeting, rest = self._greeting.receive(data)
        except (RemoteProtocolError, HandshakeError):
            self._fail()
            raise
        finally:
            self._outgoing.append(self._our_greeting.due())
        if greeting is not None:
            self._version = greeting.version
            self._decide(Decision.GREETED)
        return rest

    def _decide(self, decision: Decision) -> None:
        self._send(self._handshake.take(decision))

    def _send(self, command: Command | None) -> None:
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
            raise unexpected(name) from None
        answer = self._handshake.take(command)
        if command is Command.ERROR:
            reason = parse_error(data)
            raise read_wrong_type(reason, self._terms.socket_type) or refusal(reason)
        self._mechanism.read(command, data)
        self._send(answer)

    def _question(self) -> Event | None:
        """Return what the owner has to decide now, if it was not asked already."""
        state = self._handshake.state
        if state is self._asked or state is State.GREETING:
            return None
        self._asked = state
        if state is State.AUTHENTICATING:
            claimed = self._meet() if self._handshake.introduced else None
            return CredentialsReceived(
                self._terms.mechanism.name, self._mechanism.credentials, claimed
            )
        self._peer = self._with_user(self._meet())
        return PeerReady(self._peer)

    def _with_user(self, peer: PeerProperties) -> PeerProperties:
        if self._user_id is None and not self._auth_metadata:
            return peer
        return attrs.evolve(peer, user_id=self._user_id, auth_metadata=self._auth_metadata)

    def _meet(self) -> PeerProperties:
        introduction = self._mechanism.metadata
        try:
            return self._terms.meet(introduction, self._version)
        except IncompatiblePeer:
            theirs = shown_type(parse_metadata(introduction, self._terms.limits))
            self.refuse(wrong_type(self._terms.socket_type, theirs))
            raise
        except RemoteProtocolError:
            self.refuse("invalid metadata")
            raise
