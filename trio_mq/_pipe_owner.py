"""What a pipe tells the socket that owns it, and what comes in through one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from trio_mq._message import Message
from trio_mq._statistics import DropReason

if TYPE_CHECKING:
    from trio_mq._peer import Peer
    from trio_mq._pipe import Pipe


@attrs.frozen
class Batch:
    """What one read decoded, and whose it is (a pipe outlives its peers)."""

    peer: Peer
    messages: list[Message]
    payload: int


class PipeOwner(Protocol):
    """What a pipe tells the socket that owns it."""

    def room_opened(self, pipe: Pipe) -> None:
        """A pipe that had refused a message can take one again."""

    def messages_arrived(self, pipe: Pipe) -> None:
        """A pipe that was empty has messages to receive."""

    def outgoing_finished(self, pipe: Pipe) -> None:
        """Messages were written, dropped or handed back: look at drains."""

    def emptied(self, pipe: Pipe) -> None:
        """The last message of a retiring pipe was taken."""

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further; they are counted already."""
