"""What waits to be written to one peer: the outbound half of a pipe.

This file is longer than most: who may touch the queue, and every way in and out of it, are one
idea.

Theory of operation
-------------------

Messages wait in a deque, beside plain counters. Drop-oldest, conflation and taking a message back
are then plain operations, and the limits can be exact: a message is admitted when, before it, the
count is below the high-water mark and the bytes are below the byte limit. So the count is never
exceeded, the bytes by one message at most. For instance, with limits of 3 messages and 100 bytes:
messages of 60 and 60 bytes are admitted, since 60 is below 100; a third one is not, since 120 is
not.

A message leaves the count when the kernel has taken its last byte, not when the writer picks it up.
The batch that is being written therefore *stays at the front of the deque*; `in_hand` says how many
messages at the front can no longer be taken back or dropped.

The queue is *announced* to the writer's task: once for everything that was queued since that last
looked, however much that is by the time it looks. So a wake-up, which costs as much as several
messages, is paid once per batch.

A message waits as a bare frame, or as a tuple of frames if there are several. Only what needs more
has a form of its own: a message for many peers, which is encoded once (`Outgoing`), one that a
connection had written in part when it ended (`PartlyWritten`), and one that is for the present
connection alone, where the queue is a connected endpoint's (`ForThisConnection`). Where none may
wait without end (`trio_mq._pipes.expiring`), each knows since when it waits (`Timed`).

A small message costs so little that its bookkeeping would cost as much again. So to put one changes
the queue alone; the tally is brought up to date (`Outbound.count_put`) with the next batch, or when
somebody asks.

**The copies.** Every way in is here, except for copies that hot paths have inlined, because one
more call is a tenth of what a small message costs:

* `Sender.send`, `ReqPattern.begin` and `SharedOutbound.append_small` append below `append_below`,
  as `Outbound.put` would; `SharedOutbound.join_round` appends where `Outbound.has_room` holds;
* `Fanout.lacking_room` and `Fanout._require_room` ask whether the queue is below `append_below`,
  before they ask `Outbound.has_room`;
* `SharedOutbound.room_for_edition` asks how many small messages there is room for, and
  `Fanout.send` adds no more than that to an edition;
* `LoadBalance.send`, `LoadBalance.choose` and the debug mode (`_has_plain_room`) ask for room as
  `Outbound.has_room` does at first.

``tests/property/test_admission.py`` finds each function that touches these counters, and holds the
copies to `Outbound.has_room` and `Outbound.put`.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final, Generic

import attrs

from trio_mq._errors import InternalError
from trio_mq._message import Frames
from trio_mq._pipes.borrower import Borrower
from trio_mq._pipes.item import (
    ForThisConnection,
    Item,
    PartlyWritten,
    frames_of,
    in_place_of,
    payload_of,
    payload_of_all,
    untimed,
)
from trio_mq._pipes.owner import PipeLedger, PipeOwner, PipeT
from trio_mq._tally import DropReason, Tally

if TYPE_CHECKING:
    from trio_mq._options import Options

_UNLIMITED: Final = 1 << 62
#: Payload bytes up to which a message may be appended below `Outbound.append_below`, unasked.
SMALL: Final = 1024


class Hold(enum.Enum):
    """Who may take messages out of a pipe's outbound queue."""

    #: Its owner: no connection uses it now.
    FREE = "free"
    #: One link, which writes what waits; the owner only puts more in.
    LENT = "lent"
    #: Nobody: its endpoint, or its peer, is gone for good. What was received can still be read.
    RETIRED = "retired"


@attrs.define(eq=False, repr=False)
class Outbound(Generic[PipeT]):
    """The outbound queue of a pipe; see the head of this file."""

    #: What waits too long is dropped.
    perishes: ClassVar[bool] = False

    _owner: PipeOwner[PipeT]
    _pipe: PipeT
    options: Options
    _tally: Tally
    _ledger: PipeLedger[PipeT] = attrs.field(init=False)
    #: Who may take messages out; see `Hold`.
    hold: Hold = attrs.field(init=False, default=Hold.FREE)
    #: The connection that writes what waits; ``None``: there is none.
    _borrower: Borrower | None = attrs.field(init=False, default=None)
    #: What waits, oldest first, and its payload bytes.
    queue: deque[Item] = attrs.field(init=False, factory=deque)
    size: int = attrs.field(init=False, default=0)
    hwm: int = attrs.field(init=False)
    hwm_bytes: int = attrs.field(init=False)
    #: Only the last message is kept.
    conflate: bool = attrs.field(init=False)
    #: While fewer messages than these wait, one of up to `SMALL` bytes may simply be appended and
    #: counted in ``size``: the writer knows, and both limits admit it.
    append_below: int = attrs.field(init=False, default=0)
    #: Messages that were written to earlier peers.
    _written_before: int = attrs.field(init=False, default=0)
    #: How much of it is in the tally, and in that of the socket; see `count_put`.
    _counted: int = attrs.field(init=False, default=0)
    _counted_bytes: int = attrs.field(init=False, default=0)
    #: Messages that were written as soon as they were put, and their payload bytes, while they are
    #: not counted yet.
    _passed: int = attrs.field(init=False, default=0)
    _passed_bytes: int = attrs.field(init=False, default=0)
    #: What was put in front of everything for the present connection, if it is there still.
    _opening: Frames | None = attrs.field(init=False, default=None)
    #: Something was put for the present connection alone, and may be there still.
    _has_ties: bool = attrs.field(init=False, default=False)
    #: Messages at the front of the queue that the writer has begun to write.
    in_hand: int = attrs.field(init=False, default=0)
    #: A strategy found it full and waits for `PipeOwner.room_opened`.
    blocked: bool = attrs.field(init=False, default=False)
    #: Messages ever written, dropped or reclaimed: what a drain waits for.
    gone: int = attrs.field(init=False, default=0)
    #: The writer knows that there is something to write: more may simply be appended.
    announced: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        options = self.options
        self._ledger = self._owner.ledger
        self.conflate = options.conflate
        self.hwm = options.send_hwm or _UNLIMITED
        self.hwm_bytes = options.send_hwm_bytes or _UNLIMITED

    # -- for who only looks --

    def as_it_is(self) -> tuple[Sequence[Item], int]:
        """Return what waits and its payload bytes; nothing is moved to find out."""
        return self.queue, self.size

    @property
    def rests(self) -> bool:
        """Nothing waits here, and the writer does not look for anything."""
        return not (self.queue or self.announced)

    # -- for strategies --

    def has_room(self) -> bool:
        """Tell whether one more message is admitted."""
        if len(self.queue) < self.hwm and self.size < self.hwm_bytes:
            return True
        if self._borrower is None:
            return False
        self._borrower.make_room()
        return len(self.queue) < self.hwm and self.size < self.hwm_bytes

    def block(self) -> None:
        """There is no room: tell the owner when there is."""
        self.blocked = True

    @property
    def awaited(self) -> bool:
        """A task waits until messages have left, for their room or for a drain."""
        return self.blocked or self._ledger.draining

    def unblock(self) -> None:
        """Nobody wants to be told of room any more."""
        self.blocked = False

    def put(self, item: Item) -> None:
        """Queue a message; the caller has seen `has_room`, or means to exceed it."""
        # The plain case first: it is nearly every message there is.
        if item.__class__ is tuple and not self.conflate:
            if len(item) == 1:
                item = item[0]
                size = len(item)
            else:
                size = sum(map(len, item))
            announced = self.announced
            if not announced and self.passes(item, size):
                return
            self.queue.append(item)
            self.size += size
            if not announced:
                self._tell()
            elif size > SMALL:
                self._limit_appending()
        else:
            self.put_sized(item, payload_of(item))

    def passes(self, item: Item, size: int) -> bool:
        """Have a message written at once, where nothing is before it; False if it is to be queued.

        Nobody else is told, asked or woken by that.
        """
        borrower = self._borrower
        return (
            borrower is not None
            and not (self.announced or self.queue)
            and borrower.write_at_once(item, size)
        )

    def _tell(self) -> None:
        """Something was queued, and the writer does not know of any."""
        if self._borrower is not None:
            self._borrower.queued()
        else:
            self._ledger.busy[self._pipe] = None

    def put_first(self, frames: Frames) -> None:
        """Queue what opens a connection that has just begun: before all else, and past every limit.

        It is of this connection alone. If the connection ends before it is written, it is taken
        back. Otherwise the next connection, which has one of its own, would carry both.
        """
        # A new tuple, since it is recognised by its identity.
        self._opening = opening = tuple(iter(frames))
        self.queue.appendleft(opening)
        self.size += payload_of(opening)
        self.gone -= 1  # drains count from the front, and this one is none of theirs
        if self.announced:
            self._limit_appending()
        elif self._borrower is not None:
            self._borrower.queued()

    def _take_opening_back(self) -> bool:
        """Undo `put_first`; False if it was written, or there was none."""
        opening, self._opening = self._opening, None
        if opening is None or not self.queue or self.queue[0] is not opening:
            return False
        self.count_put()
        self.queue.popleft()
        self._uncount(opening)
        self.gone += 1
        self._after_removing(1)
        return True

    def put_for_this_connection(self, frames: Frames) -> None:
        """Queue a message for the peer that is there now, and for no later one."""
        if self.hold is not Hold.LENT:
            self.refuse(DropReason.PEER_LEFT)
            return
        self._has_ties = True
        self.put(ForThisConnection(frames))

    def _drop_what_was_for_it(self) -> None:
        """Drop what was for the connection that has ended, and for no other."""
        left = [isinstance(untimed(item), ForThisConnection) for item in self.queue]
        for index in reversed(range(len(left))):
            if left[index]:
                self._drop_at(index, DropReason.PEER_LEFT)
        self._has_ties = False
        self._after_removing(sum(left))

    def put_returned(self, item: Item) -> None:
        """Queue a message that has waited in another queue; here it may wait without end."""
        self.put(untimed(item))

    def put_sized(self, item: Item, size: int) -> None:
        """Queue a message whose payload bytes are known."""
        if not self.passes(item, size):
            self._append(item, size)
            if not self.announced:
                self._tell()

    def put_shared(self, item: Item, size: int) -> None:
        """Queue a message that goes to many; the writer may gather it with the next ones."""
        self._append(item, size)
        if not self.announced:
            self._tell()

    def _append(self, item: Item, size: int) -> None:
        if self.conflate and len(self.queue) > self.in_hand and self.queue[-1] is not self._opening:
            self._drop_at(len(self.queue) - 1, DropReason.CONFLATED)
        self.queue.append(item)
        self.size += size
        if size > SMALL and self.announced:
            self._limit_appending()

    def append_what_fits(self, batch: Sequence[Item], start: int) -> int:
        """Queue what the count admits of a batch, from ``start`` on, and return how many that is.

        That is 0 while there is more to do than to append, or if the bytes would not be admitted.
        """
        if not self.announced or self.conflate:
            return 0
        rest = batch[start : max(start, start + self.hwm - len(self.queue))]
        size = payload_of_all(rest)
        if self.size + size >= self.hwm_bytes:
            return 0
        self.queue.extend(rest)
        self.size += size
        self._limit_appending()
        return len(rest)

    def append_small(self, item: Item, size: int) -> bool:
        """Queue a message of up to `SMALL` bytes if that is all there is to do; else False."""
        if len(self.queue) >= self.append_below:
            return False
        self.queue.append(item)
        self.size += size
        return True

    def join_round(self, item: Item, size: int) -> bool:  # noqa: ARG002  # see `SharedOutbound`
        """Queue a small message to be written with those that follow; False if it is not to be."""
        return False

    def undo_append(self, size: int) -> None:
        """Take back what `append_small` has just queued."""
        self.queue.pop()
        self.size -= size

    def _limit_appending(self) -> None:
        """Compute how many small messages both limits admit."""
        if self.conflate:
            return
        room = (self.hwm_bytes - self.size) // SMALL
        self.append_below = min(self.hwm, len(self.queue) + room)

    def drop_oldest(self) -> bool:
        """Drop the oldest message that is not being written; False if there is none."""
        oldest = self.in_hand
        if len(self.queue) > oldest and self.queue[oldest] is self._opening:
            oldest += 1
        if len(self.queue) <= oldest:
            return False
        self._drop_at(oldest, DropReason.HIGH_WATER_MARK)
        self._after_removing(1)
        return True

    def take_back(self, message: Frames) -> bool:
        """Remove a message that has not begun to be written, as if it had never been put.

        Args:
            message: The very tuple that was put, which is not to be of one frame.
        """
        for index in range(self.in_hand, len(self.queue)):
            item = self.queue[index]
            if frames_of(item) is message:
                self.count_put()
                del self.queue[index]
                self._uncount(item)
                self._ledger.taken_back(self._pipe, self.gone + index)
                self._after_removing(1)
                return True
        return False

    # -- for the link --

    def wake_writer(self) -> None:
        """Let the writer's task look for something to write, which need not be a message."""
        if self._borrower is not None:
            self._borrower.wake()

    def gather(self) -> None:
        """Several messages will be put in this turn: they may be written together at its end."""
        if self._borrower is not None and not self.announced:
            self._borrower.gather()

    def press(self) -> None:
        """Let what waits be written now, though more will be put in this turn."""
        if self._borrower is not None:
            self._borrower.press()

    def writer_is_busy(self) -> None:
        """The writer knows that there is something to write: more may simply be appended."""
        self.announced = True
        self._ledger.busy[self._pipe] = None
        self._limit_appending()

    def writer_is_idle(self) -> None:
        """The writer has seen an empty queue: the next message needs an announcement."""
        if self.announced:
            self.announced = False
            self._ledger.busy.pop(self._pipe, None)
        self.append_below = 0

    def next_batch(self, max_messages: int, max_bytes: int) -> list[Item]:
        """Return the messages to write next, which stay here as `in_hand`.

        At least one if any waits; then as many as fit into both bounds.
        """
        queue = self.queue
        if self.size <= max_bytes:
            batch = list(islice(queue, max_messages))
        else:
            batch = []
            for item in islice(queue, max_messages):
                batch.append(item)
                max_bytes -= payload_of(item)
                if max_bytes <= 0:
                    break
        self.in_hand = len(batch)
        return batch

    #: The same, without what has waited too long.
    next_fresh_batch = next_batch

    def keep_in_hand(self, count: int) -> None:
        """Nothing is written yet of the batch in hand, but for the first ``count`` messages."""
        self.in_hand = count

    def written(self, count: int, payload: int) -> None:
        """The kernel has taken the last byte of the first ``count`` messages.

        They were in hand, or it was a lone message that was written without a batch.
        """
        self.count_put()
        queue = self.queue
        if count == len(queue):
            queue.clear()
        else:
            for _ in range(count):
                queue.popleft()
        if self.in_hand:
            self.in_hand -= count
        self.size -= payload
        self._counted = len(queue)
        self._counted_bytes = self.size
        tally, total = self._tally, self._ledger.total
        tally.written += count
        tally.written_bytes += payload
        total.written += count
        total.written_bytes += payload
        self.gone += count
        self._after_removing(count)

    def passed(self, size: int) -> None:
        """The kernel has taken a message that was never queued; the books can wait: `count_put`.

        Nothing waited here, so nobody waits for room, and no drain for what has left.
        """
        if not self._passed:
            self._ledger.late[self._pipe] = None
        self._passed += 1
        self._passed_bytes += size
        self.gone += 1

    def begun(self, item: Item, size: int) -> None:
        """The kernel has taken a part of a message that was never queued: now it is."""
        self._append(item, size)

    # -- lent, and given back --

    def lend(self, borrower: Borrower) -> None:
        """Let a connection write what waits, until `give_back`."""
        self._require(Hold.FREE)
        self.hold = Hold.LENT
        self._borrower = borrower
        self.count_put()
        self._written_before = self._tally.written

    def give_back(self, *, partly_written: bool) -> None:
        """Take the queue back, with the batch in hand; see `Pipe.give_back`."""
        self._require(Hold.LENT)
        self.hold = Hold.FREE
        self._borrower = None
        self.in_hand = 0
        self.writer_is_idle()
        self._ledger.busy[self._pipe] = None
        if self._take_opening_back():
            partly_written = False
        if partly_written and self.queue:
            self._keep_partly_written(self.queue[0])
        if self._has_ties:
            self._drop_what_was_for_it()

    def _keep_partly_written(self, first: Item) -> None:
        """Keep a partly written message for one more try; drop it after the second."""
        written = untimed(first)
        if isinstance(written, PartlyWritten):
            self._drop_at(0, DropReason.CONNECTION_LOST)
            self._after_removing(1)
        elif not isinstance(written, ForThisConnection):
            self.queue[0] = in_place_of(first, PartlyWritten(frames_of(written)))

    def reclaim(self) -> list[Item]:
        """Empty the queue and return what was in it, no longer counted here."""
        self._require_back()
        self.count_put()
        items = list(self.queue)
        self.queue.clear()
        for item in items:
            self._uncount(item)
        self.gone += len(items)
        self._after_removing(len(items))
        return items

    def drop_all(self, reason: DropReason) -> int:
        """Drop everything that waits to be written, and return how many messages that was."""
        self._require_back()
        count = len(self.queue)
        if count:
            self.count_put()
            self.queue.clear()
            self.size = 0
            self._close_books()
            self.gone += count
            self._count_dropped(reason, count)
            self._after_removing(count)
        return count

    def catch_up(self) -> None:
        """Let an inproc link move what it has put off, both ways, before somebody looks."""
        if self._borrower is not None:
            self._borrower.catch_up()

    def retire(self) -> None:
        """Let nothing be queued here any more: no link will come for it."""
        self._require(Hold.FREE)
        self.hold = Hold.RETIRED
        self.hwm = 0

    def _require(self, hold: Hold) -> None:
        if self.hold is not hold:
            raise InternalError(f"{self._pipe!r} is {self.hold.value}, and should be {hold.value}")

    def _require_back(self) -> None:
        """Refuse to take messages out behind the back of a link that is writing them."""
        if self.hold is Hold.LENT:
            raise InternalError(
                f"{self._pipe!r} is lent to a link, which has to give it back first"
            )

    # -- the books --

    def count_put(self) -> None:
        """Bring the tally up to date with what was put; it comes before anything leaves."""
        if self._passed:
            self._count_passed()
        tally, total = self._tally, self._ledger.total
        waiting = len(self.queue)
        if waiting > tally.peak_out:
            tally.peak_out = waiting
            total.peak_out = max(total.peak_out, waiting)
        count = waiting - self._counted
        size = self.size - self._counted_bytes
        tally.accepted += count
        tally.accepted_bytes += size
        total.accepted += count
        total.accepted_bytes += size
        self._counted = waiting
        self._counted_bytes = self.size

    def _count_passed(self) -> None:
        count, size = self._passed, self._passed_bytes
        self._passed = self._passed_bytes = 0
        for tally in (self._tally, self._ledger.total):
            tally.accepted += count
            tally.accepted_bytes += size
            tally.written += count
            tally.written_bytes += size
            tally.peak_out = max(tally.peak_out, 1)

    @property
    def written_to_peer(self) -> int:
        """Messages that were written to the present peer."""
        self.count_put()
        return self._tally.written - self._written_before

    @property
    def mark(self) -> int:
        """What `gone` will be when everything that waits now has left."""
        return self.gone + len(self.queue)

    def faults(self) -> Iterator[str]:
        """Say what is wrong with what waits here; the debug mode asks."""
        yield from ()

    @property
    def counted(self) -> int:
        """Messages that wait and that the tally has counted as accepted."""
        return self._counted

    def move_books(self, tally: Tally) -> None:
        """Count in another tally from now on."""
        self._tally = tally

    def refuse(self, reason: DropReason) -> None:
        """Count a message that was for this peer and is dropped before it is queued."""
        for tally in (self._tally, self._ledger.total):
            tally.accept_and_drop(reason)
        self._ledger.dropped(self._pipe, reason, 1)

    def _drop_at(self, index: int, reason: DropReason) -> None:
        self.count_put()
        self._take_out(index)
        self._close_books()
        self._count_dropped(reason, 1)

    def _take_out(self, index: int) -> Item:
        """Remove a message, and let drains know of it.

        They wait until so many have left from the front. One from behind is taken out of what they
        wait for; if it came later than that, it tells them nothing.
        """
        item = self.queue[index]
        del self.queue[index]
        self.size -= payload_of(item)
        if index:
            self._ledger.taken_back(self._pipe, self.gone + index)
        else:
            self.gone += 1
        return item

    def _close_books(self) -> None:
        """Messages have left after `count_put`: what is here now was counted.

        It comes before anybody is told. The log may be read by who sends it through this very
        queue, and what that puts is not counted yet.
        """
        self._counted = len(self.queue)
        self._counted_bytes = self.size

    def _uncount(self, item: Item) -> None:
        """A message leaves as if it had never come."""
        size = payload_of(item)
        self.size -= size
        self._close_books()
        for tally in (self._tally, self._ledger.total):
            tally.withdraw(size)

    def _count_dropped(self, reason: DropReason, count: int) -> None:
        self._tally.drop_out(reason, count)
        self._ledger.total.drop_out(reason, count)
        self._ledger.dropped(self._pipe, reason, count)

    def _after_removing(self, count: int) -> None:
        """Messages have left, and are in the books as such: tell those whom that concerns."""
        if self.announced:
            self._limit_appending()
        if self.blocked and self.has_room():
            self.blocked = False
            self._owner.room_opened(self._pipe)
        if count:
            self._ledger.outgoing_gone(self._pipe)
