"""Who is there: the peers of one socket, what becomes of them, and what is counted.

Links and endpoints report here (`SocketSide`). What it means for the pattern is passed on to the
`Pattern`, to which pipes report themselves; what becomes of their pipes is decided in `Pipes`; and
what users want to know becomes an event and a figure.
"""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

import trio

from trio_mq import _debug as debug
from trio_mq._contract import AnyLink, Deliver, Ending, Refusal
from trio_mq._events import (
    Connected,
    HandshakeFailed,
)
from trio_mq._options import Options
from trio_mq._patterns.pattern import Contested, Pattern
from trio_mq._peer import Peer, mark_closed
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._sockets.contests import Contests
from trio_mq._sockets.figures import traffic_of
from trio_mq._sockets.pipes import Pipes
from trio_mq._statistics import EachPeer, SocketStatistics
from trio_mq._tally import DropReason
from trio_mq._waiting import Closed
from trio_mq.zmtp import Event, PeerProperties, SocketType


class Membership:
    """The peers of one socket.

    Args:
        pattern: Decides what to do with the pipes.
        options: Those of the socket.
    """

    def __init__(self, pattern: Pattern, options: Options) -> None:
        self.ledger = ledger = pattern.ledger
        self.hub, self.drains, self.conditions = ledger.hub, ledger.drains, ledger.conditions
        self.links = ledger.links
        #: The pipes, and what becomes of them.
        self.pipes: Pipes = Pipes(pattern)
        self.budget = ledger.budget
        #: Takes the messages that arrive: one object for all links.
        self.deliver: Deliver = pattern.deliver
        self._pattern = pattern
        self._options = options
        self._handshake_failures: Counter[str] = Counter()
        self._disconnects: Counter[str] = Counter()
        self._reconnects = 0
        #: Connections that have a place: those that are past their handshake, and those about to
        #: finish it.
        self._admitted: set[AnyLink] = set()
        #: The present peers, kept from the last time that somebody asked; ``None``: they have
        #: changed since.
        self._peers: tuple[Peer, ...] | None = None
        #: How many of them came through each endpoint.
        self._present: Counter[str] = Counter()
        #: What is being found out about the holders of places that newcomers claim.
        self._contests = Contests(self.links)

    # -- what endpoints and links ask --

    @property
    def socket_type(self) -> SocketType:
        """Ours."""
        return self._pattern.socket_type

    @property
    def routing_id(self) -> bytes:
        """The name under which the next connection introduces us."""
        return self._pattern.routing_id

    @property
    def correlates(self) -> bool:
        """Our replies repeat the ids of their requests."""
        return self._pattern.correlates

    def queued(self, endpoint: str) -> int:
        """Return how many messages wait to be written to the peers of an endpoint."""
        return sum(
            len(pipe.outbound.queue) for pipe in self.ledger.busy if pipe.endpoint == endpoint
        )

    def present(self, endpoint: str) -> int:
        """Return how many peers of an endpoint are there."""
        return self._present[endpoint]

    # -- the life of a peer --

    async def admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer; a contested place goes to the newcomer if its holder is dead."""
        while True:
            try:
                return self._admit(properties, link)
            except Contested as contest:
                await self._contests.decide(contest)

    def admit_now(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer at once; the holder of a contested place keeps it.

        Raises:
            Refusal: It is not wanted.
        """
        try:
            return self._admit(properties, link)
        except Contested as contest:
            raise contest.refusal from None

    def _admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        limit = link.options.max_peers
        if len(self._admitted) >= limit:
            raise Refusal("max-peers", f"there are max_peers={limit} peers already")
        if link.own_pipe is not None:
            if link.own_pipe.hold is Hold.RETIRED:
                raise Refusal("closed", f"{link.endpoint} was disconnected meanwhile")
            pipe = link.own_pipe
        else:
            pipe = Pipe(self._pattern, link.endpoint, link.options)
        self._pattern.admit(pipe, properties)
        self._admitted.add(link)
        self.ledger.pipes[pipe] = None
        return pipe

    def connected(self, link: AnyLink, peer: Peer) -> None:
        """A handshake is done."""
        pipe = link.pipe
        assert pipe is not None  # noqa: S101  # the link has it from admit()
        self.links[peer] = link
        self._present[peer.endpoint] += 1
        self._peers = None
        self._reconnects += pipe.loans > 1
        self._pattern.connected(link, pipe)
        self.pipes.attach(pipe)
        self.hub.emit(Connected(peer=peer, dialled=link.own_pipe is not None))
        self.conditions.look()

    def disconnected(self, link: AnyLink, ending: Ending) -> None:
        """A connection is over, whether it had its handshake or not."""
        peer, pipe = link.peer, link.pipe
        self._admitted.discard(link)
        if peer is None:
            self._handshake_failed(link, ending)
        else:
            del self.links[peer]
            self._present[peer.endpoint] -= 1
            self._peers = None
        if pipe is not None:
            if peer is not None and ending.too_large:
                pipe.inbound.refuse(DropReason.TOO_LARGE)
            self._pattern.disconnected(pipe, ending)
            if link.own_pipe is None:
                self.pipes.peer_left(pipe, peer)
            else:
                self.pipes.lost(pipe, immediate=link.options.immediate)
        if peer is not None:
            mark_closed(peer)
            self._disconnects[ending.reason] += 1
            self.hub.emit(ending.event(peer))

    def _handshake_failed(self, link: AnyLink, ending: Ending) -> None:
        self._handshake_failures[ending.reason] += 1
        self.hub.emit(
            HandshakeFailed(
                endpoint=link.endpoint,
                address=link.address,
                reason=ending.reason,
                error=ending.error,
            )
        )

    def peer_said(self, link: AnyLink, event: Event) -> None:
        """A peer sent a command that concerns the pattern.

        While its endpoint is being disconnected, nothing that it asks for will be done.
        """
        assert link.pipe is not None  # noqa: S101  # the handshake is done
        if link.pipe.attached:
            self._pattern.peer_said(link, link.pipe, event)

    # -- what users ask --

    async def drain(self) -> None:
        """Wait until what was accepted so far was written or dropped."""
        await self.drains.wait(self.ledger.sending(), self._pattern.returned)

    def peers(self) -> tuple[Peer, ...]:
        """Return the handshaken peers."""
        if self._peers is None:
            self._peers = tuple(self.links)
        return self._peers

    @trio.lowlevel.enable_ki_protection
    def statistics(self) -> SocketStatistics:
        """Return the figures of this moment."""
        return SocketStatistics(
            **traffic_of(self._pattern),
            peers=EachPeer(self.peers()),
            reconnects=self._reconnects,
            handshake_failures=MappingProxyType(dict(self._handshake_failures)),
            disconnects=MappingProxyType(dict(self._disconnects)),
            tasks_waiting_send=self._pattern.tasks_sending,
            tasks_waiting_receive=self._pattern.tasks_receiving,
            receive_budget_used=self.budget.used,
            reading_stopped=self.budget.closed,
        )

    # -- the end --

    def refuse_calls(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        self.conditions.fail(closed)
        self.drains.fail(closed)
        self._pattern.close(closed)

    def close(self) -> None:
        """Every link and endpoint has ended: drop what is left, say so, and close the books."""
        self.pipes.close()
        self.ledger.drop_log.tell()
        self.hub.end()
        debug.dismiss(self._pattern)
