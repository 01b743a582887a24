"""The receive budget of one socket, without sockets: what counts, who waits, and who goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import pytest
import trio
import trio.testing

from tests.property.pipes import Books, new_pipe, no_peer
from trio_mq import DropReason, Message
from trio_mq._pipes.budget import DEPARTED, SMALL_READ, ReceiveBudget, Share, Tail, cost_of
from trio_mq._pipes.pipe import Pipe

if TYPE_CHECKING:
    from trio_mq._telling import Teller

LIMIT: Final = 1_000_000


class Owner(Books):
    """Owns pipes, with a budget that is limited."""

    def __init__(self) -> None:
        super().__init__()
        self.closings = 0
        self.gone: list[Pipe] = []
        self.budget = ReceiveBudget(LIMIT, cast("Teller", self))

    def budget_is_used_up(self, used: int) -> None:
        """Count it, as the log would tell it."""
        assert used >= LIMIT
        self.closings += 1

    def emptied(self, pipe: Pipe) -> None:
        """Note it."""
        self.gone.append(pipe)


def fill(pipe: Pipe, size: int, count: int = 1) -> None:
    """Let messages of so many bytes each arrive."""
    messages = [Message((bytes(size),)) for _ in range(count)]
    pipe.inbound.deliver(no_peer(), messages, size * count)


def read(pipe: Pipe) -> None:
    """Receive all that a pipe has, as the fair queue does."""
    while pipe.inbound.count or pipe.inbound.refill():
        pipe.inbound.take()


def test_what_was_received_or_dropped_is_given_back() -> None:
    """To the last byte, in whatever way it went."""
    owner = Owner()
    pipe = new_pipe(owner)
    fill(pipe, 1000, 5)
    fill(pipe, 2000, 5)
    assert owner.budget.used == cost_of([Message((bytes(1000),))], 1000) * 5 + cost_of(
        [Message((b"",))] * 5, 10_000
    )
    read(pipe)
    assert owner.budget.used == 0
    fill(pipe, 1000, 5)
    fill(pipe, 1000, 5)
    pipe.inbound.drop_all(DropReason.CLOSED)
    assert owner.budget.used == 0


def test_a_message_that_was_put_back_counts_again() -> None:
    """Also the last one of its batch, whose room had been given back."""
    owner = Owner()
    pipe = new_pipe(owner)
    fill(pipe, 1000)
    before = owner.budget.used
    message = pipe.inbound.take()
    assert not pipe.inbound.refill()
    assert owner.budget.used == 0
    pipe.inbound.put_back(message)
    assert owner.budget.used == before
    read(pipe)
    assert owner.budget.used == 0


def test_conflation_keeps_only_the_last_message_in_the_budget() -> None:
    """And a closed budget stops it too: a thousand last messages are many."""
    owner = Owner()
    pipe = new_pipe(owner, conflate=True)
    for _ in range(3):
        fill(pipe, 600_000)
        assert owner.budget.used == cost_of([Message((b"",))], 600_000)
    fill(new_pipe(owner), 600_000)
    assert pipe.inbound.room() == (0, 0)


@pytest.mark.parametrize("frames", [1, 1000])
def test_what_has_no_payload_is_not_free(frames: int) -> None:
    """A message and each of its frames take memory."""
    owner = Owner()
    pipe = new_pipe(owner)
    pipe.inbound.deliver(no_peer(), [Message([b""] * frames)] * 100, 0)
    assert owner.budget.used >= 100 * frames * 48


def test_who_has_left_counts_until_its_messages_are_read() -> None:
    """A pipe that is kept for one byte takes more than that."""
    owner = Owner()
    pipe = new_pipe(owner)
    fill(pipe, 1)
    pipe.inbound.retire()
    assert owner.budget.used > DEPARTED
    read(pipe)
    pipe.inbound.forgotten()
    assert owner.budget.used == 0


def test_the_last_that_fits_is_exceeded_by_one_message_and_nothing_else_is_let_in() -> None:
    """Whatever a pipe's own marks would allow."""
    owner = Owner()
    first, second = new_pipe(owner), new_pipe(owner)
    fill(first, LIMIT // 2)
    room, room_bytes = second.inbound.room()
    assert room > 0
    assert room_bytes == owner.budget.left < LIMIT // 2
    fill(second, LIMIT)
    assert owner.closings == 1
    assert first.inbound.room() == second.inbound.room() == (0, 0)


async def test_who_waited_goes_on_in_the_order_of_waiting() -> None:
    """Each takes what it needs; those for whom nothing is left keep their turn."""
    owner = Owner()
    full = new_pipe(owner)
    fill(full, LIMIT)
    waiting = [new_pipe(owner) for _ in range(3)]
    order: list[int] = []

    def taker(index: int) -> Callable[[], None]:
        def take() -> None:
            # As a link does it: as much as there is room for, then wait again.
            while waiting[index].inbound.room() != (0, 0) and order.count(index) < 2:
                order.append(index)
                fill(waiting[index], LIMIT * 2 // 3)
            waiting[index].inbound.pause(take)

        return take

    for index, pipe in enumerate(waiting):
        pipe.inbound.pause(taker(index))
    for received, expected in [(full, [0, 0]), (waiting[0], [0, 0, 1, 1])]:
        read(received)
        await trio.testing.wait_all_tasks_blocked()
        assert order == expected
    read(waiting[1])
    await trio.testing.wait_all_tasks_blocked()
    assert order == [0, 0, 1, 1, 2, 2]


async def test_a_link_that_ended_waits_no_more() -> None:
    """Nothing is called for it."""
    owner = Owner()
    full, gone = new_pipe(owner), new_pipe(owner)
    fill(full, LIMIT)
    gone.inbound.pause(lambda: pytest.fail("it has ended"))
    gone.inbound.link_ended()
    read(full)
    await trio.testing.wait_all_tasks_blocked()
    assert not owner.budget.closed


# -- unfinished messages --


class _Link:
    """A link that notes that it was ended."""

    share: Share

    def __init__(self, turned_out: list[Share]) -> None:
        self._turned_out = turned_out

    def hang_up(self, reason: str) -> None:
        """Note it."""
        assert reason == "receive-budget"
        self._turned_out.append(self.share)


class Turns:
    """Links that read large messages, and who of them was turned out."""

    def __init__(self) -> None:
        self.budget = ReceiveBudget(LIMIT)
        self.turned_out: list[Share] = []
        self.gone_on: list[Share] = []

    def share(self, partial: int) -> Share:
        """Return the share of a link that has read so much of a message."""
        link = _Link(self.turned_out)
        link.share = Share(self.budget, link)
        link.share.hold(partial)
        return link.share

    async def turn(self, share: Share) -> None:
        """Wait for its turn, and note it."""
        await share.turn()
        self.gone_on.append(share)


async def test_a_little_of_a_message_is_nobodys_concern() -> None:
    """Small messages pass, however many large ones are stuck."""
    turns = Turns()
    turns.share(LIMIT)
    small = turns.share(SMALL_READ)
    await small.turn()
    assert turns.budget.left == LIMIT // 2
    assert not turns.budget.closed


async def test_large_messages_take_turns_when_their_half_is_used_up() -> None:
    """One goes on; the next does when that one's message is whole."""
    turns = Turns()
    first, second, third = (turns.share(LIMIT // 5) for _ in range(3))
    async with trio.open_nursery() as nursery:
        for share in (first, second):
            nursery.start_soon(turns.turn, share)
            await trio.testing.wait_all_tasks_blocked()
        assert turns.gone_on == []
        third.hold(LIMIT // 5 + 1)
        third.hold(0)
        await trio.testing.wait_all_tasks_blocked()
        assert set(turns.gone_on) == {first, second}


async def test_one_always_goes_on() -> None:
    """When all of those that share the half would wait for each other."""
    turns = Turns()
    first, second = turns.share(LIMIT // 2), turns.share(LIMIT // 2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.turn, first)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.gone_on == []
        nursery.start_soon(turns.turn, second)
        await trio.testing.wait_all_tasks_blocked()
        assert turns.gone_on == [first]
        first.hold(LIMIT)
        first.hold(0)
    assert turns.gone_on == [first, second]
    assert turns.turned_out == []


async def test_the_one_that_goes_on_goes_on_to_the_end_of_its_message() -> None:
    """Were it a piece of each in turn, all would grow, and nothing would bound them together."""
    turns = Turns()
    first, second = turns.share(LIMIT // 4), turns.share(LIMIT // 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.turn, first)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(turns.turn, second)
        await trio.testing.wait_all_tasks_blocked()
        first.hold(LIMIT // 4 + SMALL_READ)
        await turns.turn(first)
        assert turns.gone_on == [first, first]
        first.hold(SMALL_READ + 1)  # that of the next message
        nursery.start_soon(turns.turn, first)
        await trio.testing.wait_all_tasks_blocked()
        assert set(turns.gone_on) == {first, second}


async def test_reads_are_small_once_partial_messages_use_more_than_their_half() -> None:
    """Links that were let go on at the same time find it out by the size of their reads."""
    turns = Turns()
    sizes = [turns.budget.read_size(LIMIT)]
    for _ in range(10):
        turns.share(LIMIT // 10)
        sizes.append(turns.budget.read_size(LIMIT))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[5] > sizes[-1] == SMALL_READ


async def test_who_is_silent_in_the_midst_of_a_message_and_keeps_others_waiting_goes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """All that are; and nobody who waits for a turn."""
    turns = Turns()
    stuck = [turns.share(LIMIT // 4) for _ in range(2)]
    honest = turns.share(LIMIT // 4)
    with trio.move_on_after(6):
        await turns.turn(honest)
    assert turns.turned_out == stuck
    assert turns.gone_on == []
    for share in stuck:
        share.hold(0)
    await turns.turn(honest)
    assert turns.gone_on == [honest]


async def test_where_none_is_silent_the_slowest_goes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A byte now and then is no better than silence."""
    turns = Turns()
    slow, fast, honest = turns.share(LIMIT // 4), turns.share(LIMIT // 4), turns.share(LIMIT // 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turns.turn, honest)
        await trio.sleep(4)
        slow.hold(LIMIT // 4 + 1)
        fast.hold(LIMIT // 2)
        await trio.sleep(2)
        assert turns.turned_out == [slow]
        nursery.cancel_scope.cancel()


async def test_nobody_is_blamed_while_the_program_does_not_receive(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The budget is closed, and only the program can open it."""
    turns = Turns()
    turns.share(LIMIT // 4)
    honest = turns.share(LIMIT // 4)
    turns.budget.take(LIMIT)
    with trio.move_on_after(60):
        await turns.turn(honest)
    assert turns.turned_out == turns.gone_on == []


async def test_undecoded_bytes_make_reads_small_and_stop_no_decoding() -> None:
    """They become messages, so they are no reason to wait for room."""
    await trio.lowlevel.checkpoint()
    turns = Turns()
    assert turns.budget.read_size(1 << 20) > SMALL_READ
    share = Share(turns.budget, _Link([]))
    share.park(2 * LIMIT)
    assert turns.budget.read_size(1 << 20) == SMALL_READ
    assert turns.budget.left == LIMIT
    share.hold(0)
    assert turns.budget.used == 0


async def test_a_pipe_whose_tail_ends_after_its_last_message_was_taken_is_forgotten() -> None:
    """Nobody takes from it again, so the end of the tail has to say that all is read."""
    await trio.lowlevel.checkpoint()
    owner = Owner()
    pipe = new_pipe(owner)
    share = Share(owner.budget, _Link([]))
    share.park(1000)
    pipe.inbound.tail = Tail(share)
    fill(pipe, 1)
    pipe.retire()
    read(pipe)
    assert owner.gone == []
    pipe.inbound.end_tail()
    assert owner.gone == [pipe]
    assert owner.budget.used == DEPARTED
