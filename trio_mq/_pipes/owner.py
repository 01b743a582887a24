"""What a pipe and its two halves tell the socket that owns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from trio_mq._pipes.alarm import Alarm
from trio_mq._pipes.budget import ReceiveBudget
from trio_mq._pipes.gathering import Rounds
from trio_mq._pipes.item import Item
from trio_mq._tally import DropReason, Tally

#: The pipe. Its halves know it only as the one to name when they tell its owner something.
PipeT = TypeVar("PipeT")


class PipeLedger(Protocol[PipeT]):
    """Where the pipes of one socket keep what is counted and told of all of them together."""

    #: What may wait to be received in all pipes together.
    budget: ReceiveBudget
    #: What was counted in all pipes together, also in those that are gone.
    total: Tally
    #: The pipes in which something waits to be written, and perhaps some in which nothing does; the
    #: outbound halves keep it.
    busy: dict[PipeT, None]
    #: The pipes through which something has passed that was not counted yet.
    late: dict[PipeT, None]
    #: Rings when something has waited too long.
    alarm: Alarm

    @property
    def printer(self) -> Rounds:
        """Has what is published in a flood written together."""

    @property
    def draining(self) -> bool:
        """A task waits until messages have left."""

    def taken_back(self, pipe: PipeT, place: int) -> None:
        """A message was taken back before which ``place`` others were finished, or will be."""

    def outgoing_gone(self, pipe: PipeT) -> None:
        """Messages were written, dropped or reclaimed: look at drains."""

    def dropped(self, pipe: PipeT, reason: DropReason, count: int) -> None:
        """Messages went no further; they are counted already."""


class PipeOwner(Protocol[PipeT]):
    """The pattern, which chooses among pipes."""

    @property
    def sends_to_many(self) -> bool:
        """Most messages go to several pipes."""

    @property
    def ledger(self) -> PipeLedger[PipeT]:
        """The books of its socket."""

    def room_opened(self, pipe: PipeT) -> None:
        """A pipe that had refused a message can take one again."""

    def expired(self, pipe: PipeT, items: Sequence[Item]) -> None:
        """Messages had waited too long; they are out of the pipe, and counted."""

    def messages_arrived(self, pipe: PipeT) -> None:
        """A pipe that was empty has messages to receive."""

    def emptied(self, pipe: PipeT) -> None:
        """The last message of a pipe was taken, which may have been retired."""
