"""Fanout against a model: who gets a message when some queues are full."""

from __future__ import annotations

from typing import ClassVar, cast

import attrs
import pytest
import trio
from hypothesis import example, given, strategies as st

from tests.property.pipes import Books, NoLink, assert_adds_up, new_pipe, no_peer, waiting_in, write
from trio_mq import DropReason, OnFull
from trio_mq._pipes.item import frames_of
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.printer import Printer
from trio_mq._pipes.shared import SharedOutbound
from trio_mq._scope import Scope
from trio_mq._strategies.fanout import Fanout
from trio_mq._waiting import TimeSlice

#: A message for these peers, or a write of one of them.
steps = st.lists(st.one_of(st.sets(st.integers(0, 3), min_size=1), st.integers(0, 3)), max_size=40)
marks = st.lists(st.integers(1, 4), min_size=4, max_size=4)
#: Peers to whom their links are writing, so that the quick way is open.
rolling = st.sets(st.integers(0, 3))


def fanout_of(on_full: OnFull) -> Fanout:
    """Return a fanout whose socket is not open, so that it shares nothing."""
    return Fanout(on_full, Printer("Books"))


def pipes_with(marks: list[int], rolling: set[int]) -> list[Pipe]:
    """Return a pipe for each mark, some of them in the midst of being written."""
    pipes = [new_pipe(Books(), send_hwm=mark) for mark in marks]
    for which in rolling:
        pipes[which].outbound.writer_is_busy()
    return pipes


@given(
    marks=marks,
    rolling=rolling,
    steps=steps,
    on_full=st.sampled_from(["drop_newest", "drop_oldest"]),
)
def test_a_full_queue_loses_one_message_of_its_own_peer_only(
    marks: list[int], rolling: set[int], steps: list[set[int] | int], on_full: OnFull
) -> None:
    """Which one, is the option."""
    pipes = pipes_with(marks, rolling)
    model: list[list[bytes]] = [[] for _ in pipes]
    fanout = fanout_of(on_full)
    for number, step in enumerate(steps):
        message = b"%d" % number
        if isinstance(step, int):
            assert write(pipes[step], 1) == model[step][:1]
            del model[step][:1]
            continue
        fanout.send((message,), [pipes[which] for which in sorted(step)])
        for which in step:
            if len(model[which]) < marks[which]:
                model[which].append(message)
            elif on_full == "drop_oldest":
                model[which] = [*model[which][1:], message]
    assert [waiting_in(pipe) for pipe in pipes] == model
    for pipe in pipes:
        assert_adds_up(pipe)


@given(marks=marks, rolling=rolling, steps=steps)
def test_blocking_gives_a_message_to_all_or_to_none(
    marks: list[int], rolling: set[int], steps: list[set[int] | int]
) -> None:
    """And marks exactly the full queues, so that their room is announced."""
    pipes = pipes_with(marks, rolling)
    fanout = fanout_of("block")
    for step in steps:
        if isinstance(step, int):
            write(pipes[step], 1)
            continue
        targets = [pipes[which] for which in sorted(step)]
        full = [pipe for pipe in targets if not pipe.outbound.has_room()]
        before = [list(pipe.outbound.queue) for pipe in pipes]
        if full:
            with pytest.raises(trio.WouldBlock):
                fanout.send((b"x",), targets)
            assert [list(pipe.outbound.queue) for pipe in pipes] == before
            assert all(pipe.outbound.blocked for pipe in full)
        else:
            fanout.send((b"x",), targets)
    for pipe in pipes:
        assert_adds_up(pipe)


def test_a_message_for_many_is_one_object_that_its_encoding_can_be_kept_in() -> None:
    """And a message for one peer is bare."""
    pipes = [new_pipe(Books()) for _ in range(3)]
    fanout = fanout_of("drop_newest")
    fanout.send((b"many",), pipes)
    fanout.send((b"one",), pipes[:1])
    assert pipes[0].outbound.queue[0] is pipes[1].outbound.queue[0] is pipes[2].outbound.queue[0]
    assert pipes[0].outbound.queue[1] == b"one"


# -- with editions ---------------------------------------------------------------------------------


@attrs.define(eq=False)
class Kernel(NoLink):
    """A connection that writes what goes to many while its kernel takes it."""

    writes_later: ClassVar[bool] = True

    pipe: Pipe
    takes: bool = True
    written: list[bytes] = attrs.field(factory=list)
    left_over: int = 0

    def queued(self) -> None:
        """Write it in a step of its own."""
        self.pipe.outbound.writer_is_busy()

    def gather(self) -> None:
        """Wait for the end of the round."""
        self.pipe.outbound.writer_is_busy()
        assert isinstance(self.pipe.outbound, SharedOutbound)
        self.pipe.outbound.tell(self)

    def turn_ended(self) -> bool:
        """Leave what could not be written in one go to a step of its own."""
        self.left_over += 1
        return False

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Take all of it, or nothing."""
        if self.takes:
            frames = bodies(wire)
            assert (len(frames), sum(map(len, frames))) == (count, payload)
            self.written += frames
        return self.takes

    def write(self, count: int) -> None:
        """Write a few messages as a writer's task does."""
        self.written += write(self.pipe, count)
        if not self.pipe.outbound.queue:
            self.pipe.outbound.writer_is_idle()


def bodies(wire: bytes) -> list[bytes]:
    """Take apart messages of one short frame each."""
    frames = []
    while wire:
        size = wire[1]
        assert wire[0] == 0
        frames.append(wire[2 : 2 + size])
        wire = wire[2 + size :]
    return frames


@attrs.define(eq=False)
class World:
    """Four peers, and what each must have got and have waiting."""

    on_full: OnFull
    marks: list[int]
    books: Books = attrs.field(init=False)
    pipes: list[Pipe] = attrs.field(init=False)
    kernels: list[Kernel] = attrs.field(init=False)
    printer: Printer[Pipe] = attrs.field(init=False)
    fanout: Fanout = attrs.field(init=False)
    #: All that each peer was given, in order, and how much of that has been dropped.
    waiting: list[list[bytes]] = attrs.field(init=False)
    gone: list[list[bytes]] = attrs.field(init=False)
    readers: list[dict[Pipe, None]] = attrs.field(init=False)
    sent: int = 0
    #: Editions that were begun.
    begun: int = 0

    def __attrs_post_init__(self) -> None:
        self.books = Books(sends_to_many=True)
        self.pipes = [new_pipe(self.books, send_hwm=mark) for mark in self.marks]
        self.kernels = [Kernel(pipe) for pipe in self.pipes]
        for pipe, kernel in zip(self.pipes, self.kernels, strict=True):
            pipe.lend(no_peer(), kernel)
        self.printer = self.books.printer
        # The time stands still: after a first message, all others come soon enough for a round.
        self.printer.begin(cast("Scope", self), TimeSlice(lambda: 0.0))
        self.fanout = Fanout(self.on_full, self.printer)
        self.waiting = [[] for _ in self.pipes]
        self.gone = [[] for _ in self.pipes]
        one, two, three, _ = self.pipes
        # The same dictionaries each time, as subscriptions have them.
        self.readers = [
            dict.fromkeys(self.pipes),
            dict.fromkeys((one, two)),
            dict.fromkeys((two, three)),
            dict.fromkeys((three,)),
        ]

    def spawn_in_background(self, task: object, name: str) -> None:
        """Run nothing: the test says when the printer runs."""

    def send(self, readers: int, times: int) -> None:
        """Publish to some of them, as `Fanout` says it should be."""
        for _ in range(times):
            self.sent += 1
            message = b"%d" % self.sent
            pipes = self.readers[readers]
            full = [pipe for pipe in pipes if self.is_full(pipe)]
            before = self.printer.edition
            if self.on_full == "block" and full:
                with pytest.raises(trio.WouldBlock):
                    self.fanout.send((message,), pipes)
                return
            self.fanout.send((message,), pipes)
            self.begun += self.printer.edition is not before
            for pipe in pipes:
                self.expect(message, pipe)

    def send_many(self, readers: int, times: int) -> None:
        """Publish a batch to some of them, as far as it is easy."""
        pipes = self.readers[readers]
        batch = [b"%d" % (self.sent + 1 + number) for number in range(times)]
        count = self.fanout.add_easy(batch, 1, lambda _: pipes, 0)
        for message in batch[1 : 1 + count]:
            assert not any(map(self.is_full, pipes))
            for pipe in pipes:
                self.expect(message, pipe)
        self.sent += times

    def is_full(self, pipe: Pipe) -> bool:
        """Tell whether a pipe can't have one more."""
        which = self.pipes.index(pipe)
        return len(self.waiting[which]) >= self.marks[which]

    def expect(self, message: bytes, pipe: Pipe) -> None:
        """Do to the model what a message does."""
        waiting = self.waiting[self.pipes.index(pipe)]
        if not self.is_full(pipe):
            waiting.append(message)
        elif self.on_full == "drop_oldest":
            # What a writer has in hand stays; here it never has any between two steps.
            del waiting[0]
            waiting.append(message)

    def check(self) -> None:
        """Compare without touching anything."""
        for pipe, kernel, waiting, gone in zip(
            self.pipes, self.kernels, self.waiting, self.gone, strict=True
        ):
            new = kernel.written[len(gone) :]
            assert waiting[: len(new)] == new
            del waiting[: len(new)]
            gone.extend(new)
            there, size = pipe.outbound.as_it_is()
            assert [frames_of(item)[0] for item in there] == waiting
            assert size == sum(map(len, waiting))
            assert not waiting or pipe in self.books.busy
            assert list(pipe.outbound.faults()) == []
        assert list(self.printer.faults()) == []


which = st.integers(0, 3)
edition_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["send", "send", "many"]), which, st.integers(1, 9)),
        st.tuples(st.sampled_from(["write", "look", "count", "jam", "lose"]), which, st.just(3)),
        st.tuples(st.just("deliver"), st.just(0), st.just(0)),
    ),
    min_size=1,
    max_size=40,
)


@given(
    marks=st.lists(st.integers(14, 40), min_size=4, max_size=4),
    on_full=st.sampled_from(["drop_newest", "drop_oldest", "block"]),
    steps=edition_steps,
)
@example(
    marks=[20] * 4,
    on_full="drop_newest",
    steps=[("send", 0, 2), ("lose", 0, 3), ("send", 0, 3)],
)
@example(
    marks=[20] * 4,
    on_full="block",
    steps=[("send", 0, 5), ("look", 1, 3), ("send", 3, 1), ("send", 0, 4), ("deliver", 0, 0)],
)
def test_an_edition_gives_each_peer_what_queues_would(
    marks: list[int], on_full: OnFull, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever is looked at, written, jammed or lost in between, and whoever reads what."""
    world = World(on_full, marks)
    for what, number, times in steps:
        pipe, kernel = world.pipes[number], world.kernels[number]
        match what:
            case "send":
                world.send(number, times)
            case "many":
                world.send_many(number, times)
            case "write":
                kernel.write(times)
            case "look":
                assert len(pipe.outbound.queue) == len(world.waiting[number])
            case "count":
                assert_adds_up(pipe)
            case "jam":
                kernel.takes = not kernel.takes
            case "lose":
                pipe.give_back(partly_written=False)
                pipe.lend(no_peer(), kernel)
            case _:
                world.printer.deliver()
        world.check()
    world.printer.deliver()
    world.check()
    for pipe, gone in zip(world.pipes, world.gone, strict=True):
        assert_adds_up(pipe)
        assert pipe.tally.written == len(gone)


def test_most_of_a_flood_is_not_put_into_any_queue() -> None:
    """Or the test above would not be about editions."""
    world = World("block", [100] * 4)
    world.send(0, 1)
    for kernel in world.kernels:
        kernel.write(1)
    world.send(0, 60)
    assert world.begun == 1
    world.printer.deliver()
    world.check()
    assert [len(kernel.written) for kernel in world.kernels] == [61] * 4
    assert [pipe.outbound.announced for pipe in world.pipes] == [False] * 4


def test_who_has_no_room_is_apart_and_the_others_share() -> None:
    """A peer that does not read must not make it dearer to publish to the others."""
    world = World("drop_newest", [5, 100, 100, 100])
    world.send(0, 1)
    for kernel in world.kernels[1:]:
        kernel.write(1)
    world.send(0, 60)
    world.printer.deliver()
    world.check()
    assert [len(kernel.written) for kernel in world.kernels] == [0, 61, 61, 61]
    assert world.pipes[0].figures().dropped_out == {DropReason.HIGH_WATER_MARK: 56}
