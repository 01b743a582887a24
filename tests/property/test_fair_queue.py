"""Fair-queue against a model: a deque per peer, taken from in turn."""

from __future__ import annotations

from collections import deque

import pytest
import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.property.pipes import Books, assert_adds_up, new_pipe, no_peer
from trio_mq import Message
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.fair_queue import FairQueue


class Owner(Books):
    """A pattern that does nothing but to fair-queue."""

    def __init__(self, *, direct: bool) -> None:
        super().__init__()
        self.queue = FairQueue(direct=direct)

    def messages_arrived(self, pipe: Pipe) -> None:
        """Tell the strategy."""
        self.queue.messages_arrived(pipe)


class FairQueueMachine(RuleBasedStateMachine):
    """Batches arrive at four peers; messages are taken, looked at, and taken by the direct."""

    @initialize(direct=st.booleans())
    def begin(self, direct: bool) -> None:  # noqa: FBT001  # hypothesis passes it
        """Four silent peers."""
        self.owner = Owner(direct=direct)
        self.queue = self.owner.queue
        self.pipes = [new_pipe(self.owner) for _ in range(4)]
        self.model: dict[Pipe, deque[bytes]] = {pipe: deque() for pipe in self.pipes}
        self.turns: deque[Pipe] = deque()
        self.sent = 0

    @rule(which=st.integers(0, 3), count=st.integers(1, 4))
    def batch_arrives(self, which: int, count: int) -> None:
        """One read of one peer."""
        pipe = self.pipes[which]
        numbers = range(self.sent, self.sent + count)
        batch = [Message(b"%d" % number) for number in numbers]
        self.sent += count
        if not self.model[pipe] and pipe not in self.turns:
            self.turns.append(pipe)
        self.model[pipe].extend(bytes(message) for message in batch)
        pipe.inbound.deliver(no_peer(), batch, sum(len(message[0]) for message in batch))

    def _forget_silent_turns(self) -> None:
        """A peer that the direct way emptied keeps its turn until somebody asks."""
        while self.turns and not self.model[self.turns[0]]:
            self.turns.popleft()

    @rule()
    def take(self) -> None:
        """The oldest message of the peer whose turn it is."""
        self._forget_silent_turns()
        if not self.turns:
            with pytest.raises(trio.WouldBlock):
                self.queue.take()
            return
        pipe = self.turns.popleft()
        assert bytes(self.queue.take()) == self.model[pipe].popleft()
        assert self.queue.current is pipe
        if self.model[pipe]:
            self.turns.append(pipe)

    @precondition(lambda self: any(self.model.values()))
    @rule()
    def look(self) -> None:
        """Taken and put back: as if nothing had been."""
        self._forget_silent_turns()
        message = self.queue.take()
        pipe = self.queue.current
        assert pipe is self.turns[0]
        assert bytes(message) == self.model[pipe][0]
        self.queue.put_back(message)

    @precondition(lambda self: self.queue.direct)
    @rule()
    def take_by_the_direct(self) -> None:
        """The short way, while only one peer has something."""
        speaking = [pipe for pipe in self.pipes if self.model[pipe]]
        assert len(speaking) == 1
        assert bytes(self.queue.direct.popleft()) == self.model[speaking[0]].popleft()

    @invariant()
    def counts_agree(self) -> None:
        """Of each pipe, with its model, and the equations."""
        for pipe, messages in getattr(self, "model", {}).items():
            assert pipe.inbound.count == len(messages)
            assert_adds_up(pipe)


TestFairQueue = FairQueueMachine.TestCase
