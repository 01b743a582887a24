"""The alarm of a socket: it rings in time, once for each queue, and forgets who has gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import attrs
import trio
import trio.testing

from trio_mq._pipes.alarm import Alarm
from trio_mq._scope import Scope


@attrs.define(eq=False)
class Queue:
    """A queue that only notes when it was woken."""

    woken: list[float] = attrs.field(factory=list)

    def expire(self) -> None:
        """Note it."""
        self.woken.append(trio.current_time())


class Tasks:
    """Where the alarm runs."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def spawn_in_background(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Run it."""
        self._nursery.start_soon(task, name=name)


def begin(alarm: Alarm, nursery: trio.Nursery) -> None:
    """Let it run."""
    alarm.begin(cast("Scope", Tasks(nursery)))


async def test_each_queue_is_woken_once_in_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Also one that comes later and is due earlier, and one that was asked for before it opened."""
    alarm = Alarm("Push")
    first, second, third = Queue(), Queue(), Queue()
    alarm.set(first, 3.0)
    async with trio.open_nursery() as nursery:
        begin(alarm, nursery)
        await trio.sleep(1.0)
        alarm.set(second, 2.0)
        alarm.set(third, 9.0)
        alarm.set(third, 4.0)
        alarm.set(third, 5.0)
        assert (alarm.due(first), alarm.due(second), alarm.due(third)) == (3.0, 2.0, 4.0)
        await trio.sleep(99.0)
        assert (first.woken, second.woken, third.woken) == ([3.0], [2.0], [4.0])
        assert autojump_clock.current_time() == 100.0
        nursery.cancel_scope.cancel()


async def test_a_queue_that_has_gone_is_not_woken_nor_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """However far its time is, and however many there were."""
    alarm = Alarm("Push")
    async with trio.open_nursery() as nursery:
        begin(alarm, nursery)
        gone = [Queue() for _ in range(1000)]
        for queue in gone:
            alarm.set(queue, 3600.0)
            alarm.forget(queue)
            assert alarm.remembered < 40
        await trio.sleep(7200.0)
        assert [queue for queue in gone if queue.woken] == []
        assert autojump_clock.current_time() == 7200.0
        nursery.cancel_scope.cancel()
