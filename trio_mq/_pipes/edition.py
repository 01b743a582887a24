"""Messages that go to the same peers, kept once for all of them until they are written.

Theory of operation
-------------------

A publisher sends one message after the other to the same subscribers. To put each of them into each
queue would cost as many steps as there are subscribers, although all these queues would hold the
same. So while the subscribers don't change, small messages are only added to an `Edition`, which
stands at the end of the queue of each of its `members`. A task of the socket, the `Printer` (see
`trio_mq._pipes.printer`), then writes the edition to each member: encoded once, with one system
call and one entry in the books for all its messages.

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

from collections.abc import Collection, Sequence
from typing import Generic, Protocol

import attrs

from trio_mq._message import Frames
from trio_mq._pipes.owner import PipeT
from trio_mq.zmtp.frames import encode_messages


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
    #: How many more small messages may be added; and how many at first. Whatever else is published
    #: takes of it too, so the difference tells how much that was.
    room: int = 0
    room_at_first: int = attrs.field(init=False)
    #: Who publishes when there is no room waits for it, and loses nothing.
    may_be_full: bool = False
    #: Those of the readers at the end of whose queues it stands, and those that had no room.
    members: Sequence[Member[PipeT]] = ()
    apart: Sequence[PipeT] = ()
    #: The messages, oldest first, and their payload bytes; a single frame is just that frame.
    items: list[bytes | Frames] = attrs.field(factory=list)
    size: int = 0

    def __attrs_post_init__(self) -> None:
        self.room_at_first = self.room

    def deliver(self) -> None:
        """Write it to each member, or let the member's queue take it over."""
        if self.items:
            wire = b"".join(encode_messages(self.items))
            for member in self.members:
                member.write_edition(self, wire)
