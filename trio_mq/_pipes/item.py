"""What waits to be sent: the bare frames of a message, with more around them where needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

from trio_mq._message import Frames, size_of


@attrs.define(eq=False, repr=False)
class Outgoing:
    """A message that waits in the pipes of many peers."""

    message: Frames
    #: Its wire form in the clear, filled by the first link that encodes it and shared by the rest.
    wire: bytes | None = None


@attrs.frozen(eq=False, repr=False)
class PartlyWritten:
    """A message that an ended connection had written in part; it is sent once more, whole."""

    message: Frames


@attrs.frozen(eq=False, repr=False)
class ForThisConnection:
    """A message for the peer that is there now, and not for the next one at the same endpoint."""

    message: Frames


#: What is written; a message of one frame, as most are, is just that frame.
Untimed: TypeAlias = bytes | Frames | Outgoing | PartlyWritten | ForThisConnection
#: Those of them that are more than their frames.
WRAPPED: Final = frozenset({Outgoing, PartlyWritten, ForThisConnection})


@attrs.frozen(eq=False, repr=False)
class Timed:
    """A message that is dropped when it has waited too long, and since when it waits."""

    item: Untimed
    since: float

    @property
    def message(self) -> Frames:
        """Its frames."""
        return frames_of(self.item)


#: What waits in a pipe to be written.
Item: TypeAlias = Untimed | Timed


def frames_of(item: Item) -> Frames:
    """Return the frames of what waits."""
    if isinstance(item, bytes):
        return (item,)
    return item if isinstance(item, tuple) else item.message


def untimed(item: Item) -> Untimed:
    """Return what waits, as it is written."""
    return item.item if isinstance(item, Timed) else item


def timed(item: Item, now: float) -> Timed:
    """Let the time of what waits begin now, unless it has begun already."""
    return item if isinstance(item, Timed) else Timed(item, now)


def in_place_of(item: Item, written: Untimed) -> Item:
    """Return something else to write in the place of an item, whose time goes on."""
    return Timed(written, item.since) if isinstance(item, Timed) else written


def readdressed(item: Item, frames: Frames) -> Item:
    """Return the message of an item in another envelope, with what became of it so far."""
    partly = isinstance(untimed(item), PartlyWritten)
    return in_place_of(item, PartlyWritten(frames) if partly else frames)


def bare(frames: Frames) -> bytes | Frames:
    """Return a message in the form in which it waits: the frame alone if there is only one."""
    return frames[0] if len(frames) == 1 else frames


def payload_of(item: Item) -> int:
    """Return the payload bytes of what waits."""
    return len(item) if isinstance(item, bytes) else size_of(frames_of(item))


def payload_of_all(items: Sequence[Item]) -> int:
    """Return the payload bytes of several."""
    if set(map(type, items)) == {bytes}:
        return sum(map(len, items))  # type: ignore[arg-type]  # as was just seen
    return sum(map(payload_of, items))
