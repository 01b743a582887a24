"""Which task watches a stream for bytes: the reader's own, or one that waits for what they say.

Theory of operation
-------------------

Ordinarily, bytes that arrive wake the reader's task, which decodes them and wakes the task that
waits for the message. That is two turns of the scheduler, and the second takes as long as
everything that the protocol does. So a task that waits for something that only this connection can
bring *stands in*: it waits for the stream itself, and does from its own stack what the reader would
do.

An example, a request and its reply::

    without a stand-in     the reader waits for the stream; the caller waits for a message
                           bytes > the reader wakes, decodes > the caller wakes, returns
    with a stand-in        the reader sleeps; the caller waits for the stream
                           bytes > the caller wakes, decodes, returns

A stand-in does only the plain work. At the end of the stream, at an error, inside a torn frame, or
when there is more than should be decoded at once, it steps back, and the reader's task goes on from
there. It also steps back when it has what it waited for, when it is cancelled, and when it is
recalled, because there is nothing left to wait for.

The change from one to the other costs nothing where it matters. The reader's task sleeps while
there is a stand-in, and is woken when that has stepped back. But where one request follows another,
the next stand-in comes before any other task has run. So the reader's task is woken at the end of
the *turn* only (`TurnEnd`): when each task that could run has run, and nobody stands in again.
`State` has the whole course of it::

    AWAY ---> READER ---> STAND_IN <--> WORKING       the first request finds the reader there
     ^                       ^             |
     |                       |             v
     +--- the reader runs -- CLEAN or UNFINISHED      from CLEAN, the next request stands in at once

To wake it at the end of a turn takes more than to wake it at once. So the one is done where the
last stand-in was followed by another in the same turn, and the other where it was not: a service
that waits for something else between a request and its reply is of that kind.

trio lets one task at a time wait for a socket, and has one way to make it stop:
`trio.lowlevel.notify_closing`, which in this case says nothing but "look again".
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import trio

from trio_mq._connections.turn_end import TurnEnd, current_turn_end
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import TakeBody, Watcher
from trio_mq._transports.stream import PollableStream


class State(enum.Enum):
    """Who watches the stream now."""

    #: Nobody: the reader's task has something else to do.
    AWAY = enum.auto()
    #: The reader's task waits for the stream.
    READER = enum.auto()
    #: A stand-in waits for the stream; the reader's task sleeps, or is about to.
    STAND_IN = enum.auto()
    #: A stand-in does what is to be done with what has arrived.
    WORKING = enum.auto()
    #: The stand-in has stepped back and left nothing to do; the reader's task has not run since.
    CLEAN = enum.auto()
    #: The same, and the reader's task has to go on; or it was told to, without a stand-in.
    UNFINISHED = enum.auto()


# Names of the module: to look one up in the class takes as long as the rest of a comparison.
_AWAY: Final = State.AWAY
_READER: Final = State.READER
_STAND_IN: Final = State.STAND_IN
_WORKING: Final = State.WORKING
_CLEAN: Final = State.CLEAN
_UNFINISHED: Final = State.UNFINISHED


class StoodIn(enum.Enum):
    """What a stand-in has done, once something seemed to have arrived."""

    #: What its task waits for was all that came, and it has that.
    TAKEN = enum.auto()
    #: It has done all that there was to do.
    NOTHING_LEFT = enum.auto()
    #: The reader's task has to go on.
    UNFINISHED = enum.auto()


_TAKEN: Final = StoodIn.TAKEN
_NEEDS_READER: Final = StoodIn.UNFINISHED


class ReadsNow(Protocol):
    """A reader as its watch sees it: it can do its work without waiting."""

    def read_now(self) -> bytes | None:
        """Read as much as should be read at once; ``None`` if there is nothing."""

    def stand_in(self, take_body: TakeBody[Pipe]) -> StoodIn:
        """Do what is to be done with what has arrived, unless the task itself has to go on."""


class Watch:
    """Which task watches one stream.

    Args:
        stream: The stream.
        reader: Reads from it, and works for a stand-in.
    """

    __slots__ = ("_asleep", "_reader", "_state", "_turn_end", "stream", "vacant")

    def __init__(self, stream: PollableStream, reader: ReadsNow) -> None:
        self.stream: PollableStream = stream
        self._reader = reader
        self._state = State.AWAY
        #: See `Watched.vacant`.
        self.vacant: bool = False
        #: The reader's task, while it sleeps here.
        self._asleep: trio.lowlevel.Task | None = None
        #: Where to put off waking the reader's task: set while each stand-in is followed by another
        #: one before that task has run.
        self._turn_end: TurnEnd | None = None

    # -- for the reader's task --

    async def receive(self) -> bytes | None:
        """Wait for bytes; ``None`` if a stand-in has read some, so that the caller must look again.

        Raises:
            trio.BrokenResourceError: The connection failed.
            trio.ClosedResourceError: This end was closed.
        """
        self._state, self.vacant = _READER, True
        while self._state is _READER:
            await self.stream.wait_readable()
            if self._state is _READER and (data := self._reader.read_now()) is not None:
                self._state, self.vacant = _AWAY, False
                return data
        while self._state is _STAND_IN or self._state is _WORKING:
            await self._sleep()
        self._turn_end = None
        self._state, self.vacant = _AWAY, False
        return None

    async def _sleep(self) -> None:
        def leave(_: object) -> trio.lowlevel.Abort:
            self._asleep = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._asleep = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(leave)

    @property
    def watching(self) -> bool:
        """The reader's task waits here for bytes, and nobody stands in."""
        return self._state is _READER

    def release(self) -> None:
        """Let the reader's task go on without any, as after a stand-in."""
        self._state, self.vacant = _UNFINISHED, False
        self.stream.interrupt()

    # -- for a task that waits for what the peer will say --

    async def stand_in(
        self, watcher: Watcher, over: Callable[[], bool], take_body: TakeBody[Pipe]
    ) -> bool:
        """See `Watched.stand_in`; a task may if the reader has nothing to do but to watch."""
        # A task has just been woken elsewhere, perhaps: two would forget each other's place.
        if watcher.watched is not None or not self.vacant:
            return False
        self._relieve_reader()
        watcher.watched = self
        stream, reader, did = self.stream, self._reader, _TAKEN
        try:
            while True:
                self._state = _STAND_IN
                try:
                    await stream.readable()
                except trio.ClosedResourceError:
                    if stream.closed:
                        break  # the link has ended, and tells who has to know
                self._state = _WORKING
                did = reader.stand_in(take_body)
                if did is _TAKEN or did is _NEEDS_READER or over():
                    break
        finally:
            watcher.watched = None
            self.vacant = clean = did is not _NEEDS_READER
            self._state = _CLEAN if clean else _UNFINISHED
            if clean and self._turn_end is not None:
                self._turn_end.asked.append(self)  # as `tell`
            else:
                self._wake_reader()
        return True

    def _relieve_reader(self) -> None:
        """A stand-in comes instead of the reader's task, or after another one."""
        self.vacant = False
        if self._state is _READER:
            self.stream.interrupt()
        elif self._turn_end is None:
            self._turn_end = current_turn_end()

    def turn_ended(self) -> bool:
        """Let the reader's task go on unless somebody stands in again; tell whether it does."""
        return self._state is _CLEAN and self._wake_reader()

    def _wake_reader(self) -> bool:
        if self._asleep is None:
            return False
        trio.lowlevel.reschedule(self._asleep)
        self._asleep = None
        return True

    def faults(self) -> Iterator[str]:
        """Say whether the reader's task sleeps and nobody will wake it; the debug mode asks."""
        told = self._turn_end is not None and self._turn_end.will_tell(self)
        if self._state is _CLEAN and self._asleep is not None and not told:
            yield f"the watch of {self.stream.peer_address} waits for the end of a turn in vain"

    def recall(self) -> None:
        """Let the task that stands in look whether it is over."""
        if self._state is _STAND_IN:
            self.stream.interrupt()
