"""A message on its way out, when it needs more than its frames."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from trio_mq._message import Frames


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


#: What waits in a pipe to be written.
Item: TypeAlias = Frames | Outgoing


def frames_of(item: Item) -> Frames:
    """Return the frames of what waits."""
    return item.message if item.__class__ is Outgoing else item  # type: ignore[return-value]
