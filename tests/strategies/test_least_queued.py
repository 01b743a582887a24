"""Least queued: the shortest queue, in turn among equals."""

from __future__ import annotations

import contextlib

import pytest
import trio
from hypothesis import given, strategies as st

from tests.property.pipes import Books, NoLink, new_pipe, no_peer, waiting_in, write
from trio_mq import Balance, Pull, Push
from trio_mq._pipes.item import Item
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.least_queued import LeastQueued


def give(pipe: Pipe, item: Item) -> None:
    """Queue what was returned."""
    pipe.outbound.put(item)


def pipes_of(balance: LeastQueued, hwms: list[int]) -> list[Pipe]:
    """Return so many pipes without a connection that may be chosen."""
    pipes = [new_pipe(Books(), send_hwm=hwm) for hwm in hwms]
    for pipe in pipes:
        balance.add(pipe)
    return pipes


@given(hwms=st.lists(st.integers(1, 5), min_size=1, max_size=5), count=st.integers(0, 30))
def test_queues_fill_alike(hwms: list[int], count: int) -> None:
    """As nobody writes, each grows by one before any grows by two, as far as there is room."""
    balance = LeastQueued(give)
    pipes = pipes_of(balance, hwms)
    accepted = min(count, sum(hwms))
    for number in range(accepted):
        balance.send((b"%d" % number,))
    longest = max(len(pipe.outbound.queue) for pipe in pipes)
    for pipe, hwm in zip(pipes, hwms, strict=True):
        assert longest - 1 <= len(pipe.outbound.queue) or len(pipe.outbound.queue) == hwm
    if count > accepted:
        with pytest.raises(trio.WouldBlock):
            balance.send((b"more",))


def test_the_shortest_queue_is_chosen() -> None:
    """Whoever's turn it would be."""
    balance = LeastQueued(give)
    one, two, three = pipes_of(balance, [10, 10, 10])
    for number in range(6):
        balance.send((b"%d" % number,))
    one.lend(no_peer(), NoLink())
    assert write(one, 2) == [b"0", b"3"]
    one.give_back(partly_written=False)
    for number in range(6, 8):
        balance.send((b"%d" % number,))
    assert waiting_in(one) == [b"6", b"7"]
    assert len(two.outbound.queue) == len(three.outbound.queue) == 2


def test_who_is_there_comes_before_who_is_not() -> None:
    """A short queue at an endpoint that is down is no short way."""
    balance = LeastQueued(give)
    down, up = pipes_of(balance, [10, 3])
    up.lend(no_peer(), NoLink())
    for number in range(5):
        balance.send((b"%d" % number,))
    assert (len(down.outbound.queue), len(up.outbound.queue)) == (2, 3)


@pytest.mark.parametrize("balance", ["turns", "least_queued"])
async def test_a_peer_that_does_not_read_gets_less(balance: Balance) -> None:
    """In turns it gets half; otherwise what it has no room for goes to one that reads."""
    async with (
        Push(bind="inproc://work", balance=balance, send_hwm=100, linger=0) as push,
        Pull(connect="inproc://work", receive_hwm=1),
        Pull(connect="inproc://work", receive_hwm=1) as quick,
    ):
        await push.wait_for_peers(2)
        received = 0
        for number in range(50):
            await push.send(b"%d" % number)
            with contextlib.suppress(trio.WouldBlock):
                quick.receive_nowait()
                received += 1
        assert received == 25 if balance == "turns" else received >= 45
