"""The way in which operations are cut is itself shown to reach every moment."""

from __future__ import annotations

import trio

from tests.cancellation.cuts import every_cut


async def test_every_checkpoint_of_an_operation_is_cut_once_on_each_side() -> None:
    """Three checkpoints: cut before all of them, in each wait, and between any two."""
    reached = []
    for cut in every_cut():
        passed: list[int] = []

        async def operation(passed: list[int] = passed) -> None:
            for number in range(3):
                await trio.lowlevel.checkpoint()
                passed.append(number)

        await cut.run(operation)
        reached.append((cut.cancelled, len(passed)))
    assert reached[0] == (True, 0)
    assert {count for cancelled, count in reached if cancelled} == {0, 1, 2}
    assert (False, 3) in reached


async def test_steps_of_tasks_that_the_operation_starts_are_cut_too() -> None:
    """Else the insides of what runs in several tasks would never be cancelled."""
    ended = 0
    for cut in every_cut():

        async def child() -> None:
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()

        async def operation() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)

        await cut.run(operation)
        ended += cut.cancelled
    assert ended >= 4


async def test_a_shielded_operation_completes_at_every_cut() -> None:
    """What nobody can cancel returns its result."""
    for cut in every_cut():

        async def operation() -> int:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            return 7

        await cut.run(operation)
        assert cut.results == [7]
