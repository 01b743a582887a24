"""Pipes: exact marks, batches in hand, and what becomes of a partly written message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, strategies as st

from tests.property.pipes import (
    Books,
    assert_adds_up,
    lend,
    new_pipe,
    no_peer,
    waiting_in,
    write,
)
from trio_mq import DropReason, InternalError, Message
from trio_mq._pipes.item import Outgoing, frames_of
from trio_mq._tally import Tally


@given(sizes=st.lists(st.integers(0, 9)), mark=st.integers(1, 5), limit=st.integers(1, 30))
def test_a_message_is_admitted_while_count_and_bytes_before_it_are_below(
    sizes: list[int], mark: int, limit: int
) -> None:
    """Exact in messages, over by at most one message in bytes."""
    pipe = new_pipe(Books(), send_hwm=mark, send_hwm_bytes=limit)
    admitted: list[int] = []
    for size in sizes:
        assert pipe.outbound.has_room() is (len(admitted) < mark and sum(admitted) < limit)
        if pipe.outbound.has_room():
            pipe.outbound.put((bytes(size),))
            admitted.append(size)
    assert pipe.outbound.size == sum(admitted)
    assert len(admitted) <= mark
    assert sum(admitted[:-1]) < limit
    assert_adds_up(pipe)


def test_a_message_leaves_the_count_when_it_is_written_and_not_before() -> None:
    """What the writer has in hand still fills the queue."""
    pipe = new_pipe(Books(), send_hwm=2)
    pipe.outbound.put((b"1",))
    pipe.outbound.put((b"2",))
    pipe.outbound.next_batch(10, 1000)
    assert not pipe.outbound.has_room()
    pipe.outbound.written(1, 1)
    assert pipe.outbound.has_room()
    assert waiting_in(pipe) == [b"2"]


def test_room_is_announced_once_and_only_to_who_was_refused() -> None:
    """A strategy marks the pipe that it found full."""
    books = Books()
    pipe = new_pipe(books, send_hwm=1)
    pipe.outbound.put((b"1",))
    write(pipe, 1)
    assert books.opened == []
    pipe.outbound.put((b"2",))
    pipe.outbound.blocked = True
    write(pipe, 1)
    write(pipe, 1)
    assert books.opened == [pipe]
    assert not pipe.outbound.blocked


@given(limits=st.tuples(st.integers(1, 5), st.integers(1, 20)), sizes=st.lists(st.integers(0, 9)))
@example(limits=(2, 1), sizes=[1, 0])
@example(limits=(2, 1), sizes=[1, 0, 1])
def test_a_batch_keeps_both_bounds_but_for_its_last_message(
    limits: tuple[int, int], sizes: list[int]
) -> None:
    """One message at least, however large; empty ones may follow where the bytes are used up."""
    pipe = new_pipe(Books())
    for size in sizes:
        pipe.outbound.put((bytes(size),))
    batch = [len(frames_of(item)[0]) for item in pipe.outbound.next_batch(*limits)]
    assert batch == sizes[: len(batch)]
    assert bool(batch) is bool(sizes)
    assert len(batch) <= limits[0]
    assert sum(batch) <= limits[1] or sum(batch[:-1]) < limits[1]
    assert batch == sizes or len(batch) == limits[0] or sum(batch) >= limits[1]
    assert pipe.outbound.in_hand == len(batch)


def test_what_is_in_hand_can_be_neither_taken_back_nor_dropped() -> None:
    """The kernel may have it already."""
    pipe = new_pipe(Books())
    messages = [(b"1", b""), (b"2", b"")]
    for message in messages:
        pipe.outbound.put(message)
    pipe.outbound.next_batch(1, 1000)
    assert not pipe.outbound.take_back(messages[0])
    assert pipe.outbound.take_back(messages[1])
    assert not pipe.outbound.drop_oldest()
    assert waiting_in(pipe) == [b"1"]
    assert_adds_up(pipe)


def test_what_comes_after_a_written_batch_can_be_taken_back() -> None:
    """Nothing is in hand any more."""
    pipe = new_pipe(Books())
    pipe.outbound.put((b"1",))
    write(pipe, 1)
    pipe.outbound.put(last := (b"2", b""))
    assert pipe.outbound.take_back(last)
    assert_adds_up(pipe)


def test_a_paused_reader_is_woken_when_half_of_the_room_is_free() -> None:
    """Not only when nothing is left: the next messages come while the last are being taken."""
    inbound, woken = new_pipe(Books(), receive_hwm=4).inbound, list[int]()
    for _ in range(2):
        inbound.deliver(no_peer(), [Message(b"1"), Message(b"2")], 2)
    assert inbound.room()[0] == 0
    inbound.pause(lambda: woken.append(inbound.count))
    for _ in range(3):
        inbound.take()
    assert woken == [2]


def test_a_torn_message_is_sent_again_whole_once_and_then_dropped() -> None:
    """A message that kills its receivers must not go round."""
    books = Books()
    pipe = new_pipe(books)
    pipe.outbound.put((b"torn",))
    pipe.outbound.put((b"next",))
    for _ in range(2):
        lend(pipe)
        pipe.outbound.next_batch(10, 1000)
        assert waiting_in(pipe) == [b"torn", b"next"]
        pipe.give_back(partly_written=True)
    assert waiting_in(pipe) == [b"next"]
    assert books.dropped_counts == {DropReason.CONNECTION_LOST: 1}
    assert_adds_up(pipe)


def test_a_torn_message_of_many_peers_is_torn_for_one_of_them() -> None:
    """The others share the encoding, and not the fate."""
    shared = Outgoing((b"news",))
    one, two = new_pipe(Books()), new_pipe(Books())
    one.outbound.put(shared)
    two.outbound.put(shared)
    lend(one)
    one.outbound.next_batch(1, 100)
    one.give_back(partly_written=True)
    assert one.outbound.queue[0] is not shared
    assert two.outbound.queue[0] is shared
    assert waiting_in(one) == waiting_in(two) == [b"news"]


def test_a_link_that_ends_between_messages_tears_nothing() -> None:
    """Nothing was partly written, however often that happens."""
    pipe = new_pipe(Books())
    pipe.outbound.put((b"1",))
    for _ in range(5):
        lend(pipe)
        pipe.outbound.next_batch(10, 1000)
        pipe.give_back(partly_written=False)
    assert (waiting_in(pipe), pipe.outbound.in_hand) == ([b"1"], 0)


def test_handing_back_leaves_nothing_counted_here() -> None:
    """The messages go on to another queue, which counts them."""
    pipe = new_pipe(Books())
    pipe.outbound.put((b"1",))
    pipe.outbound.put((b"22",))
    write(pipe, 1)
    assert pipe.outbound.reclaim() == [b"22"]
    tally = pipe.figures()
    assert (tally.accepted, tally.written, pipe.outbound.size) == (1, 1, 0)
    assert_adds_up(pipe)


def test_conflation_keeps_the_last_message_in_each_direction() -> None:
    """But one in hand is on its way already."""
    books = Books()
    pipe = new_pipe(books, conflate=True)
    for number in range(3):
        pipe.outbound.put((b"%d" % number,))
    assert waiting_in(pipe) == [b"2"]
    pipe.outbound.next_batch(1, 100)
    pipe.outbound.put((b"3",))
    pipe.outbound.put((b"4",))
    assert waiting_in(pipe) == [b"2", b"4"]
    pipe.inbound.deliver(no_peer(), [Message(b"a"), Message(b"b")], 2)
    pipe.inbound.deliver(no_peer(), [Message(b"c")], 1)
    assert (pipe.inbound.count, pipe.inbound.take()) == (1, (b"c",))
    assert books.dropped_counts == {DropReason.CONFLATED: 5}
    assert_adds_up(pipe)


@given(
    mark=st.integers(1, 6),
    limit=st.integers(1, 40),
    steps=st.lists(st.one_of(st.just("take"), st.lists(st.integers(0, 9), min_size=1))),
)
def test_a_reader_that_pauses_is_always_woken_before_the_queue_is_dry(
    mark: int, limit: int, steps: list[str | list[int]]
) -> None:
    """It never decodes beyond the room, and is never left paused in front of an empty queue."""
    pipe = new_pipe(Books(), receive_hwm=mark, receive_hwm_bytes=limit)
    inbound, paused = pipe.inbound, False

    def wake() -> None:
        nonlocal paused
        paused = False

    for step in steps:
        if isinstance(step, str):
            if inbound.count:
                inbound.take()
            if not inbound.count:
                inbound.look_for_room()
                assert not paused
            continue
        for size in step:
            if paused:
                break
            room, room_bytes = inbound.room()
            if room <= 0 or room_bytes <= 0:
                inbound.pause(wake)
                paused = True
            else:
                inbound.deliver(no_peer(), [Message(bytes(size))], size)
        assert inbound.count <= mark
    assert_adds_up(pipe)


@pytest.mark.parametrize("reason", [DropReason.CLOSED, DropReason.PEER_LEFT])
def test_what_is_dropped_is_counted_by_its_reason(reason: DropReason) -> None:
    """In both directions, once each."""
    books = Books()
    pipe = new_pipe(books)
    pipe.outbound.put((b"1",))
    pipe.inbound.deliver(no_peer(), [Message(b"2"), Message(b"3")], 2)
    assert (pipe.outbound.drop_all(reason), pipe.inbound.drop_all(reason)) == (1, 2)
    assert (pipe.outbound.drop_all(reason), pipe.inbound.drop_all(reason)) == (0, 0)
    assert books.dropped_counts == {reason: 3}
    assert_adds_up(pipe)


def test_what_a_link_decodes_in_the_room_of_what_is_dropped_is_dropped_too() -> None:
    """It would be gone with the pipe, and counted nowhere: the link has no task to wait for."""
    books = Books()
    pipe = new_pipe(books, receive_hwm=8)
    inbound, peer = pipe.inbound, no_peer()
    for _ in range(2):
        inbound.deliver(peer, [Message(b"1")] * 4, 4)
    assert inbound.room()[0] == 0
    inbound.pause(lambda: inbound.deliver(peer, [Message(b"2")] * 3, 3))
    for _ in range(3):  # half is free, and nobody looks until the batch is at its end
        inbound.take()
    assert inbound.drop_all(DropReason.CLOSED) == 8
    assert (inbound.count, books.dropped_counts) == (0, {DropReason.CLOSED: 8})
    assert_adds_up(pipe)


@pytest.mark.parametrize("act", ["reclaim", "drop_all", "retire", "lend"])
def test_what_is_lent_must_come_back_before_its_owner_decides_about_it(act: str) -> None:
    """A writer that goes on with what others have been given would send it twice."""
    pipe = new_pipe(Books())
    acts: dict[str, Callable[[], object]] = {
        "reclaim": pipe.outbound.reclaim,
        "drop_all": lambda: pipe.outbound.drop_all(DropReason.CLOSED),
        "retire": pipe.retire,
        "lend": lambda: lend(pipe),
    }
    pipe.outbound.put((b"1",))
    lend(pipe)
    pipe.outbound.next_batch(1, 100)
    with pytest.raises(InternalError, match="lent"):
        acts[act]()
    pipe.give_back(partly_written=False)
    assert waiting_in(pipe) == [b"1"]
    acts[act]()
    assert_adds_up(pipe)


def test_nothing_is_queued_where_no_link_will_come() -> None:
    """A retired pipe has no room, and is lent to nobody."""
    pipe = new_pipe(Books(), send_hwm=10)
    pipe.retire()
    assert not pipe.outbound.has_room()
    assert pipe.outbound.append_below == 0
    with pytest.raises(InternalError, match="retired"):
        lend(pipe)


def test_what_is_counted_in_a_pipe_that_was_forgotten_is_counted_where_its_figures_went() -> None:
    """As a request that turns out to be none, after it was the last one of a lost client."""
    pipe, departed = new_pipe(Books()), Tally()
    pipe.inbound.deliver(no_peer(), [Message(b"1")], 1)
    pipe.inbound.take()
    pipe.move_books(departed)
    pipe.inbound.drop_taken(DropReason.FILTERED)
    assert (departed.decoded, departed.delivered) == (1, 0)
    assert departed.dropped_in == {DropReason.FILTERED: 1}


def test_a_message_that_goes_back_is_counted_once() -> None:
    """Its pipe was forgotten when it was taken, and counts anew."""
    pipe, departed = new_pipe(Books()), Tally()
    pipe.inbound.deliver(no_peer(), [Message(b"1")], 1)
    message = pipe.inbound.take()
    pipe.move_books(departed)
    pipe.count_anew()
    pipe.inbound.put_back(message)
    assert departed.delivered + pipe.figures().delivered == 0
    pipe.inbound.take()
    pipe.move_books(departed)
    assert (departed.decoded, departed.delivered) == (1, 1)


def test_what_opens_a_connection_goes_first_and_with_it() -> None:
    """Each has one of its own, so one that was not written must not wait for the next."""
    books = Books()
    pipe = new_pipe(books)
    pipe.outbound.put((b"waits",))
    for begun in (False, True, True):
        lend(pipe)
        pipe.outbound.put_first((b"",))
        assert [frames_of(item) for item in pipe.outbound.next_batch(9, 99)] == [
            (b"",),
            (b"waits",),
        ]
        pipe.give_back(partly_written=begun)
        assert list(pipe.outbound.queue) == [b"waits"]
    figures = pipe.figures()
    assert (figures.accepted, figures.accepted_bytes, books.dropped_counts) == (1, 5, {})


def test_what_opens_a_connection_is_no_old_message() -> None:
    """Neither conflation nor making room takes it, or takes a message for it."""
    books = Books()
    pipe = new_pipe(books, conflate=True)
    pipe.outbound.put((b"waits",))
    lend(pipe)
    pipe.outbound.put_first((b"",))
    assert [frames_of(item) for item in pipe.outbound.queue] == [(b"",), (b"waits",)]
    assert pipe.outbound.drop_oldest()
    assert not pipe.outbound.drop_oldest()
    pipe.outbound.put((b"1",))
    pipe.outbound.put((b"2",))
    assert [frames_of(item) for item in pipe.outbound.queue] == [(b"",), (b"2",)]
    # Two were dropped from the first place that drains know: they don't count what goes first.
    assert books.places == [0, 0]
