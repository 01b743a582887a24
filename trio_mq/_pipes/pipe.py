"""Where a message waits: one peer's outbound and inbound queue.

Theory of operation
-------------------

A pipe stands between the pattern (which strategy got this message, who may receive next) and the
connection (bytes, links, redials). A connecting endpoint owns one pipe from ``connect`` on and
keeps it over all reconnections; an accepted peer has one from its handshake to its end. A link
*borrows* the pipe, one link at a time, and owns nothing: whatever was not wholly written when a
link ends is still here.

The two queues are its halves. `Outbound` has what waits to be written, and decides what is
admitted. `Inbound` has what was decoded and not received yet, and says how much more may be.

A link must give the pipe back before the owner may decide about what is left. Otherwise a writer
could still write what its owner has given to somebody else, and the message would go out twice. So
`Hold` says at every moment who may touch the outbound queue: a link borrows it (`Pipe.lend`) and
gives it back (`Pipe.give_back`); the owner empties it (`Outbound.reclaim`, `Outbound.drop_all`) and
retires it (`Pipe.retire`), and none of that while it is lent. The check stands in those very
methods. An endpoint that ends is told to stop, and is waited for (its ``done``), and only then is
its pipe given up: that is true of `disconnect`, `unbind`, a failed ``connect(wait=True)`` and the
end of the socket alike.

What was learnt from one connection says nothing about the next, which may be to another program.
So what is of a connection is reset in `Pipe.give_back`, and every other attribute has a reason to
stay (``tests/connections/test_lifetimes.py`` has them all).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trio_mq._peer import attach
from trio_mq._pipes.borrower import Borrower
from trio_mq._pipes.expiring import ExpiringOutbound
from trio_mq._pipes.inbound import Inbound
from trio_mq._pipes.outbound import Hold as Hold, Outbound
from trio_mq._pipes.owner import PipeOwner
from trio_mq._pipes.shared import SharedOutbound
from trio_mq._pipes.watched import Watched
from trio_mq._tally import Tally, Waiting

if TYPE_CHECKING:
    from trio_mq._options import Options
    from trio_mq._peer import Peer


@attrs.define(eq=False, repr=False)
class Pipe:
    """One peer's queues; see the head of this file for the theory."""

    owner: PipeOwner[Pipe]
    #: The endpoint it was made for, as `endpoints` shows it.
    endpoint: str
    options: Options
    #: The name that the program gave to the peers of a connected endpoint.
    given_id: bytes = b""
    tally: Tally = attrs.field(init=False, factory=Tally)
    #: The peer behind the pipe while it is lent, and the last one afterwards.
    peer: Peer | None = attrs.field(init=False, default=None)
    #: The connection, where a task may itself wait for what the peer says.
    watched: Watched[Pipe] | None = attrs.field(init=False, default=None)
    #: How many connections have had it, the present one included.
    loans: int = attrs.field(init=False, default=0)
    #: The name by which a routing table knows the peer. One that a peer claimed is kept until the
    #: next one has introduced itself, since it may well be the same program again.
    routing_id: bytes = attrs.field(init=False, default=b"")
    #: A strategy may choose it.
    attached: bool = attrs.field(init=False, default=False)
    #: Its endpoint is being disconnected: it is written to its end, and nothing is added.
    leaving: bool = attrs.field(init=False, default=False)
    #: What goes to the peer, and what comes from it.
    outbound: Outbound[Pipe] = attrs.field(init=False)
    inbound: Inbound[Pipe] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.routing_id = self.given_id
        self.outbound = self._kind_of_outbound()(self.owner, self, self.options, self.tally)
        self.inbound = Inbound(self.owner, self, self.options, self.tally)

    def _kind_of_outbound(self) -> type[Outbound[Pipe]]:
        if self.options.message_lifetime is not None:
            return ExpiringOutbound
        return SharedOutbound if self.owner.sends_to_many else Outbound

    def __repr__(self) -> str:
        waiting, size = self.outbound.as_it_is()
        return (
            f"<Pipe {self.endpoint} out {len(waiting)}/{size}B "
            f"in {self.inbound.count}/{self.inbound.size}B>"
        )

    # -- who may choose it --

    def join_targets(self) -> None:
        """A strategy may choose it from now on."""
        self.attached = True

    def leave_targets(self) -> None:
        """No strategy may choose it any more."""
        self.attached = False

    def leave(self) -> None:
        """Its endpoint is being disconnected."""
        self.leaving = True

    def take_name(self, routing_id: bytes) -> None:
        """A routing table knows the peer by this name from now on; the empty one is none."""
        self.routing_id = routing_id

    # -- lent, and given back --

    @property
    def hold(self) -> Hold:
        """Who may take messages out."""
        return self.outbound.hold

    def lend(self, peer: Peer, borrower: Borrower, watched: Watched[Pipe] | None = None) -> None:
        """Let the link of a peer write what waits, until it calls `give_back`.

        Args:
            peer: Who is there now.
            borrower: Writes what waits.
            watched: Where a task may wait for what the peer says, if that is possible.
        """
        self.outbound.lend(borrower)
        self.loans += 1
        self.watched = watched
        self.peer = peer
        attach(peer, self)

    def give_back(self, *, partly_written: bool) -> None:
        """Take the pipe back, with the batch in hand, from a link that will not write any more.

        Args:
            partly_written: The first message was. It is sent again whole once; the second time it
                is dropped, so that a message that kills its receivers can't go round.
        """
        self.watched = None
        self.inbound.link_ended()
        self.outbound.give_back(partly_written=partly_written)

    def retire(self) -> None:
        """Let nothing be queued here any more: no link will come for it."""
        self.outbound.retire()
        self.inbound.retire()

    # -- the books --

    def move_books(self, tally: Tally) -> None:
        """Count in another tally from now on; what was counted so far is added to it."""
        tally.add(self.figures())
        self._count_in(tally)

    def count(self) -> None:
        """Bring the tally up to date."""
        self.outbound.count_put()
        self.inbound.count_taken()

    def count_anew(self) -> None:
        """Leave what was counted so far where it is, and begin a new tally."""
        self.count()
        self._count_in(Tally())

    def _count_in(self, tally: Tally) -> None:
        self.tally = tally
        self.outbound.move_books(tally)
        self.inbound.move_books(tally)

    @trio.lowlevel.enable_ki_protection
    def catch_up(self) -> None:
        """Let an inproc link move what it has put off, both ways, before somebody looks."""
        self.outbound.catch_up()

    @trio.lowlevel.enable_ki_protection
    def figures(self) -> Tally:
        """Return the tally, up to date."""
        self.outbound.catch_up()
        self.count()
        return self.tally

    @trio.lowlevel.enable_ki_protection
    def waiting(self) -> Waiting:
        """Return what waits here now."""
        self.outbound.catch_up()
        return Waiting(len(self.outbound.queue), self.outbound.size, *self.inbound.unread)
