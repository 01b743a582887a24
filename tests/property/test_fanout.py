"""Fanout against a model: who gets a message when some queues are full."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given, strategies as st

from tests.property.pipes import Books, assert_adds_up, new_pipe, waiting_in, write
from trio_mq import OnFull
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.fanout import Fanout

#: A message for these peers, or a write of one of them.
steps = st.lists(st.one_of(st.sets(st.integers(0, 3), min_size=1), st.integers(0, 3)), max_size=40)
marks = st.lists(st.integers(1, 4), min_size=4, max_size=4)
#: Peers to whom their links are writing, so that the quick way is open.
rolling = st.sets(st.integers(0, 3))


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
    fanout = Fanout(on_full)
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
    fanout = Fanout("block")
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
    fanout = Fanout("drop_newest")
    fanout.send((b"many",), pipes)
    fanout.send((b"one",), pipes[:1])
    assert pipes[0].outbound.queue[0] is pipes[1].outbound.queue[0] is pipes[2].outbound.queue[0]
    assert pipes[0].outbound.queue[1] == b"one"
