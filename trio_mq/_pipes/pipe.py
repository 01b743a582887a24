"""Where a message waits: one peer's outbound and inbound queue, and their two trio channels.

The outbound queue is here; the inbound one is a part of its own, `Inbound`.
This file is longer than most: who may touch the outbound queue, and every way in and out of it, are
one idea.

Theory of operation
-------------------

A pipe stands between the pattern (which strategy got this message, who may receive next) and the
connection (bytes, links, redials). A connecting endpoint owns one pipe from ``connect`` on and
keeps it over all reconnections; an accepted peer has one from its handshake to its end. A link
*borrows* the pipe, one link at a time, and owns nothing: whatever was not wholly written when a
link ends is still here.

Who borrows must give back before the owner may decide about what is left: a writer that still
writes what its owner has given to somebody else sends it twice. So `Hold` says at every moment who
may touch the queue: a link lends it (`Pipe.lend`) and gives it back (`Pipe.give_back`); the owner
empties it (`Pipe.reclaim`, `Pipe.drop_outgoing`) and retires it (`Pipe.retire`), and none of that
while it is lent. The check stands in those very methods. An endpoint that ends is told to stop, and
is waited for (its ``done``), and only then is its pipe given up: that is true of `disconnect`,
`unbind`, a failed ``connect(wait=True)`` and the end of the socket alike.

What was learnt from one connection says nothing about the next, which may be to another program.
So what is of a connection is reset in `Pipe.give_back`, and every other attribute has a reason to
stay (``tests/connections/test_lifetimes.py`` has them all).

Two trio memory channels join the pipe to its link's tasks. They are unbounded and only ever used
with ``send_nowait``, because they don't limit anything: they *announce batches*. Outbound, one
item tells the writer task that something was queued since it last looked, however much that is by
the time it looks. Inbound, one item is a batch that was decoded; one that finds nothing before it
is taken in hand at once. So a wake-up, which costs as much as several messages, is paid once per
batch. The limits are elsewhere, in plain counters
over plain deques, where drop-oldest, conflation and taking a message back are plain operations,
and where they can be exact:

* A message is admitted when, before it, the count is below the high-water mark and the bytes are
  below the byte limit. So the count is never exceeded, the bytes by one message at most. For
  instance, with limits of 3 messages and 100 bytes: messages of 60 and 60 bytes are admitted, since
  60 is below 100; a third one is not, since 120 is not.
* An outbound message leaves the count when the kernel has taken its last byte, not when the writer
  picks it up. The batch that is being written therefore *stays at the front of the deque*;
  `in_hand` says how many messages at the front can no longer be taken back or dropped.
* Inbound, the link asks for `Inbound.room` before it decodes and stops reading when there is
  none. It goes on when half of the room is free, not for each message, and from the stack of the
  receive that freed it.

Outbound messages wait as a bare frame, or as a tuple of frames if there are several. Only what
needs more has a form of its own: a message for many peers, which is encoded once (`Outgoing`), and
a message that a connection had written in part when it ended (`PartlyWritten`).

A small message costs so little that its bookkeeping would cost as much again. So putting and taking
one changes the queues alone; the tally is brought up to date (`count_put`, `count_taken`) with the
next batch, or when somebody asks.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import trio

from trio_mq._errors import InternalError
from trio_mq._message import Frames
from trio_mq._peer import attach
from trio_mq._pipes.budget import ReceiveBudget
from trio_mq._pipes.inbound import Inbound
from trio_mq._pipes.item import Item, PartlyWritten, frames_of, payload_of, payload_of_all
from trio_mq._pipes.watched import Watched
from trio_mq._tally import DropReason, Tally, Waiting

if TYPE_CHECKING:
    from trio_mq._options import Options
    from trio_mq._peer import Peer


_UNLIMITED: Final = 1 << 62
#: Payload bytes up to which `Pipe.append_below` says all that there is to say.
SMALL: Final = 1024


class Hold(enum.Enum):
    """Who may take messages out of a pipe's outbound queue."""

    #: Its owner: no connection uses it now.
    FREE = "free"
    #: One link, which writes what waits; the owner only puts more in.
    LENT = "lent"
    #: Nobody: its endpoint, or its peer, is gone for good. What was received can still be read.
    RETIRED = "retired"


class PipeOwner(Protocol):
    """What a pipe tells the socket that owns it."""

    #: What may wait to be received in all pipes together.
    budget: ReceiveBudget
    #: What was counted in all pipes together, also in those that are gone.
    total: Tally
    #: The pipes in which something waits to be written, and perhaps some in which nothing does.
    busy: dict[Pipe, None]

    def room_opened(self, pipe: Pipe) -> None:
        """A pipe that had refused a message can take one again."""

    def messages_arrived(self, pipe: Pipe, /) -> None:
        """A pipe that was empty has messages to receive."""

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """A message was taken back, before which so many were or will be finished."""

    def outgoing_finished(self, pipe: Pipe) -> None:
        """Messages were written, dropped or handed back: look at drains."""

    def emptied(self, pipe: Pipe) -> None:
        """The last message of a pipe was taken, which may have been retired."""

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further; they are counted already."""


@attrs.define(eq=False, repr=False)
class Pipe:
    """One peer's queues; see the head of this file for the theory."""

    owner: PipeOwner
    #: The endpoint it was made for, as `endpoints` shows it.
    endpoint: str
    options: Options
    tally: Tally = attrs.field(init=False, factory=Tally)
    #: Who may take messages out; see `Hold`.
    hold: Hold = attrs.field(init=False, default=Hold.FREE)
    #: The peer behind the pipe while it is lent, and the last one afterwards.
    peer: Peer | None = attrs.field(init=False, default=None)
    #: The name that the program gave to the peers of a connected endpoint.
    given_id: bytes = attrs.field(init=False, default=b"")
    #: The name by which a routing table knows the peer. One that a peer claimed is kept until the
    #: next one has introduced itself, since it may well be the same program again.
    routing_id: bytes = attrs.field(init=False, default=b"")
    #: A strategy may choose it.
    attached: bool = attrs.field(init=False, default=False)
    #: Its endpoint is being disconnected: it is written to its end, and nothing is added.
    leaving: bool = attrs.field(init=False, default=False)
    #: Only the last message is kept, in both directions.
    conflate: bool = attrs.field(init=False)

    outgoing: deque[Item] = attrs.field(init=False, factory=deque)
    outgoing_bytes: int = attrs.field(init=False, default=0)
    send_hwm: int = attrs.field(init=False)
    send_hwm_bytes: int = attrs.field(init=False)
    #: How much of it is in the tally, and in that of the socket; see `count_put`.
    _counted_out: int = attrs.field(init=False, default=0)
    _counted_out_bytes: int = attrs.field(init=False, default=0)
    #: What was put in front of everything for the present connection, if it is there still.
    _opening: Frames | None = attrs.field(init=False, default=None)
    #: Messages at the front of ``outgoing`` that the writer has begun to write.
    in_hand: int = attrs.field(init=False, default=0)
    #: A strategy found it full and waits for `PipeOwner.room_opened`.
    blocked: bool = attrs.field(init=False, default=False)
    #: Messages ever written, dropped or handed back: what a drain waits for.
    finished: int = attrs.field(init=False, default=0)
    #: The writer knows that there is something to write: more may simply be appended.
    announced: bool = attrs.field(init=False, default=False)
    _announcements: trio.MemorySendChannel[None] = attrs.field(init=False)
    #: Where the writer learns of batches.
    outbound: trio.MemoryReceiveChannel[None] = attrs.field(init=False)
    #: Called when something was queued and the writer does not know yet; set by a link.
    on_outgoing: Callable[[], None] | None = attrs.field(init=False, default=None)
    #: The same for a message that goes to many peers: writing it to each of them from the stack
    #: of ``send`` would cost a system call per peer and message.
    on_shared: Callable[[], None] | None = attrs.field(init=False, default=None)
    #: While fewer messages than these wait, one of up to `SMALL` bytes may simply be appended and
    #: counted in ``outgoing_bytes``: the writer knows, and both limits admit it.
    append_below: int = attrs.field(init=False, default=0)
    #: Called when there is no room, by who can perhaps make some at once; set by an inproc join.
    on_full: Callable[[], None] | None = attrs.field(init=False, default=None)

    #: The connection, where a task may wait for what the peer says without its link's tasks.
    watched: Watched | None = attrs.field(init=False, default=None)
    #: What it sends to us.
    inbound: Inbound = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        options = self.options
        self.conflate = options.conflate
        self.send_hwm = options.send_hwm or _UNLIMITED
        self.send_hwm_bytes = options.send_hwm_bytes or _UNLIMITED
        self._announcements, self.outbound = trio.open_memory_channel[None](_UNLIMITED)
        self.inbound = Inbound(
            options,
            self.tally,
            partial(self.owner.messages_arrived, self),
            partial(self.owner.dropped, self),
            partial(self.owner.emptied, self),
            self.owner.budget,
            self.owner.total,
        )

    def __repr__(self) -> str:
        return (
            f"<Pipe {self.endpoint} out {len(self.outgoing)}/{self.outgoing_bytes}B "
            f"in {self.inbound.count}/{self.inbound.size}B>"
        )

    # -- for strategies --
    #
    # Every way in is here, but for the copies that the hot paths have inlined: a call more is a
    # tenth of what a small message costs. tests/property/test_admission.py knows where they stand,
    # and holds them to `has_room` and `put`:
    #
    # * `Sender.send` and `Fanout.send` append below `append_below`, as `put` would;
    # * `LoadBalance.send` and the debug mode ask for room, as `has_room` does at first.

    def has_room(self) -> bool:
        """Tell whether one more message is admitted."""
        if len(self.outgoing) < self.send_hwm and self.outgoing_bytes < self.send_hwm_bytes:
            return True
        if self.on_full is None:
            return False
        self.on_full()
        return len(self.outgoing) < self.send_hwm and self.outgoing_bytes < self.send_hwm_bytes

    def put(self, item: Item) -> None:
        """Queue a message; the caller has seen `has_room`, or means to exceed it."""
        # The plain case first: it is nearly every message there is.
        if item.__class__ is tuple and not self.conflate:
            if len(item) == 1:
                self.outgoing.append(item[0])
                size = len(item[0])
            else:
                self.outgoing.append(item)
                size = sum(map(len, item))
            self.outgoing_bytes += size
            if self.announced:
                if size > SMALL:
                    self._limit_appending()
            elif self.on_outgoing is not None:
                self.on_outgoing()
            else:
                self.owner.busy[self] = None
        else:
            self.put_sized(item, payload_of(item))

    def put_first(self, frames: Frames) -> None:
        """Queue what opens a connection that has just begun: before all else, and past every limit.

        It is of this connection alone. If that ends before it is written, it goes as if it had
        never come; else the next connection, which has one of its own, would carry both.
        """
        # An object of its own, since it is known by that.
        self._opening = opening = tuple(iter(frames))
        self.outgoing.appendleft(opening)
        self.outgoing_bytes += payload_of(opening)
        self.finished -= 1  # drains count from the front, and this one is none of theirs
        if self.announced:
            self._limit_appending()
        elif self.on_outgoing is not None:
            self.on_outgoing()

    def _take_opening_back(self) -> bool:
        """Undo `put_first`; False if it was written, or there was none."""
        opening, self._opening = self._opening, None
        if opening is None or not self.outgoing or self.outgoing[0] is not opening:
            return False
        self.count_put()
        self.outgoing.popleft()
        self._uncount(opening)
        self.finished += 1
        self._after_removing(1)
        return True

    def put_sized(self, item: Item, size: int) -> None:
        """Queue a message whose payload bytes are known."""
        self._append(item, size)
        if not self.announced:
            if self.on_outgoing is not None:
                self.on_outgoing()
            else:
                self.owner.busy[self] = None

    def put_shared(self, item: Item, size: int) -> None:
        """Queue a message that goes to many; the writer may gather it with the next ones."""
        self._append(item, size)
        if not self.announced:
            if self.on_shared is not None:
                self.on_shared()
            else:
                self.owner.busy[self] = None

    def _append(self, item: Item, size: int) -> None:
        if (
            self.conflate
            and len(self.outgoing) > self.in_hand
            and self.outgoing[-1] is not self._opening
        ):
            self._drop_at(-1, DropReason.CONFLATED)
        self.outgoing.append(item)
        self.outgoing_bytes += size
        if size > SMALL and self.announced:
            self._limit_appending()

    def append_what_fits(self, batch: Sequence[Item], start: int) -> int:
        """Queue what the count admits of a batch, from ``start`` on, and return how many that is.

        None while there is more to do than to append, or if the bytes would not be admitted too.
        """
        if not self.announced or self.conflate:
            return 0
        rest = batch[start : max(start, start + self.send_hwm - len(self.outgoing))]
        size = payload_of_all(rest)
        if self.outgoing_bytes + size >= self.send_hwm_bytes:
            return 0
        self.outgoing.extend(rest)
        self.outgoing_bytes += size
        self._limit_appending()
        return len(rest)

    def writer_is_busy(self) -> None:
        """The writer knows that there is something to write: more may simply be appended."""
        self.announced = True
        self.owner.busy[self] = None
        self._limit_appending()

    def _limit_appending(self) -> None:
        """Look how many small messages are admitted by both limits together."""
        if self.conflate:
            return
        room = (self.send_hwm_bytes - self.outgoing_bytes) // SMALL
        self.append_below = min(self.send_hwm, len(self.outgoing) + room)

    def drop_oldest(self) -> bool:
        """Drop the oldest message that is not being written; False if there is none."""
        oldest = self.in_hand
        if len(self.outgoing) > oldest and self.outgoing[oldest] is self._opening:
            oldest += 1
        if len(self.outgoing) <= oldest:
            return False
        self._drop_at(oldest, DropReason.HIGH_WATER_MARK)
        self._after_removing(1)
        return True

    def take_back(self, message: Frames) -> bool:
        """Remove a message that has not begun to be written, as if it had never been put.

        Args:
            message: The very tuple that was put, which is not to be of one frame.
        """
        for index in range(self.in_hand, len(self.outgoing)):
            item = self.outgoing[index]
            if frames_of(item) is message:
                self.count_put()
                del self.outgoing[index]
                self._uncount(item)
                self.owner.taken_back(self, self.finished + index)
                self._after_removing(1)
                return True
        return False

    def refuse(self, reason: DropReason) -> None:
        """Count a message that was for this peer and is dropped before it is queued."""
        for tally in (self.tally, self.owner.total):
            tally.accepted += 1
            tally.drop_out(reason)
        self.owner.dropped(self, reason, 1)

    def count_put(self) -> None:
        """Bring the tally up to date with what was put."""
        tally, total = self.tally, self.owner.total
        count = len(self.outgoing) - self._counted_out
        size = self.outgoing_bytes - self._counted_out_bytes
        tally.accepted += count
        tally.accepted_bytes += size
        total.accepted += count
        total.accepted_bytes += size
        self._counted_out = len(self.outgoing)
        self._counted_out_bytes = self.outgoing_bytes

    def _drop_at(self, index: int, reason: DropReason) -> None:
        self.count_put()
        item = self.outgoing[index]
        del self.outgoing[index]
        self.outgoing_bytes -= payload_of(item)
        self._counted_out -= 1
        self._counted_out_bytes = self.outgoing_bytes
        self.finished += 1
        self._count_dropped(reason, 1)

    def _uncount(self, item: Item) -> None:
        """A message leaves as if it had never come."""
        size = payload_of(item)
        self.outgoing_bytes -= size
        for tally in (self.tally, self.owner.total):
            tally.accepted -= 1
            tally.accepted_bytes -= size

    def _count_dropped(self, reason: DropReason, count: int) -> None:
        self.tally.drop_out(reason, count)
        self.owner.total.drop_out(reason, count)
        self.owner.dropped(self, reason, count)

    # -- for the link --

    def announce(self) -> None:
        """Tell the writer task that a batch waits."""
        self.writer_is_busy()
        self._announcements.send_nowait(None)

    def wake_writer(self) -> None:
        """Let the writer task look for something to write, which need not be a message."""
        if not self.announced:
            self.announce()

    def next_batch(self, max_messages: int, max_bytes: int) -> list[Item]:
        """Return the messages to write next, which stay here as `in_hand`.

        At least one if any waits; then as many as fit into both bounds.
        """
        outgoing = self.outgoing
        if self.outgoing_bytes <= max_bytes:
            batch = list(islice(outgoing, max_messages))
        else:
            batch = []
            for item in islice(outgoing, max_messages):
                batch.append(item)
                max_bytes -= payload_of(item)
                if max_bytes <= 0:
                    break
        self.in_hand = len(batch)
        return batch

    def written(self, count: int, payload: int) -> None:
        """The kernel has taken the last byte of so many messages at the front."""
        self.count_put()
        outgoing = self.outgoing
        if count == len(outgoing):
            outgoing.clear()
        else:
            for _ in range(count):
                outgoing.popleft()
        self.in_hand -= count
        self.outgoing_bytes -= payload
        tally, total = self.tally, self.owner.total
        tally.written += count
        tally.written_bytes += payload
        total.written += count
        total.written_bytes += payload
        self.finished += count
        self._after_removing(count)

    def writer_is_idle(self) -> None:
        """The writer has seen an empty queue: the next message needs an announcement."""
        if self.announced:
            self.announced = False
            self.owner.busy.pop(self, None)
        self.append_below = 0

    # -- lent, and given back --

    def lend(self, peer: Peer) -> None:
        """Let the link of a peer write what waits, until it calls `give_back`."""
        self._require(Hold.FREE)
        self.hold = Hold.LENT
        self.peer = peer
        attach(peer, self)

    def give_back(self, *, partly_written: bool) -> None:
        """Take the pipe back, with the batch in hand, from a link that will not write any more.

        Args:
            partly_written: The first message was. It is sent again whole once; the second time it
                is dropped, so that a message that kills its receivers can't go round.
        """
        self._require(Hold.LENT)
        self.hold = Hold.FREE
        self.in_hand = 0
        self.writer_is_idle()
        self.on_outgoing = self.on_shared = self.on_full = None
        self.watched = None
        self.owner.busy[self] = None
        self.inbound.link_ended()
        if self._take_opening_back():
            partly_written = False
        if partly_written and self.outgoing:
            self._keep_partly_written(self.outgoing[0])
        while True:
            try:
                self.outbound.receive_nowait()
            except trio.WouldBlock:
                return

    def _keep_partly_written(self, first: Item) -> None:
        """Keep a partly written message for one more try; drop it after the second."""
        if isinstance(first, PartlyWritten):
            self._drop_at(0, DropReason.CONNECTION_LOST)
            self._after_removing(1)
        else:
            self.outgoing[0] = PartlyWritten(frames_of(first))

    def reclaim(self) -> list[Item]:
        """Empty the outbound queue and return what was in it, no longer counted here."""
        self._require_back()
        self.count_put()
        items = list(self.outgoing)
        self.outgoing.clear()
        for item in items:
            self._uncount(item)
        self.finished += len(items)
        self._after_removing(len(items))
        return items

    def drop_outgoing(self, reason: DropReason) -> int:
        """Drop everything that waits to be written, and return how many messages that was."""
        self._require_back()
        count = len(self.outgoing)
        if count:
            self.count_put()
            self.outgoing.clear()
            self.outgoing_bytes = 0
            self.finished += count
            self._count_dropped(reason, count)
            self._after_removing(count)
        return count

    def retire(self) -> None:
        """Let nothing be queued here any more: no link will come for it."""
        self._require(Hold.FREE)
        self.hold = Hold.RETIRED
        self.send_hwm = 0
        self.inbound.retire()

    def move_books(self, tally: Tally) -> None:
        """Count in another tally from now on; what was counted so far is added to it."""
        tally.add(self.figures())
        self.tally = tally
        self.inbound.move_books(tally)

    def count_anew(self) -> None:
        """Leave what was counted so far where it is, and count in a tally of its own again."""
        self.count_put()
        self.inbound.count_taken()
        self.tally = Tally()
        self.inbound.move_books(self.tally)

    def _require(self, hold: Hold) -> None:
        if self.hold is not hold:
            raise InternalError(f"{self!r} is {self.hold.value}, and should be {hold.value}")

    def _require_back(self) -> None:
        """Refuse to take messages out behind the back of a link that is writing them."""
        if self.hold is Hold.LENT:
            raise InternalError(f"{self!r} is lent to a link, which has to give it back first")

    def _after_removing(self, count: int) -> None:
        """Messages have left: the count of what was put starts from what is there now."""
        self._counted_out = len(self.outgoing)
        self._counted_out_bytes = self.outgoing_bytes
        if self.announced:
            self._limit_appending()
        if self.blocked and self.has_room():
            self.blocked = False
            self.owner.room_opened(self)
        if count:
            self.owner.outgoing_finished(self)

    # -- both --

    @trio.lowlevel.enable_ki_protection
    def settle(self) -> None:
        """Let an inproc join move what it has put off, before somebody looks."""
        if self.on_full is not None:
            self.on_full()
        if self.inbound.on_look is not None:
            self.inbound.on_look()

    @trio.lowlevel.enable_ki_protection
    def figures(self) -> Tally:
        """Return the tally, up to date."""
        self.settle()
        self.count_put()
        self.inbound.count_taken()
        return self.tally

    @trio.lowlevel.enable_ki_protection
    def waiting(self) -> Waiting:
        """Return what waits here now."""
        self.settle()
        return Waiting(len(self.outgoing), self.outgoing_bytes, *self.inbound.unread)
