"""What one peer has sent and nobody has received yet: the inbound half of a pipe.

This file is longer than most: every way into the queue and out of it, and what is counted there,
are one idea, as in the other half.

Theory of operation
-------------------

The link asks for `Inbound.room` before it decodes, and stops reading when there is none. It goes on
when half of the room is free, not for each message, and from the stack of the receive that freed
it.

What one read decoded is a *batch*. The batch in hand is a deque, from which messages are received;
later ones wait in another. A batch that finds nothing before it is taken in hand at once. So what
costs as much as several messages, a wake-up or a look at the room, is paid once per batch; and what
was received is counted when its batch ends, or when somebody asks (`Inbound.count_taken`).

A message for which a task waits at the connection itself does not come here: it is given to that
task, and only counted here (`Inbound.pass_through`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeAlias

import attrs

from trio_mq._message import Message, size_of, to_message
from trio_mq._pipes.budget import DEPARTED, ReceiveBudget, Tail, cost_of
from trio_mq._pipes.owner import PipeLedger, PipeOwner, PipeT
from trio_mq._tally import DropReason, Tally

if TYPE_CHECKING:
    from trio_mq._options import Options
    from trio_mq._peer import Peer

_UNLIMITED: Final = 1 << 62


#: What one read decoded: whose it is (a pipe outlives its peers), the messages, their payload bytes
#: and what they cost of the budget. A bare tuple, since most batches hold one message, and to make
#: an object of a class would cost as much as making that message.
Batch: TypeAlias = tuple["Peer", list[Message], int, int]

#: What every queue begins with, and nobody appends to: an empty deque takes six hundred bytes, and
#: most peers of a large socket have nothing to say at most times.
_NO_MESSAGES: Final[deque[Message]] = deque()
_NO_BATCHES: Final[deque[Batch]] = deque()


@attrs.define(eq=False, repr=False)
class Inbound(Generic[PipeT]):
    """The inbound queue of a pipe; see the head of this file."""

    _owner: PipeOwner[PipeT]
    _pipe: PipeT
    options: Options
    _tally: Tally
    #: Those of the socket.
    budget: ReceiveBudget = attrs.field(init=False)
    _total: Tally = attrs.field(init=False)
    _ledger: PipeLedger[PipeT] = attrs.field(init=False)
    #: The batch that is being received, how long it was when it was last counted, and whose it is.
    batch: deque[Message] = attrs.field(init=False, default=_NO_MESSAGES)
    _counted: int = attrs.field(init=False, default=0)
    #: Its payload bytes when it was begun.
    _batch_bytes: int = attrs.field(init=False, default=0)
    #: What it costs of the budget, until it has ended.
    _batch_cost: int = attrs.field(init=False, default=0)
    source: Peer | None = attrs.field(init=False, default=None)
    #: Batches that come later, and the messages and bytes in them.
    _batches: deque[Batch] = attrs.field(init=False, default=_NO_BATCHES)
    _later: int = attrs.field(init=False, default=0)
    _later_bytes: int = attrs.field(init=False, default=0)
    _hwm: int = attrs.field(init=False)
    _part: int = attrs.field(init=False)
    _hwm_bytes: int = attrs.field(init=False)
    _conflate_all: bool = attrs.field(init=False)
    #: The link found no room; the call wakes it when half of the room is free.
    _paused: bool = attrs.field(init=False, default=False)
    _on_room: Callable[[], None] | None = attrs.field(init=False, default=None)
    #: What a connection that is gone has left undecoded; ``None``: nothing.
    tail: Tail | None = attrs.field(init=False, default=None)
    #: What comes after that in the name of its peer; see `deliver_last`.
    _last: tuple[Peer, bytes] | None = attrs.field(init=False, default=None)
    #: Messages that the pattern keeps for those who asked for them, and their payload bytes: they
    #: have left the queue, or never were in it, and nobody has received them.
    kept: int = attrs.field(init=False, default=0)
    _kept_bytes: int = attrs.field(init=False, default=0)
    #: Messages that went straight to a task, and their payload bytes: not counted yet.
    _passed: int = attrs.field(init=False, default=0)
    _passed_bytes: int = attrs.field(init=False, default=0)
    #: 1 while the message that was taken last may be put back: its room is not free yet.
    reserved: int = attrs.field(init=False, default=0)
    #: The peer is gone for good, and what is kept of it counts.
    _departed: bool = attrs.field(init=False, default=False)
    #: The pipe is in the fair queue's rotation.
    readable: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        options = self.options
        self._ledger = ledger = self._owner.ledger
        self.budget, self._total = ledger.budget, ledger.total
        self._hwm = options.receive_hwm or _UNLIMITED
        self._part = (self._hwm + 3) // 4
        self._hwm_bytes = options.receive_hwm_bytes or _UNLIMITED
        self._conflate_all = options.conflate

    # -- for the link --

    @property
    def count(self) -> int:
        """Messages that wait to be received."""
        return len(self.batch) + self._later

    @property
    def counted(self) -> int:
        """Messages that are unread as far as the tally knows; some may have been taken since."""
        return self._counted + self._later

    @property
    def size(self) -> int:
        """Their payload bytes."""
        return sum(map(size_of, self.batch)) + self._later_bytes

    @property
    def unread(self) -> tuple[int, int]:
        """Messages that arrived and were not received, and their payload bytes, kept ones too."""
        return self.count + self.kept, self.size + self._kept_bytes

    @property
    def used_up(self) -> bool:
        """There is nothing to receive, and nothing that has arrived will change that."""
        return not self.count and not self.kept and self.tail is None

    @property
    def holds(self) -> bool:
        """There is something to receive, and a newer message does not take its place."""
        return self.count > 0 and not self._conflate_all

    @property
    def has_nothing(self) -> bool:
        """Nothing waits, and a message that comes now is admitted."""
        return not (self.batch or self._later or self.reserved or self.budget.closed)

    def room(self) -> tuple[int, int]:
        """Return how many messages and bytes to decode now; both above 0, or there is no room.

        A quarter of the high-water mark, so that a batch ends, and the room is looked at, near
        where half of it is free; or all of the room if that would leave too little for another.
        """
        budget = self.budget
        if budget.closed:
            return 0, 0
        if self._conflate_all:
            return _UNLIMITED, _UNLIMITED
        room = self._hwm - self.count - self.reserved
        if room >= 2 * self._part:
            room = self._part
        # To weigh what is left of the batch takes as long as to receive it: only if it matters.
        room_bytes = self._hwm_bytes - self._later_bytes - self._batch_bytes
        if room_bytes <= 0:
            room_bytes = self._hwm_bytes - self.size
        if budget.left < room_bytes:
            return room, budget.left
        return room, room_bytes

    def pause(self, on_room: Callable[[], None]) -> None:
        """There is no room; call ``on_room`` when half of it is free, here and in the budget."""
        self._paused = True
        self._on_room = on_room
        if self.budget.closed:
            self.budget.wait(self)

    def budget_opened(self) -> None:
        """The budget was used up, and has room again."""
        if self._paused:
            self._go_on()

    def _go_on(self) -> None:
        self._paused = False
        if self._on_room is not None:
            self._on_room()

    def link_ended(self) -> None:
        """Nobody waits for room any more, but for an earlier link's tail."""
        if self.tail is None:
            self._paused = False
            self._on_room = None
            self.budget.leave(self)

    def keep_tail(self, tail: Tail) -> None:
        """A connection that is gone has left something undecoded."""
        self.tail = tail

    def end_tail(self) -> None:
        """What the link left is decoded, or will never be."""
        if self.tail is not None:
            self.tail.end()
            self.tail = None
            self.link_ended()
            if self._last is not None:
                self.deliver_last(*self._last)
            if not self.count:
                # The last message was taken before, and there was no room to look for more.
                self._owner.emptied(self._pipe)

    def deliver_last(self, peer: Peer, last: bytes) -> None:
        """Queue what a peer is taken to have said in the end, after all that it has sent."""
        if self.tail is not None:
            self._last = peer, last
        else:
            self._last = None
            self.deliver(peer, [to_message((last,))], len(last))

    def deliver(self, peer: Peer, messages: list[Message], payload: int) -> None:
        """Queue what a link decoded; the link has seen the room for it."""
        if self._conflate_all:
            messages, payload = self._conflate(messages)
        self.count_arrived(len(messages), payload)
        cost = cost_of(messages, payload)
        budget = self.budget
        budget.left -= cost
        if budget.left <= 0 and not budget.closed:
            budget.close()
        if self.batch is _NO_MESSAGES:
            self.batch = deque()
        if self.batch or self._later or peer is not self.source:
            self._later += len(messages)
            self._later_bytes += payload
            if self._batches is _NO_BATCHES:
                self._batches = deque()
            self._batches.append((peer, messages, payload, cost))
        else:
            # Nothing waits before it, so it becomes the batch in hand. Not if it is another peer's:
            # the last message of this one may be in the act of being taken.
            self._begin(peer, messages, payload, cost)
        # The queue is longest now: the next line may let a task receive from it.
        waiting = len(self.batch) + self._later
        if waiting > self._tally.peak_in:
            self._tally.peak_in = waiting
            self._total.peak_in = max(self._total.peak_in, waiting)
        if not self.readable:
            self._owner.messages_arrived(self._pipe)

    def discard(self, messages: list[Message], payload: int, reason: DropReason) -> None:
        """Count messages that were decoded and are not wanted."""
        self.count_arrived(len(messages), payload)
        self.count_dropped(reason, len(messages))

    def count_arrived(self, count: int, payload: int) -> None:
        """Count messages that were decoded."""
        tally, total = self._tally, self._total
        tally.decoded += count
        tally.decoded_bytes += payload
        total.decoded += count
        total.decoded_bytes += payload

    def count_delivered(self, count: int) -> None:
        """Count messages that the program has received."""
        self._tally.delivered += count
        self._total.delivered += count

    def count_dropped(self, reason: DropReason, count: int) -> None:
        """Count messages that arrived and will not be delivered."""
        self._tally.drop_in(reason, count)
        self._total.drop_in(reason, count)
        self._ledger.dropped(self._pipe, reason, count)

    def pass_through(self, payload: int, count: int = 1) -> None:
        """Messages go straight to tasks that wait for them: they arrived, and are delivered."""
        if not self._passed:
            self._ledger.late[self._pipe] = None
        self._passed += count
        self._passed_bytes += payload

    def keep(self, payload: int) -> None:
        """A message that was counted as arrived is kept by the pattern, until `let_go`."""
        self.kept += 1
        self._kept_bytes += payload

    def let_go(self, payload: int, dropped: DropReason | None = None) -> None:
        """A message that was kept has been delivered, or dropped."""
        self.kept -= 1
        self._kept_bytes -= payload
        if dropped is None:
            self.count_delivered(1)
        else:
            self.count_dropped(dropped, 1)
        if self._departed and self.used_up:
            self._owner.emptied(self._pipe)

    def refuse(self, reason: DropReason) -> None:
        """Count a message that arrived only as far as was needed to see that it is not wanted."""
        self.count_arrived(1, 0)
        self.count_dropped(reason, 1)

    def retire(self) -> None:
        """The peer is gone for good: the pipe is kept only for what it has sent."""
        if not self.used_up:
            self._departed = True
            self.budget.take(DEPARTED)

    def forgotten(self) -> None:
        """The pipe is gone."""
        if self._departed:
            self._departed = False
            self.budget.give_back(DEPARTED)

    def _conflate(self, messages: list[Message]) -> tuple[list[Message], int]:
        self.drop_all(DropReason.CONFLATED)
        *older, last = messages
        if older:
            self.discard(older, sum(map(size_of, older)), DropReason.CONFLATED)
        return [last], size_of(last)

    # -- for strategies --

    def take(self) -> Message:
        """Remove and return the oldest message; the caller knows that there is one."""
        if not self.batch:
            self._next_batch()
        message = self.batch.popleft()
        if self._paused and not self.batch:
            self.look_for_room()
        return message

    def refill(self) -> bool:
        """Ask for more at the end of what there was; True if there is something to take again."""
        if self._batch_cost and not self.batch:
            # The socket does not look at this pipe from here on, so what was taken is counted now.
            self.count_taken()
            self._end_batch()
        if self._paused:
            self._go_on()
        return self.count > 0

    def reserve(self) -> None:
        """Keep the room of the message that is taken next: it may be put back."""
        self.reserved = 1

    def release(self) -> None:
        """The message that was taken is gone for good, or has been put back."""
        self.reserved = 0
        if not self.count:
            self.refill()
        else:
            self.look_for_room()

    def put_back(self, message: Message) -> None:
        """Undo `take`."""
        self.reserved = 0
        self.batch.appendleft(message)
        if not self._batch_cost:
            self._batch_cost = cost_of([message], size_of(message))
            self.budget.take(self._batch_cost)

    def drop_taken(self, reason: DropReason) -> None:
        """Count the message just taken as dropped instead of delivered."""
        self.count_delivered(-1)
        self.count_dropped(reason, 1)

    def drop_all(self, reason: DropReason) -> int:
        """Drop every unread message, and return how many that was.

        That makes room. What a link decodes in it at once, on this very stack, is unread too.
        """
        self.count_taken()
        self._last = None
        dropped = self._clear()
        while self.count:
            dropped += self._clear()
        if dropped:
            self.count_dropped(reason, dropped)
        return dropped

    def _clear(self) -> int:
        """Remove what waits now, and return how many messages that was."""
        while self._later:
            self._next_batch()
        count = len(self.batch)
        self.batch.clear()
        self._counted = self._batch_bytes = 0
        self._end_batch()
        return count

    def move_books(self, tally: Tally) -> None:
        """Count in another tally from now on."""
        self._tally = tally

    def count_taken(self) -> None:
        """Bring the tally up to date with what was taken."""
        if self._passed:
            self.count_arrived(self._passed, self._passed_bytes)
            self.count_delivered(self._passed)
            self._passed = self._passed_bytes = 0
        self.count_delivered(self._counted - len(self.batch))
        self._counted = len(self.batch)

    def _next_batch(self) -> None:
        peer, messages, payload, cost = self._batches.popleft()
        self._end_batch()
        self._later -= len(messages)
        self._later_bytes -= payload
        self._begin(peer, messages, payload, cost)
        self.look_for_room()

    def _begin(self, peer: Peer, messages: list[Message], payload: int, cost: int) -> None:
        self.source = peer
        self.batch.extend(messages)
        self._counted += len(messages)
        self._batch_bytes = payload
        self._batch_cost += cost

    def _end_batch(self) -> None:
        """The messages of the batch were received, or dropped."""
        cost, self._batch_cost = self._batch_cost, 0
        self.budget.give_back(cost)

    def look_for_room(self) -> None:
        """Wake the link if it waits for room and half of it is free.

        Asked when a batch begins and when it ends, and again when nothing is left: the last batch
        may be more than half of the bytes alone, and then no later one comes to ask.
        """
        if self._paused and self._half_is_free():
            self._go_on()

    def _half_is_free(self) -> bool:
        # Half of a batch above the half is near enough. Otherwise, after a batch that ends a little
        # early, the whole next one would pass before the link is woken.
        if self.count * 2 > self._hwm + 1 + self._hwm // 4:
            return False
        at_most = self._later_bytes + self._batch_bytes
        return at_most * 2 <= self._hwm_bytes or self.size * 2 <= self._hwm_bytes
