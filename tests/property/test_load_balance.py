"""Load-balance against a model: turns, marks, and what a lost peer did not get."""

from __future__ import annotations

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.property.pipes import Books, assert_adds_up, new_pipe, waiting_in, write
from trio_mq._message import Frames
from trio_mq._pipes.item import Item, frames_of
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.load_balance import LoadBalance

number = st.integers(0, 9)


class Owner(Books):
    """A pattern that does nothing but to load-balance."""

    def __init__(self) -> None:
        super().__init__()
        self.balance = LoadBalance(self._give)
        self.dispatched: list[bytes] = []

    def room_opened(self, pipe: Pipe) -> None:
        """Tell the strategy."""
        self.balance.room_opened(pipe)

    def _give(self, pipe: Pipe, item: Item) -> None:
        pipe.outbound.put(item)
        self.dispatched.append(frames_of(item)[0])


class LoadBalanceMachine(RuleBasedStateMachine):
    """Peers come, write, leave; messages are accepted, in turn, once each, and none is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner()
        self.balance = self.owner.balance
        self.pipes: list[Pipe] = []
        self.accepted: list[bytes] = []
        self.written: list[bytes] = []

    @rule(hwm=st.integers(1, 3))
    def peer_comes(self, hwm: int) -> None:
        """A new peer is a target, last in turn."""
        pipe = new_pipe(self.owner, send_hwm=hwm)
        self.pipes.append(pipe)
        self.balance.add(pipe)

    @rule()
    def send(self) -> None:
        """Accepted exactly if nothing is in the return queue and some peer has room."""
        message: Frames = (b"%d" % len(self.accepted),)
        possible = not self.balance.returned and any(
            pipe.outbound.has_room() for pipe in self.pipes
        )
        try:
            self.balance.send(message)
        except trio.WouldBlock:
            assert not possible
        else:
            assert possible
            self.accepted.append(message[0])

    @precondition(lambda self: self.pipes)
    @rule(which=number, count=st.integers(1, 3))
    def peer_writes(self, which: int, count: int) -> None:
        """The kernel takes some messages of one peer."""
        self.written += write(self.pipes[which % len(self.pipes)], count)

    @precondition(lambda self: self.pipes)
    @rule(which=number)
    def peer_is_lost(self, which: int) -> None:
        """What it did not get is given to others, in the order in which it was accepted."""
        pipe = self.pipes.pop(which % len(self.pipes))
        before = [frames_of(item)[0] for item in self.balance.returned]
        lost = waiting_in(pipe)
        self.owner.dispatched.clear()
        self.balance.remove(pipe)
        self.balance.reclaim(pipe.outbound.reclaim())
        after = [frames_of(item)[0] for item in self.balance.returned]
        assert self.owner.dispatched + after == before + lost

    @invariant()
    def every_message_is_in_one_place(self) -> None:
        """Written, waiting for a peer, or in the return queue; each once."""
        waiting = [message for pipe in self.pipes for message in waiting_in(pipe)]
        returned = [frames_of(item)[0] for item in self.balance.returned]
        assert sorted(self.written + waiting + returned) == sorted(self.accepted)

    @invariant()
    def marks_are_exact(self) -> None:
        """No queue is longer than its mark."""
        for pipe in self.pipes:
            assert len(pipe.outbound.queue) <= pipe.outbound.hwm
            assert_adds_up(pipe)

    @invariant()
    def nothing_stays_returned_while_there_is_room(self) -> None:
        """The return queue is given out as soon as that is possible."""
        assert not (self.balance.returned and any(pipe.outbound.has_room() for pipe in self.pipes))


TestLoadBalance = LoadBalanceMachine.TestCase


def test_turns_are_even_and_skip_the_full() -> None:
    """Three peers, one of them with room for one message only."""
    owner = Owner()
    pipes = [new_pipe(owner, send_hwm=hwm) for hwm in (9, 1, 9)]
    for pipe in pipes:
        owner.balance.add(pipe)
    for message in range(7):
        owner.balance.send((b"%d" % message,))
    assert [waiting_in(pipe) for pipe in pipes] == [
        [b"0", b"3", b"5"],
        [b"1"],
        [b"2", b"4", b"6"],
    ]
