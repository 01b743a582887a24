"""The end of a turn of trio's scheduler: each task that could run has run.

A turn is where things may be put together. What the tasks of one turn have sent to a peer can go
into one write, and a connection whose task has stepped back is often watched again in the same turn
(`trio_mq._connections.watch`). Whoever waits for the end of a turn is told of it by an instrument
of the trio run. That costs no task and no step of one.
"""

from __future__ import annotations

from typing import Final

import trio

from trio_mq._pipes.gathering import EndsTurn


class TurnEnd(trio.abc.Instrument):
    """Tells whoever asks that the turn is over.

    It is an instrument of the trio run, from the first on who may ask.
    """

    def __init__(self) -> None:
        #: Who is told at the end of this turn.
        self.asked: list[EndsTurn] = []
        self._token = trio.lowlevel.current_trio_token()

    def tell(self, who: EndsTurn) -> None:
        """Tell them, once."""
        self.asked.append(who)

    def will_tell(self, who: EndsTurn) -> bool:
        """Tell whether this turn's end is still to be told to them; the debug mode asks."""
        return who in self.asked

    def before_io_wait(self, timeout: float) -> None:
        """Let each of them do what was put off."""
        if self.asked:
            asked, self.asked = self.asked, []
            # trio has decided by now how long it will wait for the kernel, and does not know of the
            # tasks that are woken here.
            woken = False
            for who in asked:
                if who.turn_ended():
                    woken = True
            if woken and timeout > 0:
                self._token.run_sync_soon(_look_again, idempotent=True)


def _look_again() -> None:
    """Do nothing, but be run."""


_end_of_run: Final[trio.lowlevel.RunVar[TurnEnd]] = trio.lowlevel.RunVar("trio_mq end of the turn")


def current_turn_end() -> TurnEnd:
    """Return what tells of the ends of turns in this run."""
    try:
        return _end_of_run.get()
    except LookupError:
        turn_end = TurnEnd()
        trio.lowlevel.add_instrument(turn_end)
        _end_of_run.set(turn_end)
        return turn_end
