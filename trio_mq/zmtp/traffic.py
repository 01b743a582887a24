"""What an established connection's frames mean: runs of messages, and commands between them.

Most frames are messages in the clear, and those the decoder assembles in bulk. Two kinds of
connection look at every frame: sealed ones, and those of publishers, to whom a message may be a
subscription. Both ways give the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._limits import Limits
from trio_mq._message import Frames, Message, size_of, to_message

from .commands import (
    TRAFFIC,
    Command,
    join_command,
    parse_error,
    peer_error,
    split_command,
    unexpected,
)
from .decoder import FrameDecoder, FrameLimits
from .events import Cancel, Event, Messages, Ping, Pong, Skipped, Subscribe
from .frames import (
    COMMAND,
    DELIMITED,
    MORE,
    encode_frame,
    encode_messages,
    frame_header,
    join_small,
)
from .large_boxes import LargeBox
from .mechanism import INNER_COMMAND, INNER_MORE, DeferringMechanism, Mechanism
from .socket_types import SocketType
from .whole import whole_message

_LONGEST_COMMAND: Final = 262
"""The longest command that is no subscription: ERROR with a reason of 255 bytes."""

_SUBSCRIBE_SIZE: Final = 10


_MOST_SKIPPED: Final = 500
"""At most this many commands without a meaning are passed over in a row, which takes about a
millisecond."""

_new = tuple.__new__
_HANDSHAKE_COMMANDS: Final = frozenset(command.value for command in Command)


def traffic_limits(
    socket_type: SocketType,
    limits: Limits,
    *,
    max_frame_size: int | None,
    max_message_size: int | None,
    max_frames: int | None,
    overhead: int,
) -> FrameLimits:
    """Return what a peer may send once messages flow."""
    return FrameLimits(
        frame=max_frame_size,
        command=max(limits.max_topic_length + _SUBSCRIBE_SIZE, _LONGEST_COMMAND),
        message=max_message_size,
        frames=max_frames,
        overhead=overhead,
        command_fault=ProtocolFault.SUBSCRIPTION_LIMIT
        if socket_type.has_subscribers
        else ProtocolFault.FRAME_TOO_LARGE,
    )


@attrs.define(eq=False, repr=False)
class TrafficReader:
    """Turns the frames of one established connection into events."""

    _decoder: FrameDecoder
    _mechanism: Mechanism
    _socket_type: SocketType
    _limits: Limits
    _unknown_commands: int = attrs.field(default=0, init=False)
    # What ended the last run of messages: it is told after them.
    _held: Event | RemoteProtocolError | None = attrs.field(default=None, init=False)
    # Most frames are messages in the clear: they are assembled in bulk.
    in_bulk: bool = attrs.field(init=False)
    # Once its owner opens large boxes: the same mechanism.
    _defers: DeferringMechanism | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.in_bulk = self._mechanism.clear and not self._socket_type.has_subscribers

    def next_event(self, max_messages: int, max_bytes: int) -> Event | None:
        """Return what came next, or ``None`` if there is no more, or no room for it.

        Raises:
            RemoteProtocolError: The peer broke the protocol or a limit.
        """
        if self._held is not None:
            return self._release(max_messages, max_bytes)
        if max_messages <= 0 or max_bytes <= 0:
            return None
        run: list[Message] = []
        if self.in_bulk:
            payload, self._held = self._decoder.next_messages(run, max_messages, max_bytes)
            if not run and self._held is None:
                payload, self._held = self._after_commands(run, max_messages, max_bytes)
        else:
            look = self._next_run if self._mechanism.clear else self._next_sealed
            payload, self._held = look(run, max_messages, max_bytes)
        return Messages(run, payload) if run else self._release(max_messages, max_bytes)

    def leave_large_boxes(self, mechanism: DeferringMechanism, size: int) -> None:
        """Open no boxes of frames from this size on."""
        self._defers = mechanism
        self._decoder.set_apart_from(size)

    @property
    def apart(self) -> int:
        """Bytes of the large box that was taken from the decoder and has not been handed out."""
        return self._held.size if isinstance(self._held, LargeBox) else 0

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body if a chunk is one plain request or reply, and nothing waits before it.

        That is, one small frame after an empty one. What the decoder keeps of a chunk, and how it
        judges each frame, takes ten times as many steps.
        """
        decoder = self._decoder
        end = len(data)
        if (
            decoder.exhausted
            and end <= decoder.harmless_body
            and data.startswith(DELIMITED[end - 4])
            and self._held is None
        ):
            return data[4:]
        return None

    def take_whole(self, data: bytes) -> Message | None:
        """Return what a chunk is, if it is one small message and nothing waits before it."""
        if self.in_bulk and self._held is None and self._decoder.exhausted:
            return whole_message(data, self._decoder.harmless)
        return None

    @property
    def exhausted(self) -> bool:
        """Whether it is known that `next_event` needs more data to return anything."""
        return self._held is None and self._decoder.exhausted

    def _release(self, max_messages: int, max_bytes: int) -> Event | None:
        held = self._held
        if held is None:
            return None
        if isinstance(held, LargeBox):
            return self._release_box(held, max_messages, max_bytes)
        self._held = None
        if isinstance(held, RemoteProtocolError):
            raise held
        return held

    def _release_box(self, box: LargeBox, max_messages: int, max_bytes: int) -> Event | None:
        """Return what a large box completes, if it is open and there is room for that."""
        if max_messages <= 0 or max_bytes <= 0:
            return None
        if not box.done or self._defers is None:
            return box
        self._held = None
        flags, body = self._defers.opened(box)
        more, command = bool(flags & INNER_MORE), bool(flags & INNER_COMMAND)
        item = self._read(body, more=more, command=command)
        if item is None:
            return self.next_event(max_messages, max_bytes)
        if isinstance(item, tuple):
            return Messages([to_message(item)], size_of(item))
        return item

    # -- in bulk: what is not a message is a command ------------------------------------------

    def _after_commands(
        self, run: list[Message], max_messages: int, max_bytes: int
    ) -> tuple[int, Event | RemoteProtocolError | None]:
        """Read commands up to one that is an event, or else the messages after them."""
        payload, skipped = 0, 0
        error: RemoteProtocolError | None = None
        while not run and error is None and (body := self._decoder.next_command()) is not None:
            event = self._read_command(body)
            if event is not None:
                return 0, event
            skipped += 1
            if skipped == _MOST_SKIPPED:
                return 0, Skipped(skipped)
            payload, error = self._decoder.next_messages(run, max_messages, max_bytes)
        return payload, error

    # -- one by one: every frame is looked into -----------------------------------------------

    def _next_run(
        self, run: list[Message], max_messages: int, max_bytes: int
    ) -> tuple[int, Event | RemoteProtocolError | None]:
        payload = 0
        while len(run) < max_messages and payload < max_bytes:
            try:
                item = self._next_item()
            except RemoteProtocolError as error:
                return payload, error
            if not isinstance(item, tuple):
                return payload, item
            run.append(to_message(item))
            payload += size_of(item)
        return payload, None

    def _next_item(self) -> Frames | Event | None:
        for _ in range(_MOST_SKIPPED):
            frame = self._decoder.next_frame()
            if frame is None:
                return None
            flags, body = frame
            item = self._read(body, more=bool(flags & MORE), command=bool(flags & COMMAND))
            if item is not None:
                return item
        return Skipped(_MOST_SKIPPED)

    def _next_sealed(
        self, run: list[Message], max_messages: int, max_bytes: int
    ) -> tuple[int, Event | RemoteProtocolError | None]:
        payload, skipped, unseal = 0, 0, self._mechanism.open
        lone = self._expects_lone_frames()
        try:
            # No seal protects the outer flags, so nobody asks what they say.
            for sealed in self._decoder.frames():
                flags, body = unseal(sealed)
                if lone and not flags:
                    run.append(_new(Message, (body,)))
                    payload += len(body)
                else:
                    more, command = bool(flags & INNER_MORE), bool(flags & INNER_COMMAND)
                    item = self._read(body, more=more, command=command)
                    lone = self._expects_lone_frames()
                    if isinstance(item, tuple):
                        run.append(to_message(item))
                        payload += size_of(item)
                    elif item is not None:
                        return payload, item
                    else:
                        skipped += 1
                        if skipped == _MOST_SKIPPED:
                            return payload, Skipped(skipped)
                if len(run) >= max_messages or payload >= max_bytes:
                    break
            else:
                apart, defers = self._decoder.apart, self._defers
                if apart is not None and defers is not None:
                    self._decoder.apart = None
                    return payload, defers.open_later(apart)
        except RemoteProtocolError as error:
            return payload, error
        return payload, None

    def _expects_lone_frames(self) -> bool:
        """Whether a frame without flags is a message, and nothing else needs to be looked at."""
        return not (self._socket_type.has_subscribers or self._decoder.mid_message)

    def _read(self, body: bytes, *, more: bool, command: bool) -> Frames | Event | None:
        """Return what a frame completes, if it does."""
        return self._read_command(body) if command else self._read_message(body, more=more)

    def _read_message(self, body: bytes, *, more: bool) -> Frames | Event | None:
        message = self._decoder.join(body, more=more)
        if message is None or len(message) > 1 or not self._socket_type.has_subscribers:
            return message
        # The form that ZMTP 3.0 has for subscriptions; publishers take both from everybody.
        mark, topic = body[:1], body[1:]
        if mark == b"\x01":
            return self._relevant(Subscribe(topic))
        return self._relevant(Cancel(topic)) if mark == b"\x00" else message

    # -- commands ------------------------------------------------------------------------------

    def _read_command(self, body: bytes) -> Event | None:
        name, data = split_command(body)
        parse = TRAFFIC.get(name)
        if parse is not None:
            return self._relevant(parse(data))
        self._judge_stranger(name, data)
        return None

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
            raise peer_error(parse_error(data))
        if name in _HANDSHAKE_COMMANDS:
            raise unexpected(name)
        self._unknown_commands += 1
        limit = self._limits.max_unknown_commands
        if self._unknown_commands > limit:
            raise RemoteProtocolError(
                ProtocolFault.UNKNOWN_COMMANDS,
                f"more unknown commands than max_unknown_commands={limit}: {name[:32]!r}",
            )


@attrs.frozen(eq=False, repr=False)
class TrafficWriter:
    """Puts messages and commands into the form in which one connection carries them."""

    _mechanism: Mechanism
    _version: tuple[int, int]

    def encode(self, messages: Sequence[bytes | Frames]) -> list[bytes]:
        """Return buffers to write in order."""
        if self._mechanism.clear:
            return encode_messages(messages)
        seal, pieces = self._mechanism.seal, list[bytes]()
        for message in messages:
            if isinstance(message, bytes):
                _add_frame(pieces, seal(0, message))
                continue
            *first, last = message
            for frame in first:
                _add_frame(pieces, seal(INNER_MORE, frame))
            _add_frame(pieces, seal(0, last))
        return join_small(pieces)

    def command(self, name: bytes, data: bytes) -> bytes:
        """Return a command frame."""
        body = join_command(name, data)
        if self._mechanism.clear:
            return encode_frame(COMMAND, body)
        return encode_frame(0, self._mechanism.seal(INNER_COMMAND, body))

    def subscription(self, name: bytes, mark: bytes, topic: bytes) -> bytes:
        """Return a command, or for ZMTP 3.0, which has no such commands, a marked message."""
        if self._version > (3, 0):
            return self.command(name, topic)
        return b"".join(self.encode([(mark + topic,)]))


def _add_frame(pieces: list[bytes], sealed: bytes) -> None:
    # MESSAGE goes as a message frame, whatever RFC 26 says: libzmq drops it otherwise.
    pieces += (frame_header(0, len(sealed)), sealed)
