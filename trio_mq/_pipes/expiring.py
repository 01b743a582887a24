"""An outbound queue in which nothing waits too long (``message_lifetime``).

Theory of operation
-------------------

Each message is queued with the moment at which it was accepted (`Timed`). It keeps that when it
moves to another peer; how long it may wait there is an option of that endpoint.

Its time ends when the kernel takes its first byte: what has begun is written to its end. A writer
offers the kernel many messages at once, and those that it did not take are still only waiting. So
after a write that was cut short, the outbox puts back what it has loaded and not begun
(`Outbound.keep_in_hand`). Before each batch, what is late is dropped, so nothing is written late
though the alarm may ring a moment after its time.

Over inproc, a message's time ends when the other side's queue has room for it. It may move a little
later than that, as all messages do there; so the alarm first lets everything move that can.

Nothing here costs a queue anything whose messages may wait without end: that is an `Outbound`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

import attrs
import trio

from trio_mq._pipes.item import Item, Timed, payload_of, timed, untimed
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.owner import PipeT
from trio_mq._tally import DropReason


@attrs.define(eq=False, repr=False)
class ExpiringOutbound(Outbound[PipeT]):
    """The outbound queue of a pipe whose messages may not wait without end."""

    perishes: ClassVar[bool] = True

    #: Seconds that one may wait.
    _lifetime: float = attrs.field(init=False, default=math.inf)
    #: Each waits at least as long as those behind it.
    _in_order: bool = attrs.field(init=False, default=True)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        assert self.options.message_lifetime is not None  # noqa: S101  # whence this class
        self._lifetime = self.options.message_lifetime

    # -- in: there is no short way --

    def passes(self, item: Item, size: int) -> bool:  # noqa: ARG002
        """Write nothing before it is queued."""
        return False

    def put(self, item: Item) -> None:
        """Queue a message; the caller has seen `has_room`, or means to exceed it."""
        self.put_shared(item, payload_of(item))

    def put_sized(self, item: Item, size: int) -> None:
        """Queue a message whose payload bytes are known."""
        self.put_shared(item, size)

    def put_returned(self, item: Item) -> None:
        """Queue a message that has waited in another queue; its time goes on."""
        self.put(item)

    def append_what_fits(self, batch: Sequence[Item], start: int) -> int:  # noqa: ARG002
        """Queue nothing: each message has a time of its own."""
        return 0

    def _append(self, item: Item, size: int) -> None:
        stamped = timed(item, trio.current_time())
        youngest = self.queue[-1] if self.queue else None
        super()._append(stamped, size)
        if youngest is None:
            self._in_order = True
        elif isinstance(youngest, Timed) and youngest.since > stamped.since:
            self._in_order = False
        self._ledger.alarm.set(self, stamped.since + self._lifetime)

    def _limit_appending(self) -> None:
        """Let nobody append by himself: ``append_below`` stays 0."""

    # -- out, in time --

    def next_batch(self, max_messages: int, max_bytes: int) -> list[Item]:
        """Return the messages to write next, as they are written."""
        return [untimed(item) for item in super().next_batch(max_messages, max_bytes)]

    def next_fresh_batch(self, max_messages: int, max_bytes: int) -> list[Item]:
        """Do as `next_batch`, without what has waited too long."""
        if trio.current_time() >= self._ledger.alarm.due(self):
            self._drop_late()
        return self.next_batch(max_messages, max_bytes)

    def keep_in_hand(self, count: int) -> None:
        """Nothing is written yet of the batch in hand, but for the first ``count`` messages."""
        super().keep_in_hand(count)
        self._set_alarm()

    def give_back(self, *, partly_written: bool) -> None:
        """Take the queue back, with the batch in hand, whose time goes on."""
        super().give_back(partly_written=partly_written)
        self._set_alarm()

    def retire(self) -> None:
        """Let nothing be queued here any more."""
        super().retire()
        self._ledger.alarm.forget(self)

    # -- too late --

    def expire(self) -> None:
        """Drop what has waited too long, and set the alarm for what comes next."""
        if self._borrower is not None:
            self._borrower.make_room()
        self._drop_late()

    def _drop_late(self) -> None:
        now = trio.current_time()
        late: list[int] = []
        for index, end in self._ends():
            if end <= now:
                late.append(index)
            elif self._in_order:
                break
        if late:
            self._drop_expired(late)
        self._set_alarm()

    def _drop_expired(self, indices: list[int]) -> None:
        """Drop messages, told as one drop; the owner may have waited for what becomes of them."""
        self.count_put()
        items = [self._take_out(index - before) for before, index in enumerate(indices)]
        self._close_books()
        self._count_dropped(DropReason.EXPIRED, len(items))
        self._after_removing(len(items))
        self._owner.expired(self._pipe, items)

    def _ends(self) -> Iterator[tuple[int, float]]:
        """Yield each message that may be dropped, by its place, and when its time ends."""
        for index, item in enumerate(islice(self.queue, self.in_hand, None), self.in_hand):
            if isinstance(item, Timed):
                yield index, item.since + self._lifetime

    def _set_alarm(self) -> None:
        ends = (end for _, end in self._ends())
        first = next(ends, math.inf) if self._in_order else min(ends, default=math.inf)
        self._ledger.alarm.set(self, first)

    def faults(self) -> Iterator[str]:
        """Say what would wait too long because no alarm is set for it."""
        first = min((end for _, end in self._ends()), default=math.inf)
        if first < self._ledger.alarm.due(self):
            yield f"{self._pipe!r} has a message that ends its time at {first}, and no alarm for it"
