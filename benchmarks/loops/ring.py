"""The messages of a measurement, and the proof that each arrived whole and in order.

Both ends hold the same *ring* of payloads, made before the clock runs. The sender sends it round
after round; the receiver collects one round and compares it with its own ring in one step, which
costs every library the same few hundredths of a microsecond per message. A message that is lost,
doubled, damaged or out of place makes that comparison fail; a loss of whole rounds makes the
receiver wait for messages that never come, and the measurement fails by its time limit.

Messages above `KEPT` bytes are looked at one by one and let go at once, as a program would: the
length, the first and the last 16 bytes of each, and every byte of one in 64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

import attrs

#: A message as a library takes it or hands it out: one frame, or a sequence of frames.
Received: TypeAlias = object
#: All first frames of some messages, all second ones, and so on.
Columns: TypeAlias = list[list[bytes]]

#: Messages of a round, and the most bytes that a ring holds.
ROUND: Final = 512
RING_BYTES: Final = 8 * 1024 * 1024
#: Larger messages are compared one by one instead of a round at a time.
KEPT: Final = 4096
_END: Final = 16
_WHOLE_EVERY: Final = 64
_TOPICS: Final = 100


class CorruptMessage(Exception):
    """A message arrived that is not the one that was sent next."""


def payload(index: int, size: int) -> bytes:
    """Return ``size`` bytes that start with their index and repeat it to the end."""
    word = struct.pack("<Q", index + 1)
    return (word * (size // 8 + 1))[:size]


def payloads(size: int) -> list[bytes]:
    """Return the frames of a round: distinct, and few when they are large."""
    number = max(8, min(ROUND, RING_BYTES // size))
    return [payload(index, size) for index in range(number)]


def topic_of(index: int) -> bytes:
    """Return the topic of the message at that place in a round: one of a hundred."""
    return b"topic-%02d " % (index % _TOPICS)


def publications(size: int) -> list[bytes]:
    """Return a round of messages of ``size`` bytes, their topic included: 500, so 5 per topic."""
    return [topic_of(index) + payload(index, size - len(topic_of(index))) for index in range(500)]


def wanted_by(subscriber: int, *, one_topic: bool) -> bytes:
    """Return what a subscriber subscribes to: everything that is published, or a hundredth."""
    return topic_of(subscriber) if one_topic else b"topic-"


def as_is(message: bytes | list[bytes]) -> Received:
    """Describe how most libraries hand a message out: bytes, or a list of them."""
    return message


def as_tuple(message: bytes | list[bytes]) -> Received:
    """Describe how trio_mq hands a message out: a tuple of frames, even if it is only one."""
    return (message,) if isinstance(message, bytes) else tuple(message)


def _body(message: Received) -> bytes:
    frame = message[0] if isinstance(message, tuple) else message
    if not isinstance(frame, bytes):
        raise CorruptMessage(f"a large message arrived as {type(frame).__name__}, not bytes")
    return frame


@attrs.frozen
class Ring:
    """What one end sends or expects, a round at a time, and in which portions it is checked."""

    #: The messages of a round, as they are handed to ``send``.
    messages: Sequence[bytes | list[bytes]]
    #: The same as they come out of ``receive``, in the portions that a receiver collects.
    portions: Sequence[list[Received]]
    #: The frames of each portion's messages: all first ones, all second ones, and so on.
    columns: Sequence[Columns]

    @classmethod
    def of(
        cls,
        frames: list[bytes],
        *,
        frames_per_message: int = 1,
        received: Callable[[bytes | list[bytes]], Received] = as_is,
    ) -> Ring:
        """Make a ring of these frames, each message repeating its frame so many times."""
        several = frames_per_message > 1
        messages: list[bytes | list[bytes]] = [
            [frame] * frames_per_message if several else frame for frame in frames
        ]
        expected = [received(message) for message in messages]
        portions = [expected] if len(frames[0]) <= KEPT else [[one] for one in expected]
        columns = [frames] if len(frames[0]) <= KEPT else [[frame] for frame in frames]
        return cls(messages, portions, [[column] * frames_per_message for column in columns])

    def check(self, place: int, arrived: list[Received]) -> None:
        """Compare a portion with what must have arrived.

        Raises:
            CorruptMessage: It is something else.
        """
        expected = self.portions[place]
        if len(expected) > 1 or place % _WHOLE_EVERY == 0:
            good = _same(arrived, expected, self.columns[place])
        else:
            good = _same_ends(_body(arrived[0]), _body(expected[0]))
        if not good:
            raise CorruptMessage(f"portion {place} is not what was sent: {arrived!r:.200}")


def _same(arrived: list[Received], expected: list[Received], columns: Columns) -> bool:
    """Compare whole messages.

    Those of trio_mq compare themselves with bytes, in Python, which would take a third of the time
    of a batch. Their frames are compared instead, a column at a time, every one of them: so the
    check costs about what it costs the libraries that hand out plain bytes.
    """
    if not isinstance(arrived[0], tuple):
        return arrived == expected
    # As many frames as expected, and as many in each message: so no message has more either.
    if sum(map(len, arrived)) != len(columns) * len(expected):  # type: ignore[arg-type]
        return False
    try:
        return all(
            list(map(itemgetter(index), arrived)) == column  # type: ignore[arg-type]
            for index, column in enumerate(columns)
        )
    except IndexError:  # a message has fewer
        return False


def _same_ends(arrived: bytes, expected: bytes) -> bool:
    return (
        len(arrived) == len(expected)
        and arrived[:_END] == expected[:_END]
        and arrived[-_END:] == expected[-_END:]
    )


@attrs.define
class ByteCheck:
    """The same proof for a receiver that sees a stream of bytes instead of messages."""

    #: Every byte of a round.
    cycle: bytes
    #: Compare every byte, or the ends of what one read returned.
    whole: bool
    #: How many bytes have arrived.
    position: int = 0
    _twice: bytes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._twice = self.cycle * 2

    @classmethod
    def of(cls, messages: Sequence[bytes]) -> ByteCheck:
        """Expect these messages, one after the other, round after round."""
        return cls(b"".join(messages), whole=len(messages[0]) <= KEPT)

    def feed(self, arrived: bytes) -> None:
        """Compare the bytes that one read returned, a cycle at most.

        Raises:
            CorruptMessage: They are not the next bytes of the cycle.
        """
        start = self.position % len(self.cycle)
        end = start + len(arrived)
        if self.whole:
            good = self._twice[start:end] == arrived
        else:
            good = self._twice[start : start + _END] == arrived[:_END] and (
                self._twice[max(start, end - _END) : end] == arrived[-_END:]
            )
        if not good:
            raise CorruptMessage(f"wrong bytes near byte {self.position} of the stream")
        self.position += len(arrived)
