"""What a pipe asks of the connection that has borrowed it."""

from __future__ import annotations

from typing import ClassVar, Protocol

from trio_mq._pipes.item import Item


class Borrower(Protocol):
    """The sending side of a connection: a stream's `Writer`, or one side of an inproc link."""

    #: What goes to many is written in a later turn; else it arrives while it is being sent.
    writes_later: ClassVar[bool]

    def write_at_once(self, item: Item, size: int) -> bool:
        """Write a message past the queue, which is empty; False if it has to be queued.

        If the kernel took only a part of it, it is in the queue now, and the writer goes on.

        Args:
            item: The message.
            size: Its payload bytes.
        """

    def queued(self) -> None:
        """A message was put into the pipe, and the writer does not know of any."""

    def gather(self) -> None:
        """Several messages will be put in this turn: they may be written together at its end."""

    def press(self) -> None:
        """Enough waits by now to be written, though the turn is not over."""

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Write the edition that is all that waits here; False if that was not done, or not wholly.

        Then the queue takes the edition over. If a part was written, the borrower goes on with the
        rest from there.

        Args:
            wire: All the messages as they are written in the clear.
            count: How many they are.
            payload: Their payload bytes.
        """

    def turn_ended(self) -> bool:
        """Write what was gathered, if that has not been done; tell if it has woken a task."""

    def wake(self) -> None:
        """There may be something to write that is no message."""

    def make_room(self) -> None:
        """The pipe is full: make room, if that is possible at once."""

    def catch_up(self) -> None:
        """Somebody looks at the pipe: move what was put off and could have moved, both ways."""
