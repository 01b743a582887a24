"""What is put off until it can be done together, and who says when that is."""

from __future__ import annotations

from typing import Protocol


class EndsTurn(Protocol):
    """Something that puts off work until the turn ends."""

    def turn_ended(self) -> bool:
        """Do that work now, without waiting and without raising; tell if it has woken a task."""


class TellsOfEnd(Protocol):
    """Knows when it is time: at the end of a turn of the scheduler, or of a round of a flood."""

    def tell(self, who: EndsTurn) -> None:
        """Tell them then, once."""

    def will_tell(self, who: EndsTurn) -> bool:
        """Tell whether that is still to be told to them; the debug mode asks."""


class InRound(Protocol):
    """A queue that has messages in a round of a flood."""

    def room_for_round(self) -> int:
        """Return how many more small messages may simply be appended."""

    def round_ended(self) -> None:
        """Have them written now, without waiting and without raising."""


class Rounds(Protocol):
    """Lets the queues of one socket be written together while a flood goes on."""

    def gathers(self) -> bool:
        """Tell whether a message that could be written at once is one of several, and may wait."""

    def has_in_round(self, queue: InRound) -> bool:
        """Tell whether the end of the round is still to be told to the queue."""

    def gather(self, queue: InRound) -> None:
        """Tell the queue when the round ends; it has a first message in this one."""
