"""The wait list: first come first served, results handed over, cancellation exact."""

from __future__ import annotations

from collections import deque

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from trio_mq._waiting import Closed, WaitList


class Shop:
    """Something to wait for: goods, taken in order."""

    def __init__(self) -> None:
        self.goods: deque[int] = deque()
        self.line: WaitList[int] = WaitList()

    def take(self) -> int:
        """Take the oldest, or block."""
        if not self.goods:
            raise trio.WouldBlock
        return self.goods.popleft()

    def deliver(self, *goods: int) -> None:
        """Add goods and serve the line."""
        self.goods.extend(goods)
        self.line.serve()


async def test_the_result_is_handed_over_in_the_step_that_makes_it_possible() -> None:
    """Nobody can take it between the wake-up and the waiter's next step."""
    shop, got = Shop(), list[int]()

    async def customer() -> None:
        got.append(await shop.line.wait(shop.take))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(customer)
        await trio.testing.wait_all_tasks_blocked()
        shop.deliver(7)
        with pytest.raises(trio.WouldBlock):
            shop.take()
        assert len(shop.line) == 0
    assert got == [7]


@given(actions=st.lists(st.sampled_from(["come", "deliver", "give up"]), max_size=30))
def test_customers_are_served_in_the_order_in_which_they_came(actions: list[str]) -> None:
    """Whoever gives up takes nothing; the next one moves up."""

    async def main() -> None:
        shop, served, model = Shop(), list[int](), deque[int]()
        scopes: dict[int, trio.CancelScope] = {}
        expected: list[int] = []

        async def customer(name: int) -> None:
            with scopes[name]:
                await shop.line.wait(shop.take)
                served.append(name)

        async with trio.open_nursery() as nursery:
            for name, action in enumerate(actions):
                if action == "come":
                    scopes[name] = trio.CancelScope()
                    nursery.start_soon(customer, name)
                    model.append(name)
                    await trio.testing.wait_all_tasks_blocked()
                elif model and action == "deliver":
                    shop.deliver(name)
                    expected.append(model.popleft())
                elif model:
                    scopes[model.popleft()].cancel()
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert served == expected
        assert not shop.goods

    trio.run(main)


async def test_an_operation_that_frees_something_serves_after_itself_not_inside() -> None:
    """A younger waiter is not completed while an older one's operation still runs."""
    line: WaitList[None] = WaitList()
    order: list[str] = []
    ready = False

    def operation(name: str) -> None:
        if not ready:
            raise trio.WouldBlock
        order.append(f"{name} begins")
        line.serve()
        order.append(f"{name} ends")

    async with trio.open_nursery() as nursery:
        for name in ("old", "young"):
            nursery.start_soon(line.wait, lambda name=name: operation(name))
            await trio.testing.wait_all_tasks_blocked()
        ready = True
        line.serve()
    assert order == ["old begins", "old ends", "young begins", "young ends"]


async def test_an_operation_that_fails_fails_its_own_waiter_only() -> None:
    """The next one is served."""
    line: WaitList[int] = WaitList()
    results: list[object] = []
    ready = False

    def operation(name: int) -> int:
        if not ready:
            raise trio.WouldBlock
        return 10 // name

    async def wait(name: int) -> None:
        try:
            results.append(await line.wait(lambda: operation(name)))
        except ZeroDivisionError as error:
            results.append(type(error))

    async with trio.open_nursery() as nursery:
        for name in (0, 5):
            nursery.start_soon(wait, name)
            await trio.testing.wait_all_tasks_blocked()
        ready = True
        line.serve()
    assert set(results) == {ZeroDivisionError, 2}


async def test_conditions_that_compete_for_nothing_are_served_out_of_order() -> None:
    """A task that waits for ten peers does not hold up the one that waits for one."""
    line: WaitList[None] = WaitList()
    peers, done = 0, list[int]()

    async def wait(wanted: int) -> None:
        def check() -> None:
            if peers < wanted:
                raise trio.WouldBlock

        await line.wait(check)
        done.append(wanted)

    async with trio.open_nursery() as nursery:
        for wanted in (10, 1):
            nursery.start_soon(wait, wanted)
            await trio.testing.wait_all_tasks_blocked()
        peers = 1
        line.serve_all()
        await trio.testing.wait_all_tasks_blocked()
        assert done == [1]
        nursery.cancel_scope.cancel()


async def test_who_was_moved_to_another_line_waits_and_leaves_there() -> None:
    """At its end, and a cancelled task is not looked for in the line where it began to wait."""
    first, second = WaitList[str](), WaitList[str]()
    served: list[str] = []
    ready = False

    async def wait(line: WaitList[str], name: str) -> None:
        def operation() -> str:
            if not ready:
                raise trio.WouldBlock
            return name

        served.append(await line.wait(operation))

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as leaves:
            async with trio.open_nursery() as leaving:
                nursery.start_soon(wait, second, "was there")
                nursery.start_soon(wait, first, "comes")
                leaving.start_soon(wait, first, "leaves")
                await trio.testing.wait_all_tasks_blocked()
                first.move_to(second)
                leaves.cancel()
        assert (len(first), len(second)) == (0, 2)
        ready = True
        second.serve()
    assert sorted(served) == ["comes", "was there"]


async def test_closing_completes_every_waiter_with_an_error_of_its_own() -> None:
    """Each gets a new object, so that tracebacks don't mix."""
    shop, errors = Shop(), list[BaseException]()

    async def customer() -> None:
        with pytest.raises(trio.ClosedResourceError) as caught:
            await shop.line.wait(shop.take)
        errors.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(customer)
        nursery.start_soon(customer)
        await trio.testing.wait_all_tasks_blocked()
        shop.line.fail(Closed("Shop"))
    assert errors[0] is not errors[1]


async def test_when_the_oldest_gives_up_the_next_one_goes_if_it_can() -> None:
    """It may have waited only because of its turn."""
    line: WaitList[str] = WaitList()
    scope, done = trio.CancelScope(), list[str]()

    def never() -> str:
        raise trio.WouldBlock

    async def oldest() -> None:
        with scope:
            await line.wait(never)

    async def next_one() -> None:
        done.append(await line.wait(lambda: "done"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(oldest)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(next_one)
        await trio.testing.wait_all_tasks_blocked()
        assert not done
        scope.cancel()
    assert done == ["done"]
