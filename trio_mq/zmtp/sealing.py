"""Messages on their way into boxes, the large ones of which are sealed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from trio_mq._message import Frames

from .frames import frame_header, join_small
from .large_boxes import SealedBox
from .mechanism import INNER_MORE, DeferringMechanism


@attrs.define(eq=False, repr=False)
class Sealing:
    """Messages that have their counts, and large frames that have yet to be sealed."""

    boxes: list[SealedBox] = attrs.field(factory=list, init=False)
    """The large frames: call `work` of each, in any thread and any order."""

    size: int = attrs.field(default=0, init=False)
    """Bytes of all messages on the wire."""

    last: int = attrs.field(default=0, init=False)
    """The count of their last box."""

    _pieces: list[bytes | SealedBox] = attrs.field(factory=list, init=False)

    def wire(self) -> list[bytes]:
        """Return the wire form of the messages, as `Connection.encode` does.

        Raises:
            LocalProtocolError: A box is not sealed yet.
        """
        return join_small(
            [piece if isinstance(piece, bytes) else piece.outcome() for piece in self._pieces]
        )

    def add(self, sealed: bytes) -> None:
        """Add a frame that is sealed."""
        header = frame_header(0, len(sealed))
        self._pieces += (header, sealed)
        self.size += len(header) + len(sealed)

    def add_large(self, box: SealedBox) -> None:
        """Add a frame that has yet to be sealed."""
        header = frame_header(0, box.size)
        self._pieces += (header, box)
        self.size += len(header) + box.size
        self.boxes.append(box)


def seal_later(
    mechanism: DeferringMechanism, messages: Sequence[bytes | Frames], large: int
) -> Sealing:
    """Seal frames of less than ``large`` bytes, and give each of the others its count."""
    sealing = Sealing()
    for message in messages:
        *first, last = (message,) if isinstance(message, bytes) else message
        for flags, frame in (*((INNER_MORE, frame) for frame in first), (0, last)):
            if len(frame) < large:
                sealing.add(mechanism.seal(flags, frame))
            else:
                sealing.add_large(mechanism.seal_later(flags, frame))
    sealing.last = mechanism.boxes_counted
    return sealing
