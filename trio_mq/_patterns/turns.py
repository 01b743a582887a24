"""Which pipes of a Req may be chosen for a request: those that owe nothing, and not two that roam.

A pipe leaves the rotation of `LoadBalance` for one of three reasons:

* it is *busy*: it has a plain request, to which its next message will be the reply, and its peer
  may not know what an id is; or its connection is about to be ended;
* it *rests*: its Router was told our name, and so was another that has a plain request now (see
  `partners`);
* it is *away*: it has no connection, and another pipe has one (see `reach`).

It comes back when no reason is left. What is here decides nothing about requests and replies; the
pattern tells it what became of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Final

from trio_mq._log import REPLY_ASTRAY
from trio_mq._patterns.ledger import Ledger
from trio_mq._patterns.partners import Partner
from trio_mq._patterns.reach import Change, Reach
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.load_balance import LoadBalance
from trio_mq._waiting import WaitList

if TYPE_CHECKING:
    from trio_mq._patterns.exchange import Exchange


# Names of the module: each request asks, and an enumeration's own names are slow to look up.
_NUMBERED: Final = Partner.NUMBERED
_CORRELATES: Final = Partner.CORRELATES
_RETURNING: Final = Partner.RETURNING


class Turns:
    """The pipes of a Req, by what their peers owe.

    Args:
        balance: Where pipes that may be chosen take their turns.
        senders: Tasks that wait until a pipe can be chosen.
        ledger: Knows the connection of each pipe.
        unknown: What a peer is taken for before its handshake.
        named: The socket has a routing id, which it tells its peers.
    """

    def __init__(
        self,
        balance: LoadBalance,
        senders: WaitList[None],
        ledger: Ledger,
        unknown: Partner,
        *,
        named: bool,
    ) -> None:
        self._balance = balance
        self._senders = senders
        self._ledger = ledger
        self._unknown = unknown
        self._named = named
        #: What the peer behind each pipe is, or was while there was one.
        self._partners: dict[Pipe, Partner] = {}
        self._reach = Reach()
        self._busy: set[Pipe] = set()
        #: Pipes whose peer owes the reply to a plain request, and gets ids until then.
        self._owing: set[Pipe] = set()
        self._resting: dict[Pipe, None] = {}
        #: Pipes whose Router knows our name.
        self._addressing: dict[Pipe, None] = {}
        #: The plain request that is out with a partner that roams; no other such may be.
        self.roaming: Exchange | None = None
        #: Such a request was left without its reply, which may come at any time, on any connection.
        self.astray: bool = False

    # -- who is there --

    def partner(self, pipe: Pipe) -> Partner:
        """Return what the peer behind a pipe is, or has to be taken for."""
        return self._partners.get(pipe, self._unknown)

    def meet(self, pipe: Pipe, partner: Partner) -> bool:
        """A handshake has shown who is there; return whether what waits keeps its form."""
        before = self.partner(pipe)
        self._partners[pipe] = partner
        self._look_at_name(pipe)
        if (before, partner) == (Partner.SETTLED, Partner.CORRELATES):
            if pipe in self._busy:
                # The plain request that waits is one that others may follow, with ids.
                self._owing.add(pipe)
                self._come_back(pipe)
            return True
        return partner is before

    def attach(self, pipe: Pipe) -> tuple[Pipe, ...]:
        """It may be chosen from now on, unless it `is_out`; return those that are away now."""
        self._look_at_name(pipe)
        return self._follow(self._reach.attach(pipe))

    def arrive(self, pipe: Pipe) -> tuple[Pipe, ...]:
        """It may be chosen already, and has a connection now; return those that are away now."""
        return self._follow(self._reach.arrive(pipe)) if pipe.attached else ()

    def detach(self, pipe: Pipe) -> None:
        """It can't be chosen any more."""
        self.emptied(pipe)
        self._resting.pop(pipe, None)
        self._addressing.pop(pipe, None)
        self._follow(self._reach.detach(pipe))

    def emptied(self, pipe: Pipe) -> None:
        """What waited in it was taken out, and nothing that was written is owed."""
        self._busy.discard(pipe)
        self._owing.discard(pipe)

    def leave(self, pipe: Pipe, *, owes: bool) -> tuple[Pipe, ...]:
        """Its connection is over: what roamed and is still in the pipe was never asked.

        Args:
            pipe: Which.
            owes: A plain request still waits in it.

        Returns:
            Those that are away now: what waits there has to go to others.
        """
        if self._partners.get(pipe) is Partner.ADDRESSING:
            del self._partners[pipe]
            self._look_at_name(pipe)
        if self.roaming is not None and self.roaming.pipe is pipe:
            self.stop_roaming(self.roaming)
        away = self._follow(self._reach.leave(pipe))
        if not owes:
            self.release(pipe)
        return away

    def forget(self, pipe: Pipe) -> None:
        """The pipe is gone for good."""
        self._partners.pop(pipe, None)

    # -- who may be chosen --

    def is_out(self, pipe: Pipe) -> bool:
        """Tell whether a pipe is out of the rotation, whatever room it has."""
        return pipe in self._busy or pipe in self._resting or self._reach.is_away(pipe)

    def plain_partner(self, pipe: Pipe, going_on: Container[Pipe]) -> Partner | None:
        """Return the peer's kind if it gets a plain request next; ``None``: one with an id.

        Args:
            pipe: Which was chosen.
            going_on: Those that have requests with ids. One that has dialled us goes on with ids
                then: a plain request among them would keep it out of the rotation, though it has
                others to answer.
        """
        partner = self._partners.get(pipe, self._unknown)
        if partner is _CORRELATES:
            return None if pipe in self._owing else partner
        if partner is _NUMBERED:
            return None
        if partner is _RETURNING and (pipe in going_on or self.astray or self.roaming is not None):
            return None
        return partner

    def take_out(self, pipe: Pipe, exchange: Exchange, partner: Partner) -> None:
        """It was chosen, and has a plain request."""
        if partner is _CORRELATES:
            self._owing.add(pipe)
            return
        self._busy.add(pipe)
        self._balance.take_out(pipe)
        if partner.roams:
            self.roaming = exchange
            for other in [each for each in self._addressing if each not in self._busy]:
                self._rest(other)

    def stop_roaming(self, exchange: Exchange) -> None:
        """If that request roamed, another one may now."""
        if exchange is self.roaming:
            self.roaming = None
            for pipe in tuple(self._resting):
                self._come_back(pipe)

    def answered(self, pipe: Pipe, exchange: Exchange) -> None:
        """A plain request is out no longer, and its pipe owes nothing."""
        # As `stop_roaming` and `release`, with two calls less for each request.
        if exchange is self.roaming:
            self.stop_roaming(exchange)
        self._owing.discard(pipe)
        if pipe in self._busy:
            self._come_back(pipe)

    def release(self, pipe: Pipe) -> None:
        """It owes nothing any more: put it back into the rotation, last in turn."""
        self._owing.discard(pipe)
        if pipe in self._busy:
            self._come_back(pipe)

    def came_late(self, pipe: Pipe) -> None:
        """A plain reply came that nobody waits for any more."""
        self._owing.discard(pipe)

    def _come_back(self, pipe: Pipe) -> None:
        self._busy.discard(pipe)
        self._resting.pop(pipe, None)
        if not pipe.attached or self._reach.is_away(pipe):
            return
        if self.roaming is not None and pipe in self._addressing:
            self._rest(pipe)
            return
        self._let_choose(pipe)

    def _follow(self, change: Change) -> tuple[Pipe, ...]:
        """Do what follows from a change of who can be reached; return those that are away now."""
        for pipe in change.back:
            if not self.is_out(pipe):
                self._let_choose(pipe)
        for pipe in change.away:
            self._balance.remove(pipe)
        return change.away

    def _let_choose(self, pipe: Pipe) -> None:
        self._balance.room_opened(pipe)
        if self._senders.waiters:
            self._senders.serve()

    # -- a reply that is still owed --

    def left_unanswered(self, exchange: Exchange, pipe: Pipe) -> None:
        """The peer of this pipe has a plain request, and its reply is not waited for any more."""
        # A REP of libzmq does not answer to a name that it believes to have a connection already.
        known = self._named and self.partner(pipe) is Partner.SETTLED
        if not self.astray and (known or exchange is self.roaming):
            self.astray = True
            self._tell_and_forget_names(pipe)

    def _tell_and_forget_names(self, pipe: Pipe) -> None:
        REPLY_ASTRAY.tell(
            pipe.endpoint,
            "Routers are not told our routing_id any more (correlate=True keeps it)"
            if self._named
            else "requests to services that connect to us carry ids from now on",
        )
        for other in tuple(self._addressing):
            if other is not pipe:
                self.take_name_back(other)

    def take_name_back(self, pipe: Pipe) -> None:
        """End the connection with a Router that was told our name; the next one is told none."""
        self._resting.pop(pipe, None)
        self._busy.add(pipe)
        self._balance.remove(pipe)
        self.redial(pipe)

    def redial(self, pipe: Pipe) -> None:
        """End a connection whose next reply would be a late one, and dial again at once."""
        link = self._ledger.link_of(pipe)
        if link is not None:
            link.redial("its request was abandoned")

    # -- the rest --

    def _look_at_name(self, pipe: Pipe) -> None:
        if pipe.attached and self._partners.get(pipe) is Partner.ADDRESSING:
            self._addressing[pipe] = None
            if self.roaming is not None and pipe not in self._busy:
                self._rest(pipe)
        else:
            self._addressing.pop(pipe, None)
            if pipe in self._resting:
                self._come_back(pipe)

    def _rest(self, pipe: Pipe) -> None:
        self._resting[pipe] = None
        self._balance.remove(pipe)

    def faults(self) -> Iterator[str]:
        """Say what does not agree; the debug mode asks."""
        yield from self._reach.faults()
        if self._busy & (self._resting.keys() | self._owing):
            yield "a pipe is out of the rotation for two reasons"
        for pipe in self._balance.targets():
            if self.is_out(pipe):
                yield f"{pipe!r} may be chosen, though it owes a reply, has to rest, or is away"
        if self._resting and self.roaming is None:
            yield f"{len(self._resting)} pipes rest for nobody"
        if self._resting.keys() - self._addressing:
            yield "a pipe rests whose peer does not know our name"
