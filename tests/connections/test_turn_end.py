"""What is put off to the end of a turn of the scheduler, and done there."""

from __future__ import annotations

import attrs
import trio

from trio_mq._connections.turn_end import current_turn_end


@attrs.define
class Waits:
    """It puts something off, and may wake a task when that is done."""

    wakes: trio.Event | None = None
    told: int = 0

    def turn_ended(self) -> bool:
        """Note it."""
        self.told += 1
        if self.wakes is not None:
            self.wakes.set()
        return self.wakes is not None


async def test_everybody_who_asked_is_told_once() -> None:
    """And not before the turn is over."""
    one, two = Waits(), Waits()
    current_turn_end().tell(one)
    current_turn_end().tell(two)
    assert (one.told, two.told) == (0, 0)
    for _ in range(3):
        await trio.lowlevel.checkpoint()
    assert (one.told, two.told) == (1, 1)


async def test_a_task_that_is_woken_there_runs_although_nothing_else_would() -> None:
    """Trio has decided by then to sleep until the kernel has something, which it never has."""
    woken = trio.Event()
    who = Waits(woken)
    current_turn_end().tell(who)
    await woken.wait()
    assert who.told == 1


async def test_who_asks_while_being_told_is_told_at_the_end_of_the_next_turn() -> None:
    """It may find again that there is something to put off."""
    turn_end = current_turn_end()
    told: list[int] = []

    class AsksAgain:
        def turn_ended(self) -> bool:
            told.append(len(told))
            if len(told) < 3:
                turn_end.tell(self)
            return False

    turn_end.tell(AsksAgain())
    for turn in range(3):
        await trio.lowlevel.checkpoint()
        assert len(told) == turn + 1
