"""Messages that go to the same peers, kept once for all of them until they are written.

Theory of operation
-------------------

A publisher sends one message after the other to the same subscribers. To put each of them into each
queue would cost as many steps as there are subscribers, although all these queues would hold the
same. So while the subscribers don't change, small messages are only added to an `Edition`, which
stands at the end of the queue of each of its `members`. A task of the socket, the `Printer`, then
writes the edition to each member: encoded once, with one system call and one entry in the books for
all its messages.

For everybody else this is a queue like any other. A queue that is looked at *takes over* what it
has not taken yet (`SharedOutbound`, whose ``queue`` and ``size`` are properties), and from there on
its own writer writes that. So a member that is slow, sealed or without a connection needs no care:
it takes over what was printed, and goes its own way. Nothing has to be told that editions exist,
and nothing can forget to ask.

The marks stay exact: an edition holds no more messages than the fullest of its members had room
for when it began, and whatever else is put into one of these queues takes of that room. A reader
without room stands *apart*, and is given each message, or refused it, by itself. When a member
leaves, or the readers change, nothing more can be added.

An example. A Pub has three subscribers and ten messages. The first message begins an edition, with
the three queues as members, and wakes the printer; the others are added to its list. When the
sender yields, the printer encodes the ten messages. Two members have nothing else to write, and get
all ten in one write each. The third has not read for a while, and its writer has a hundred messages
in hand: its queue takes the ten over, behind the hundred. If somebody had asked for the statistics
of the second one after five messages, its queue would have taken these five over, its writer would
have been told, and it would have taken over the other five when the printer came by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Generic, Protocol

import attrs
import trio

from trio_mq._message import Frames
from trio_mq._pipes.owner import PipeT
from trio_mq._scope import Scope
from trio_mq.zmtp.frames import encode_messages

#: An edition of this many messages, or bytes, is worth a system call for each member, and waits for
#: no more.
_ENOUGH_MESSAGES: Final = 400
_ENOUGH_BYTES: Final = 64 * 1024
#: One that grows by fewer messages than this in a turn of the scheduler is written.
_GROWTH: Final = 32


class Member(Protocol[PipeT]):
    """A queue at whose end an edition may stand."""

    def has_joined(self, edition: Edition[PipeT]) -> bool:
        """Tell whether an edition is at the end of the queue."""

    def join(self, edition: Edition[PipeT]) -> None:
        """Have an edition at the end of the queue."""

    def write_edition(self, edition: Edition[PipeT], wire: bytes) -> None:
        """Write an edition, to which nothing is added any more, or take it over."""


@attrs.define(eq=False, repr=False)
class Edition(Generic[PipeT]):
    """Messages that wait for the same peers."""

    #: Who gets them: the very collection that was matched, and which state of it.
    readers: Collection[PipeT] | None = None
    version: int = 0
    #: How many more small messages may be added.
    room: int = 0
    #: Those of the readers at the end of whose queues it stands, and those that had no room.
    members: Sequence[Member[PipeT]] = ()
    apart: Sequence[PipeT] = ()
    #: The messages, oldest first, and their payload bytes; a single frame is just that frame.
    items: list[bytes | Frames] = attrs.field(factory=list)
    size: int = 0

    def deliver(self) -> None:
        """Write it to each member, or let the member's queue take it over."""
        if self.items:
            wire = b"".join(encode_messages(self.items))
            for member in self.members:
                member.write_edition(self, wire)


class Printer(Generic[PipeT]):
    """Writes the editions of one socket, each in the turn after it began, or when it is large.

    Args:
        name: The socket's class, for tracebacks.
    """

    __slots__ = ("_asleep", "_name", "_printed", "_runs", "_scope", "edition")

    def __init__(self, name: str) -> None:
        self._name = name
        #: To which messages may be added; without `Edition.room` while there is none.
        self.edition: Edition[PipeT] = Edition()
        #: Those that are not delivered yet, oldest first.
        self._printed: list[Edition[PipeT]] = []
        #: Where the socket's tasks run; ``None``: it is not open yet, or not any more.
        self._scope: Scope | None = None
        self._runs = False
        self._asleep: trio.lowlevel.Task | None = None

    def begin(self, scope: Scope) -> None:
        """The socket is open, and can run the task."""
        self._scope = scope

    def begin_edition(self, edition: Edition[PipeT]) -> bool:
        """Let messages be added to an edition; False if there is no task to write it."""
        if self._scope is None:
            return False
        for member in edition.members:
            member.join(edition)
        self.edition = edition
        self._printed.append(edition)
        if self._asleep is not None:
            trio.lowlevel.reschedule(self._asleep)
            self._asleep = None
        elif not self._runs:
            self._runs = True
            self._scope.spawn_in_background(
                self._write_editions, f"trio_mq printer of {self._name}"
            )
        return True

    def close(self) -> None:
        """Add nothing to the edition: something else goes to its members, or they change."""
        if self.edition.readers is not None:
            self.edition = Edition()

    def faults(self) -> Iterator[str]:
        """Say what would wait for ever; the debug mode asks."""
        if self._printed and (self._asleep is not None or not self._runs):
            yield "an edition waits, and nobody writes it"
        edition = self.edition
        if edition.room > 0 and not all(each.has_joined(edition) for each in edition.members):
            yield "an edition can be added to, and not all who read it would get that"

    @trio.lowlevel.enable_ki_protection
    async def _write_editions(self) -> None:
        try:
            while True:
                await self._gather()
                self.deliver()
                await self._sleep()
        finally:
            # The socket ends: each connection writes what it still has to write by itself.
            self._scope = None
            self._runs = False
            self.deliver()

    async def _gather(self) -> None:
        """Let a flood fill the edition, as long as every turn brings more."""
        before = 0
        while self._grows(before):
            before = len(self.edition.items)
            await trio.lowlevel.checkpoint()

    def _grows(self, before: int) -> bool:
        edition = self.edition
        return (
            before + _GROWTH <= len(edition.items) < _ENOUGH_MESSAGES
            and edition.size < _ENOUGH_BYTES
            and edition.room > 0
        )

    def deliver(self) -> None:
        """Write what was printed."""
        self.close()
        printed, self._printed = self._printed, []
        for edition in printed:
            edition.deliver()

    async def _sleep(self) -> None:
        if self._printed:
            await trio.lowlevel.checkpoint()
            return

        def leave(_: object) -> trio.lowlevel.Abort:
            self._asleep = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._asleep = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(leave)
