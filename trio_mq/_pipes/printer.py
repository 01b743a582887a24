"""The task of a publisher that writes what waits for several peers: editions and rounds.

Theory of operation
-------------------

A message that only one of many subscribers wants can't be shared, so what it costs is its system
call, which takes three times as long as all the rest. In a flood, the next message is for somebody
else, and the one after that again. So each queue gets a message now and then, and nothing in it
tells that it could wait for another. The socket sees it. While a publisher sends one message after
the other, the first message in each queue joins a *round* (`SharedOutbound.join_round`), those
behind it are only appended, and at the end of the round each queue is written in one piece.

A lone message is no flood: it is written at once, if nothing was written to anybody a moment ago.
What comes in the same turn of the scheduler makes a round, which ends with that turn. Only if that
was as much as a flood brings, it goes on, until two turns bring less, or there is enough for each
peer, or a millisecond of the processor's time is over; and it ends before any queue could be full.

Editions (`trio_mq._pipes.edition`) are written by the same task, for the same reason, and end in
the same way.

An example. A hundred peers have subscribed to a topic each, and a task publishes on one topic after
the other. The first message is written at once. The 63 others of its time slice join a round. Each
turn brings 64 more, until each queue has some eight. Then the printer makes a hundred writes, where
there would have been eight hundred. When the task stops publishing, the printer finds that two
turns have brought nothing, writes what there is, and sleeps. If a peer leaves meanwhile, its task
ends, and the next flood starts another one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Generic

import trio

from trio_mq._pipes.edition import Edition
from trio_mq._pipes.gathering import InRound
from trio_mq._pipes.owner import PipeT
from trio_mq._scope import Scope
from trio_mq._waiting import TimeSlice

#: An edition of this many messages, or bytes, is worth a system call for each member, and waits for
#: no more. So is a round for a few peers.
_ENOUGH_MESSAGES: Final = 400
_ENOUGH_BYTES: Final = 64 * 1024
#: What grows by fewer messages than this in two turns of the scheduler is written.
_GROWTH: Final = 32
#: A round with so many messages for each of its peers is written.
_ENOUGH_FOR_ONE: Final = 16
#: Seconds of the processor's time after which a round is written.
_LONGEST: Final = 1e-3
#: Seconds since the last write to anybody that make a message worth a system call of its own.
_PAUSE: Final = 20e-6


class Printer(Generic[PipeT]):
    """Writes the editions and rounds of one socket, when a turn ends, or when there is enough.

    Args:
        name: The socket's class, for tracebacks.
    """

    __slots__ = (
        "_asleep",
        "_counted",
        "_last_write",
        "_name",
        "_printed",
        "_round",
        "_round_room",
        "_runs",
        "_scope",
        "_slice",
        "edition",
    )

    def __init__(self, name: str) -> None:
        self._name = name
        #: To which messages may be added; without `Edition.room` while there is none.
        self.edition: Edition[PipeT] = Edition()
        #: Those that are not delivered yet, oldest first.
        self._printed: list[Edition[PipeT]] = []
        #: Who waits for the end of the round, and how many messages can be published meanwhile
        #: without filling one of their queues, as it was when that was looked at.
        self._round: list[InRound] = []
        self._round_room = 0
        #: Small messages since the printer's last work, without those that `edition` counts.
        self._counted = 0
        self._slice = TimeSlice()
        #: When something was written at once, or a round was.
        self._last_write = -math.inf
        #: Where the socket's tasks run; ``None``: it is not open yet, or not any more.
        self._scope: Scope | None = None
        self._runs = False
        self._asleep: trio.lowlevel.Task | None = None

    def begin(self, scope: Scope, time_slice: TimeSlice) -> None:
        """The socket is open, and can run the task."""
        self._scope = scope
        self._slice = time_slice

    def begin_edition(self, edition: Edition[PipeT]) -> bool:
        """Let messages be added to an edition; False if there is no task to write it."""
        if self._scope is None:
            return False
        for member in edition.members:
            member.join(edition)
        self._counted = self._published
        self.edition = edition
        self._printed.append(edition)
        self._rouse()
        return True

    def gathers(self) -> bool:
        """Tell whether a message that could be written at once is one of several, and may wait.

        A publisher that sends to one peer after the other would else pay a system call for each
        message, and none of the peers could know that it is a flood.
        """
        return bool(self._round) or self._slice.clock() - self._last_write < _PAUSE

    def written(self) -> None:
        """Something was written at once."""
        self._last_write = self._slice.clock()

    def gather(self, queue: InRound) -> None:
        """Tell the queue when the round ends; it has a first message in this one."""
        if self._scope is None:
            queue.round_ended()
            return
        if not self._round:
            self._round_room = 0
            self._rouse()
        self._round.append(queue)

    def has_in_round(self, queue: InRound) -> bool:
        """Tell whether the end of the round is still to be told to the queue."""
        return queue in self._round

    def _rouse(self) -> None:
        if self._asleep is not None:
            trio.lowlevel.reschedule(self._asleep)
            self._asleep = None
        elif not self._runs:
            assert self._scope is not None  # noqa: S101  # who calls has looked
            self._runs = True
            self._scope.spawn_in_background(
                self._write_to_the_end, f"trio_mq printer of {self._name}"
            )

    def close(self) -> None:
        """Add nothing to the edition: something else goes to its members, or they change."""
        if self.edition.readers is not None:
            self._counted = self._published
            self.edition = Edition()

    def rest(self) -> None:
        """A peer has left: let the task end, if it has nothing to do.

        Nothing that a peer has caused stays when it has left. The next flood starts the task again.
        """
        if self._asleep is not None:
            trio.lowlevel.reschedule(self._asleep)
            self._asleep = None

    def faults(self) -> Iterator[str]:
        """Say what would wait for ever; the debug mode asks."""
        if (self._printed or self._round) and (self._asleep is not None or not self._runs):
            yield "what was published waits, and nobody writes it"
        edition = self.edition
        if edition.room > 0 and not all(each.has_joined(edition) for each in edition.members):
            yield "an edition can be added to, and not all who read it would get that"

    @trio.lowlevel.enable_ki_protection
    async def _write_to_the_end(self) -> None:
        try:
            there_is_more = True
            while there_is_more:
                await self._gather()
                self.deliver()
                there_is_more = await self._sleep()
        except trio.Cancelled:
            # The socket ends: each connection writes what it still has to write by itself.
            self._scope = None
            raise
        finally:
            self._runs = False
            self.deliver()

    async def _gather(self) -> None:
        """Let a flood fill what is printed, as long as it goes on and there is room."""
        # The sender's task may run before this one in a turn, and after it in the next. So a turn
        # that brings nothing says nothing, and two of them say that the flood is over.
        earlier = before = 0
        deadline = self._slice.processor() + _LONGEST
        while self._grows(self._published - earlier, deadline):
            earlier, before = before, self._published
            await trio.lowlevel.checkpoint()

    @property
    def _published(self) -> int:
        """How many small messages were published since the printer's last work."""
        return self._counted + self.edition.room_at_first - self.edition.room

    def _grows(self, growth: int, deadline: float) -> bool:
        """Tell whether more should come; ``growth``: what two turns have brought."""
        if growth < _GROWTH:
            return False
        # The next turn may be one in which the sender's task runs twice, and each of the two before
        # one in which it did once.
        return self._edition_grows(2 * growth) and self._round_grows(2 * growth, deadline)

    def _edition_grows(self, most: int) -> bool:
        edition = self.edition
        return not self._printed or (
            edition.room >= (1 if edition.may_be_full else most)
            and self._published < _ENOUGH_MESSAGES
            and edition.size < _ENOUGH_BYTES
        )

    def _round_grows(self, most: int, deadline: float) -> bool:
        if not self._round:
            return True
        published = self._published
        if published + most > self._round_room:
            # Not all of it went to the one that had the least room, so look how it is now.
            self._round_room = published + min(queue.room_for_round() for queue in self._round)
        return (
            published + most <= self._round_room
            and published < max(_ENOUGH_MESSAGES, _ENOUGH_FOR_ONE * len(self._round))
            and self._slice.processor() < deadline
        )

    def deliver(self) -> None:
        """Write what was printed."""
        self.close()
        self.edition.room = self._counted = 0
        printed, self._printed = self._printed, []
        for edition in printed:
            edition.deliver()
        gathered, self._round = self._round, []
        for queue in gathered:
            queue.round_ended()
        self._last_write = self._slice.clock()

    async def _sleep(self) -> bool:
        """Wait for more to write; False if the task is to end without that."""
        if self._printed or self._round:
            await trio.lowlevel.checkpoint()
            return True

        def leave(_: object) -> trio.lowlevel.Abort:
            self._asleep = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._asleep = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(leave)
        return bool(self._printed or self._round)
