"""The writing half of a link: batches as the pipe announces them, and some messages at once.

This file is longer than most: what is written when, and from whose stack, is one idea.

The writer task waits for the pipe to announce a batch and writes until nothing is left. A message
that is put into an idle pipe is written at once from the stack of ``send`` instead, past the queue
(*write-through*): a round trip then has one task switch less. That is one attempt at one message.
It never waits and never raises, and what it could not write is queued.

What a publisher sends to many is written by its printer instead, to one stream after the other,
where the writer has nothing else to write (`Writer.write_for_many`).

In a flood it would send messages alone that could go together, and a system call costs as much as
dozens of small messages. A flood can be recognised: the sending task has used up its time slice.
Then the writer waits a few turns of the scheduler, as long as each brings more, before it writes.

Requests and replies are no such flood: somebody waits for each of them, and to make one takes ten
times as long as to send a message of a flood. What can't go at once goes *at the end of the turn*,
all of it in one write, and no task has to be woken for that (`turn_end`). That is so, too, for the
reply to a peer whose next requests are here already: the replies to them go with it.

A write error ends only the writer. The reader goes on until it finds the end of the stream: what
the peer said before it left is still there to be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, Final

import trio

from trio_mq._connections.elsewhere import leave_large_boxes, work_elsewhere
from trio_mq._connections.heartbeat import Pulse
from trio_mq._connections.link_side import WritersLink
from trio_mq._connections.outbox import LARGE, Outbox, wire_of
from trio_mq._pipes.gathering import TellsOfEnd
from trio_mq._pipes.item import Item
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.stream import ByteStream, PollableStream
from trio_mq._waiting import current_slice
from trio_mq.zmtp import Connection, Sealing, encode_message

#: Seconds since the last write that make a message worth a system call of its own.
_PAUSE: Final = 20e-6
#: The same for a task that has lately been sending without a pause.
_PAUSE_IN_FLOOD: Final = 1e-3
#: A batch of this many messages, or bytes, is worth a system call and waits for no more.
_ENOUGH_MESSAGES: Final = 400
_ENOUGH_BYTES: Final = 64 * 1024
#: A batch that grows by fewer messages than this in a turn is written.
_GROWTH: Final = 32

_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class Writer:
    """Writes what waits in one pipe to one stream (a `Borrower`).

    Args:
        nursery: Where its task runs, from the first time on that there is something to write which
            is not written at once: most of the peers of a large server are never written to, or
            only now and then.
        stream: Where to.
        connection: Encodes.
        outbound: Where messages wait.
        pulse: Has PINGs and PONGs that are due.
        link: Whose writer it is.
        turn_end: Where what is left at the end of a turn is written; ``None``: by the task.
    """

    writes_later: ClassVar[bool] = True

    __slots__ = (
        "_asleep",
        "_at_turn_end",
        "_at_work",
        "_begun",
        "_clock",
        "_failed",
        "_finishing",
        "_last_write",
        "_link",
        "_nursery",
        "_one_by_one",
        "_outbound",
        "_outbox",
        "_past_queue",
        "_pulse",
        "_slice",
        "_stopped",
        "_stream",
        "_turn_end",
        "running",
    )

    def __init__(
        self,
        nursery: trio.Nursery,
        stream: ByteStream,
        connection: Connection,
        outbound: Outbound[Pipe],
        pulse: Pulse,
        *,
        link: WritersLink,
        turn_end: TellsOfEnd | None,
    ) -> None:
        self._nursery = nursery
        self._stream = stream
        self._outbound = outbound
        self._pulse = pulse
        self._link = link
        # Those of the reader, too.
        large = leave_large_boxes(stream, connection)
        self._outbox = Outbox(stream, connection, outbound, large)
        self._slice = current_slice()
        self._clock = self._slice.clock
        # Nobody knows how much of a failed ``write_all`` has arrived, so each gets one message
        # only.
        self._one_by_one = stream.try_write(()) is None
        #: Where a message can be written past the queue; ``None``: none can. Nor where a write is
        #: heard of: who sends more because of it must find this message before that, in the queue.
        self._past_queue: PollableStream | None = None
        if isinstance(stream, PollableStream) and connection.clear and not stream.is_overheard:
            self._past_queue = stream
        self._turn_end = None if self._one_by_one or outbound.perishes else turn_end
        #: The end of this turn is waited for.
        self._at_turn_end = False
        self._last_write = -math.inf
        self._failed = False
        self._finishing = False
        self._stopped = False
        #: Its task has been started, or never will be; and has not ended.
        self._begun = False
        self.running: bool = False
        #: It has something in hand; and the task, while it waits.
        self._at_work = False
        self._asleep: trio.lowlevel.Task | None = None

    @property
    def partly_written(self) -> bool:
        """The first message of the pipe is partly written."""
        return self._outbox.partly_written

    @property
    def has_never_begun(self) -> bool:
        """Its task was never needed, and is not needed now."""
        return not (self._begun or self._failed) and self._outbox.empty

    def control(self, frame: bytes) -> None:
        """Send a control frame before the messages that wait."""
        self._outbox.control(frame)
        self.wake()

    def finish(self) -> None:
        """Shut our direction of the stream when nothing is left to write."""
        self._finishing = True
        self.wake()

    def stop(self) -> bool:
        """Let its task return soon, if it has nothing in hand; else False."""
        if not self._stopped:
            if self._at_work:
                return False
            self._stopped = True
            self._rouse()
        return True

    def begin_no_more(self) -> None:
        """Leave what comes from now on in the pipe, if the task has not been started."""
        self._begun = True
        self._turn_end = None
        self._at_turn_end = False

    # -- its task --

    @trio.lowlevel.enable_ki_protection
    async def _write_to_the_end(self) -> None:
        """Write until the connection fails or the task is cancelled; never raises for a peer."""
        try:
            while not self._stopped:
                if self._outbound.announced:
                    await self._write_what_waits()
                else:
                    await self._sleep()
        except _BROKEN:
            self._fail()
            self._at_work = False
        except Exception as error:  # noqa: BLE001  # a bug ends this link alone
            self._link.writer_failed(error)
        finally:
            self.running = False

    async def _write_what_waits(self) -> None:
        self._at_work = True
        await self._gather()
        while self._load():
            await self._write()
            await self._gather()
        self._outbound.writer_is_idle()
        all_written = self._finishing and self._outbox.empty
        shut = all_written and await self._stream.shutdown_write()
        self._at_work = False
        if all_written:
            self._link.all_written(peer_knows=shut)

    async def _sleep(self) -> None:
        def leave(_: object) -> trio.lowlevel.Abort:
            self._asleep = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._asleep = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(leave)

    def _announce(self) -> None:
        """Tell the task that something waits to be written; start it if this is the first time."""
        self._at_turn_end = False
        self._outbound.writer_is_busy()
        if self._begun:
            self._rouse()
        elif not self._stopped:
            self._begun = self.running = True
            self._nursery.start_soon(
                self._write_to_the_end, name=f"trio_mq writer {self._stream.peer_address}"
            )

    def _rouse(self) -> None:
        if self._asleep is not None:
            trio.lowlevel.reschedule(self._asleep)
            self._asleep = None

    async def _gather(self) -> None:
        """Let a flood fill the batch, as long as every turn brings more."""
        before = 0
        while self._grows(before):
            before = len(self._outbound.queue)
            await trio.lowlevel.checkpoint()

    def _grows(self, before: int) -> bool:
        """Tell whether the batch has grown since, and may grow further."""
        outbound = self._outbound
        return (
            self._turn_end is None
            and before + _GROWTH <= len(outbound.queue) < _ENOUGH_MESSAGES
            and outbound.size < _ENOUGH_BYTES
            and outbound.has_room()
        )

    def _load(self) -> bool:
        heartbeat = self._pulse.heartbeat
        if heartbeat is not None and (frames := heartbeat.take_due()):
            self._outbox.control(frames)
        return self._outbox.load(one=self._one_by_one)

    async def _write(self) -> None:
        if self._outbox.unsealed is not None:
            await self._seal(self._outbox.unsealed)
        if self._one_by_one:
            await self._stream.write_all(self._outbox.take())
        elif not self._outbox.write():
            await self._stream.wait_writable()
        elif self._outbound.queue:
            await trio.lowlevel.checkpoint()
        self._last_write = self._clock()

    async def _seal(self, sealing: Sealing) -> None:
        """Have large boxes sealed; what is encoded meanwhile is counted, and waits, behind them."""
        for box in sealing.boxes:
            await work_elsewhere(box.work)
        self._outbox.sealed()

    def _fail(self) -> None:
        self._failed = True
        self._past_queue = None

    def faults(self) -> Iterator[str]:
        """Say what is wrong with what is being written; the debug mode asks."""
        yield from self._outbox.faults()
        told = self._turn_end is not None and self._turn_end.will_tell(self)
        if self._at_turn_end and not told:
            yield f"the writer of {self._stream.peer_address} waits for the end of a turn in vain"
        idle = self._asleep is not None or not self._begun
        # Where nothing is put off any more, the connection is about to end.
        if self._turn_end is not None and idle and not (self._at_turn_end or self._stopped):
            ends = self._nursery.cancel_scope.cancel_called or self._failed
            if self._outbound.announced and not ends:
                yield f"the writer of {self._stream.peer_address} sleeps, and should write"
        known = self._outbound.announced or self._outbound.as_it_is()[0] or self._failed
        if not known and (self._has_due_pulse or not self._outbox.empty):
            yield f"the writer of {self._stream.peer_address} has to write, and was not told"

    # -- for the pipe --

    def write_at_once(self, item: Item, size: int) -> bool:
        """Write a message past the queue if that is worth it; False if it is to be queued.

        The same as `Outbox.load` and `Outbox.write`, in a fifth of their steps, where there is
        nothing to gather: a round trip is made of such steps. Nothing else is to be written now, or
        the writer would have been told of it (`faults`).
        """
        now = self._clock()
        pause = _PAUSE_IN_FLOOD if self._slice.flooded else _PAUSE
        stream = self._past_queue
        if now - self._last_write < pause or stream is None or size >= LARGE:
            return False
        self._last_write = now
        try:
            wire = encode_message(item) if item.__class__ is tuple else wire_of(item)
            taken = stream.write_now(wire)
        except _BROKEN:
            self._fail()
            return False
        if taken == len(wire):
            self._outbound.passed(size)
            return True
        if taken:
            self._outbound.begun(item, size)
            self._outbox.go_on_with(wire, taken, 1, size)
            self._announce()
        return taken > 0

    def queued(self) -> None:
        """Something was put into an idle pipe: let it be written with what comes in this turn."""
        self.gather()

    def gather(self) -> None:
        """Let what is put in this turn be written together, where it can be."""
        if self._turn_end is None or self._failed:
            self._announce()
        else:
            self._at_turn_end = True
            self._outbound.writer_is_busy()
            self._turn_end.tell(self)

    def turn_ended(self) -> bool:
        """Write what the turn has brought; tell if a task was woken, for what that leaves over."""
        if not self._at_turn_end:
            return False  # the task was told meanwhile, or the connection has ended
        self._at_turn_end = False
        if self._stopped or self._nursery.cancel_scope.cancel_called:
            return False  # it is about to end, and what waits is for the next one
        try:
            if not self._outbound.awaited and self._write_all_now():
                return False
            self._announce()
        except Exception as error:  # noqa: BLE001  # a bug ends this link alone
            self._link.writer_failed(error)
        return True

    def _write_all_now(self) -> bool:
        """Write what waits; False if something is left to write."""
        if self._failed or not (self._outbox.empty or self._try_write()):
            return False
        if not self._outbox.empty:
            return False
        self._last_write = self._clock()
        self._outbound.writer_is_idle()
        return True

    def press(self) -> None:
        """Much waits for the end of the turn: write it now, so that the peer can begin."""
        if not (self._at_work or self._failed or self._turn_end is None):
            self._last_write = self._clock()
            self._try_write()

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Write what is all that waits here; the task goes on with what is left of it."""
        ends = self._stopped or self._nursery.cancel_scope.cancel_called
        if ends or self._one_by_one or self._failed or self._has_due_pulse:
            return False
        self._last_write = self._clock()
        try:
            if self._outbox.write_for_many(wire, count, payload):
                self._at_turn_end = False
                return True
        except _BROKEN:
            self._fail()
        except Exception as error:  # noqa: BLE001  # a bug ends this link alone
            self._link.writer_failed(error)
        return False

    def wake(self) -> None:
        """Let the task look for something to write, which need not be a message."""
        if self._at_turn_end or not self._outbound.announced:
            self._announce()

    def make_room(self) -> None:
        """Only the kernel can, and it does so when the peer reads."""

    def catch_up(self) -> None:
        """There is nothing that could have moved and has not."""

    # -- the last attempt --

    def write_once(self) -> None:
        """Make the last attempt before the connection is cut."""
        if not (self._failed or self._one_by_one):
            self._try_write(seal=True)

    @property
    def _has_due_pulse(self) -> bool:
        heartbeat = self._pulse.heartbeat
        return heartbeat is not None and bool(heartbeat.due)

    def _try_write(self, *, seal: bool = False) -> bool:
        """Write what waits; False if something is left, such as large boxes, for the task."""
        try:
            if not self._load():
                return False
            if seal:
                self._outbox.seal()
            return self._outbox.unsealed is None and self._outbox.write()
        except _BROKEN:
            # The reader will find out too; the messages stay in the pipe.
            self._fail()
            return False
