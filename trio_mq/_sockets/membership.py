"""Who is there: the peers and pipes of one socket, what becomes of them, and what is counted.

Links and endpoints report here (`SocketSide`). What it means for the pattern is passed on to the
`Pattern`, to which pipes report themselves; what users want to know becomes an event and a figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import MappingProxyType

import trio

from trio_mq import _debug as debug
from trio_mq._contract import AnyLink, Ending, Refusal
from trio_mq._events import (
    Accepted,
    AcceptFailed,
    Connected,
    HandshakeFailed,
    Listening,
    ListeningStopped,
    Retrying,
)
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._patterns.pattern import Contested, Pattern
from trio_mq._peer import Peer, mark_closed
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._sockets.contests import Contests
from trio_mq._sockets.figures import traffic_of
from trio_mq._statistics import EachPeer, SocketStatistics
from trio_mq._tally import DropReason
from trio_mq.zmtp import Event, PeerProperties, SocketType


class Membership:
    """The peers of one socket.

    Args:
        pattern: Decides what to do with the pipes.
        options: Those of the socket.
    """

    def __init__(self, pattern: Pattern, options: Options) -> None:
        self.ledger = ledger = pattern.ledger
        self.hub, self.drains, self.watchers = ledger.hub, ledger.drains, ledger.watchers
        self.links, self.pipes = ledger.links, ledger.pipes
        self.budget = ledger.budget
        self._pattern = pattern
        self._options = options
        self._handshake_failures: Counter[str] = Counter()
        self._disconnects: Counter[str] = Counter()
        self._reconnects = 0
        #: Connections that have a place: those with a handshake, and those about to end theirs.
        self._admitted: set[AnyLink] = set()
        #: The peers of this moment, once somebody has asked.
        self._peers: tuple[Peer, ...] | None = None
        #: How many of them came through each endpoint.
        self._present: Counter[str] = Counter()
        #: Pipes of connected endpoints that have been connected before.
        self._known: set[Pipe] = set()
        #: The socket is closing: what a peer did not get is dropped, and this is told in the log.
        self._closing = False
        self._warn = False
        #: What is being found out about the holders of places that newcomers claim.
        self._contests = Contests(self.links)

    # -- what endpoints ask and tell --

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

    def new_pipe(self, endpoint: str, options: Options) -> Pipe:
        """Return a pipe that is counted but no target yet."""
        pipe = Pipe(self._pattern, endpoint, options)
        self.pipes[pipe] = None
        return pipe

    def queued(self, endpoint: str) -> int:
        """Return how many messages wait to be written to the peers of an endpoint."""
        return sum(
            len(pipe.outbound.queue) for pipe in self.ledger.busy if pipe.endpoint == endpoint
        )

    def present(self, endpoint: str) -> int:
        """Return how many peers of an endpoint are there."""
        return self._present[endpoint]

    def attach(self, pipe: Pipe) -> None:
        """Let the pattern choose the pipe, unless it may already, or never more."""
        if not (pipe.attached or pipe.leaving):
            pipe.attached = True
            self._pattern.attach(pipe)

    def detach(self, pipe: Pipe) -> None:
        """Let the pattern choose it no longer."""
        if pipe.attached:
            pipe.attached = False
            self._pattern.detach(pipe)
            pipe.outbound.unblock()

    def leaving(self, pipe: Pipe) -> None:
        """A connected endpoint goes; it may connect once more to write what waits, and no more."""
        pipe.leaving = True
        self.detach(pipe)

    def endpoint_removed(self, pipe: Pipe) -> None:
        """A connected endpoint is gone, with its link."""
        if pipe.hold is Hold.RETIRED:
            return
        self.detach(pipe)
        self._known.discard(pipe)
        self.ledger.teller.forget(pipe.endpoint)
        self.ledger.undelivered(pipe, warn=self._warn or not self._closing)
        self._give_up(pipe, DropReason.CLOSED)
        self._retire(pipe)

    def listening(self, endpoint: str) -> None:
        """A bound endpoint came."""
        self.hub.emit(Listening(endpoint=endpoint))

    def listening_stopped(self, endpoint: str) -> None:
        """A bound endpoint went."""
        self.hub.emit(ListeningStopped(endpoint=endpoint))

    def accepted(self, endpoint: str, address: str) -> None:
        """Somebody connected to us."""
        self.hub.emit(Accepted(endpoint=endpoint, address=address))

    def accept_failed(self, endpoint: str, error: Exception, *, broken: bool) -> None:
        """The system has no more connections for us now; or a listener is broken, for good."""
        self.hub.emit(AcceptFailed(endpoint=endpoint, error=error, broken=broken))

    def retrying(self, endpoint: str, delay: float, error: BaseException | None) -> None:
        """A connected endpoint will dial again."""
        self.hub.emit(Retrying(endpoint=endpoint, delay=delay, error=error))

    def unreachable(self, pipe: Pipe) -> None:
        """An endpoint failed: what waits there goes to others if the pattern can."""
        if pipe.attached:
            self.detach(pipe)
            self._reroute(pipe)

    # -- what links ask and tell --

    async def admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer; a contested place goes to the newcomer if its holder is dead."""
        while True:
            try:
                return self._admit(properties, link)
            except Contested as contest:
                await self._contests.settle(contest)

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
        self.pipes[pipe] = None
        return pipe

    def connected(self, link: AnyLink, peer: Peer) -> None:
        """A handshake is done."""
        pipe = link.pipe
        assert pipe is not None  # noqa: S101  # the link has it from admit()
        self.links[peer] = link
        self._present[peer.endpoint] += 1
        self._peers = None
        if link.own_pipe is not None:
            self._reconnects += pipe in self._known
            self._known.add(pipe)
        self._pattern.connected(link, pipe)
        self.attach(pipe)
        self.hub.emit(Connected(peer=peer, dialled=link.own_pipe is not None))
        self.watchers.look()

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
                self._peer_left(pipe, peer)
            else:
                self._lost_by(pipe, immediate=link.options.immediate)
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

    def _peer_left(self, pipe: Pipe, peer: Peer | None) -> None:
        self.detach(pipe)
        self._give_up_undelivered(pipe)
        if peer is not None:
            # Now its figures say what became of every message for it, and are its own.
            mark_closed(peer)
        self._retire(pipe)

    def _lost_by(self, pipe: Pipe, *, immediate: bool) -> None:
        """A connected endpoint has lost its connection, and will have another."""
        if self._pattern.per_connection:
            self._give_up_undelivered(pipe)
        if immediate:
            self.detach(pipe)
            self._reroute(pipe)

    def _give_up_undelivered(self, pipe: Pipe) -> None:
        """Nobody comes for what was for this connection; tell of it if that is our own doing."""
        if self._closing or pipe.leaving:
            self.ledger.undelivered(pipe, warn=self._warn or not self._closing)
            self._give_up(pipe, DropReason.CLOSED)
        else:
            self._give_up(pipe, DropReason.PEER_LEFT)

    def _give_up(self, pipe: Pipe, reason: DropReason) -> None:
        """Nobody comes for what waits in the pipe: others get it, or it is dropped."""
        if self._closing:
            pipe.outbound.drop_all(reason)
        else:
            self._pattern.give_up(pipe, reason)

    def _reroute(self, pipe: Pipe) -> None:
        """Let others get what waits in the pipe, if there will be any."""
        if not self._closing:
            self._pattern.reroute(pipe)

    def _retire(self, pipe: Pipe) -> None:
        """Nothing goes out through the pipe any more; what came in can still be read."""
        pipe.retire()
        self._pattern.emptied(pipe)

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Messages were decoded."""
        self._pattern.deliver(link, pipe, messages, payload)

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

    def refuse_calls(self, make_error: Callable[[], BaseException]) -> None:
        """Let every waiting task raise."""
        self.watchers.fail(make_error)
        self.drains.fail(make_error)
        self._pattern.close(make_error)

    def begin_to_close(self, *, warn: bool) -> None:
        """The socket closes: what a peer does not get from its link any more is dropped.

        Args:
            warn: Tell in the log how much that is.
        """
        self._closing, self._warn = True, warn

    def close(self) -> None:
        """Every link and endpoint has ended: drop what is left, say so, and close the books."""
        # Also if a bug or Ctrl-C has ended the tasks before: nobody is left to give messages to.
        self._closing = True
        left = self._pattern.forget_returned()
        if left:
            self.ledger.drop_unqueued(DropReason.CLOSED, left)
            self.drains.forgotten(left)
        self._pattern.forget_kept()
        for pipe in tuple(self.pipes):
            pipe.inbound.drop_all(DropReason.CLOSED)
            pipe.inbound.end_tail()
            if pipe.hold is Hold.RETIRED:
                self._pattern.emptied(pipe)
            else:
                self.endpoint_removed(pipe)
        self.ledger.drop_log.tell()
        self.hub.end()
        debug.dismiss(self._pattern)
