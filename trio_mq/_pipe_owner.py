"""What a pipe tells the socket that owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from trio_mq._statistics import DropReason

if TYPE_CHECKING:
    from trio_mq._pipe import Pipe


class PipeOwner(Protocol):
    """What a pipe tells the socket that owns it."""

    def room_opened(self, pipe: Pipe) -> None:
        """A pipe that had refused a message can take one again."""

    def messages_arrived(self, pipe: Pipe, /) -> None:
        """A pipe that was empty has messages to receive."""

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """A message was taken back, before which so many were or will be finished."""

    def outgoing_finished(self, pipe: Pipe) -> None:
        """Messages were written, dropped or handed back: look at drains."""

    def emptied(self, pipe: Pipe) -> None:
        """The last message of a retiring pipe was taken."""

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further; they are counted already."""
