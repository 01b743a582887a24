"""Every frame in a box, and the boxes counted: an established connection under CURVE (RFC 26).

::

    MESSAGE = name (8 bytes)  count (8)  box of: flags (1), the body of a frame

There is one box per frame. The flags inside tell frames of a message from commands such as PING.
The flags of the outer frame are protected by nothing, so nobody looks at them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final, TypeAlias

import attrs

from trio_mq._errors import ProtocolFault, RemoteProtocolError

from .boxes import Boxes
from .commands import Command, malformed
from .handshake import Table
from .large_boxes import Box, LargeBox, SealedBox
from .mechanism import INNER_COMMAND
from .workbench import TAG_SIZE

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for, such as `os.urandom`."""

COUNT_SIZE: Final = 8
MAX_COUNT: Final = 2**64 - 1

_MESSAGE: Final = b"\x07MESSAGE"
_BOX_START: Final = len(_MESSAGE) + COUNT_SIZE
_MESSAGE_SIZE: Final = _BOX_START + TAG_SIZE + 1


@attrs.define(eq=False, repr=False)
class Counter:
    """Counts the boxes of one direction, so that no nonce is used or believed twice.

    Args:
        strict: Whether a gap in the counts is an attack too, and not only a count that is repeated
        or comes too late.
    """

    _next: int | None = None
    _strict: bool = True

    def next(self) -> bytes:
        """Return the count for the next box of ours."""
        count = 1 if self._next is None else self._next
        if count >= MAX_COUNT:
            raise RemoteProtocolError(
                ProtocolFault.SEQUENCE, "the connection has used up its nonces"
            )
        self._next = count + 1
        return count.to_bytes(COUNT_SIZE, "big")

    @property
    def last(self) -> int:
        """The last count of ours; 0: there was none."""
        return 0 if self._next is None else self._next - 1

    def take(self, count: bytes) -> None:
        """Judge the count of the peer's next box; its first may be anything.

        Raises:
            RemoteProtocolError: It is not the next one.
        """
        number = int.from_bytes(count, "big")
        if number != self._next:
            self._judge(number)
        self._next = number + 1

    def _judge(self, number: int) -> None:
        following = self._next
        if following is not None and (self._strict or number < following):
            raise RemoteProtocolError(
                ProtocolFault.SEQUENCE,
                f"a box is number {number} after {following - 1}: "
                "frames were dropped, doubled or moved",
            )


class SealedTraffic:
    """What both roles of CURVE do alike: seal and open every frame once the key is agreed.

    Args:
        ours: Our metadata.
        boxes: Make and open boxes.
        random_bytes: Draws random bytes.
        strict: Whether a gap in the peer's count ends the connection.
    """

    table: Table
    clear: ClassVar[bool] = False
    overhead: ClassVar[int] = _MESSAGE_SIZE
    our_nonce: ClassVar[bytes]
    their_nonce: ClassVar[bytes]

    def __init__(
        self, ours: bytes, boxes: Boxes, random_bytes: RandomBytes, *, strict: bool
    ) -> None:
        self.metadata: bytes = b""
        self.credentials: tuple[bytes, ...] = ()
        self.ours = ours
        self.boxes = boxes
        self.random_bytes = random_bytes
        self.sent: Counter = Counter()
        self._received = Counter(strict=strict)
        self.key: bytes = b""
        """The key that seals everything from INITIATE on."""

    def seal(self, flags: int, body: bytes, /) -> bytes:
        """Return the body of the MESSAGE that carries a frame."""
        count = self.sent.next()
        return self.boxes.frames.seal(
            _MESSAGE + count, flags, body, self.our_nonce + count, self.key
        )

    def open(self, body: bytes, /) -> tuple[int, bytes]:
        """Return the flags and the body of the frame that a MESSAGE carries.

        Raises:
            RemoteProtocolError: It is no MESSAGE, not our peer's, or not the next one.
        """
        if body[: len(_MESSAGE)] != _MESSAGE or len(body) < _MESSAGE_SIZE:
            raise _no_message(body)
        count = body[len(_MESSAGE) : _BOX_START]
        self._received.take(count)
        found = self.boxes.frames.open(body, _BOX_START, self.their_nonce + count, self.key)
        if found is None or found[0] > INNER_COMMAND:
            raise _wrong(found)
        return found

    # In two steps, for a large frame; see `large_boxes`.

    @property
    def boxes_counted(self) -> int:
        """The count of the last box of ours, whether it is sealed already or not."""
        return self.sent.last

    def seal_later(self, flags: int, body: bytes, /) -> SealedBox:
        """Take the next count, and return a box that makes of the frame what `seal` would."""
        count = self.sent.next()
        head, nonce = _MESSAGE + count, self.our_nonce + count
        work = partial(self.boxes.frames.seal, head, flags, body, nonce, self.key)
        return Box(len(body) + self.overhead, work)

    def open_later(self, body: bytes, /) -> LargeBox:
        """Judge the head of a MESSAGE, as `open` does first, and return its box.

        Raises:
            RemoteProtocolError: It is no MESSAGE, or not the next one.
        """
        if body[: len(_MESSAGE)] != _MESSAGE or len(body) < _MESSAGE_SIZE:
            raise _no_message(body)
        count = body[len(_MESSAGE) : _BOX_START]
        self._received.take(count)
        nonce = self.their_nonce + count
        work = partial(self.boxes.frames.open, body, _BOX_START, nonce, self.key)
        return LargeBox(len(body), work)

    def opened(self, box: LargeBox, /) -> tuple[int, bytes]:
        """Return the flags and the body of the frame in the box, as `open` does in the end.

        Raises:
            RemoteProtocolError: It is not our peer's.
        """
        found = box.outcome()
        if found is None or found[0] > INNER_COMMAND:
            raise _wrong(found)
        return found

    def open_counted(self, command: Command, nonce: bytes, data: bytes) -> bytes:
        """Return what is in the box of a command that begins with its count.

        Raises:
            RemoteProtocolError: It is not the next one, or not our peer's.
        """
        count, box = data[:COUNT_SIZE], data[COUNT_SIZE:]
        self._received.take(count)
        plain = self.boxes.open(box, nonce + count, self.key)
        if plain is None:
            raise not_theirs(command.name)
        return plain

    def agree(self, public_key: bytes, secret_key: bytes, whose: str) -> bytes:
        """Return the key that seals between a key of the peer and one of ours.

        Raises:
            RemoteProtocolError: No secret key goes with the peer's, so that the result is known.
        """
        key = self.boxes.shared_key(public_key, secret_key)
        if key is None:
            raise RemoteProtocolError(
                ProtocolFault.CRYPTOGRAPHIC, f"{whose} is one that nobody can own"
            )
        return key


def _no_message(body: bytes) -> RemoteProtocolError:
    return malformed(f"a frame of {len(body)} bytes is not a MESSAGE, as all must be now")


def _wrong(found: tuple[int, bytes] | None) -> RemoteProtocolError:
    """Return the error for what was found in a box: nothing, or flags that no frame has."""
    if found is None:
        return not_theirs("MESSAGE")
    return RemoteProtocolError(ProtocolFault.RESERVED_FLAGS, f"sealed flags are {found[0]:#04x}")


def not_theirs(what: str) -> RemoteProtocolError:
    """Return the error for a box that does not open."""
    return RemoteProtocolError(
        ProtocolFault.CRYPTOGRAPHIC,
        f"the box of a {what} does not open: it was changed on the way, or sealed with other keys",
    )
