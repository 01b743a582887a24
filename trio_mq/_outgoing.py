"""A message on its way out, when it needs more than its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs

from trio_mq._message import Frames, size_of


@attrs.define(eq=False)
class Outgoing:
    """A message on its way out that carries more than its frames."""

    message: Frames
    #: Its wire form in the clear, filled by the first link that encodes it and shared by the rest.
    wire: bytes | None = None
    #: It waits in several pipes.
    shared: bool = False
    #: A connection died while it was being written; it gets one more try.
    torn: bool = False


#: What waits in a pipe to be written; a message of one frame, as most are, is just that frame.
Item: TypeAlias = bytes | Frames | Outgoing


def frames_of(item: Item) -> Frames:
    """Return the frames of what waits."""
    if item.__class__ is bytes:
        return (item,)
    return item.message if item.__class__ is Outgoing else item  # type: ignore[return-value]


def payload_of(item: Item) -> int:
    """Return the payload bytes of what waits."""
    return len(item) if isinstance(item, bytes) else size_of(frames_of(item))


def payload_of_all(items: Sequence[Item]) -> int:
    """Return the payload bytes of several."""
    if set(map(type, items)) == {bytes}:
        return sum(map(len, items))  # type: ignore[arg-type]  # as was just seen
    return sum(map(payload_of, items))
