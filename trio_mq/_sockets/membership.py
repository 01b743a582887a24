"""Who is there: the peers and pipes of one socket, what becomes of them, and what is counted.

Links and endpoints report here (`LinkOwner` and its kin), and so do pipes (`PipeOwner`). What it
means for the pattern is passed on to the `Pattern`; what users want to know becomes an event and a
figure.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import trio

from trio_mq._connections.dial import Dial
from trio_mq._connections.link_end import LinkEnd, Refusal
from trio_mq._connections.link_owner import AnyLink
from trio_mq._connections.listen import Bound
from trio_mq._connections.status import EndpointState
from trio_mq._events import (
    Accepted,
    AcceptFailed,
    Connected,
    Disconnected,
    Dropped,
    EventHub,
    HandshakeFailed,
    Listening,
    ListeningStopped,
    Retrying,
    Undelivered,
)
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._outgoing import Item
from trio_mq._peer import Peer
from trio_mq._pipe import Pipe
from trio_mq._sockets.drains import Drains
from trio_mq._sockets.pattern import Contested, Pattern
from trio_mq._statistics import DropReason, SocketStatistics, Tally, Waiting, traffic
from trio_mq._waiting import WaitList
from trio_mq.zmtp import PeerProperties, SocketType

#: Seconds in which the holder of a contested place must give a sign of life.
_SIGN_OF_LIFE: Final = 3.0

_log = logging.getLogger("trio_mq")


class Membership:
    """The peers of one socket.

    Args:
        name: The socket's class, for logs.
        pattern: Decides what to do with the pipes.
        options: Those of the socket.
    """

    def __init__(self, name: str, pattern: Pattern, options: Options) -> None:
        self.hub: EventHub = EventHub()
        self.drains: Drains = Drains()
        #: Tasks that wait for peers or subscribers, each for a condition of its own.
        self.watchers: WaitList[None] = WaitList()
        self.links: dict[Peer, AnyLink] = {}
        self.pipes: dict[Pipe, None] = {}
        self._name = name
        self._pattern = pattern
        self._options = options
        #: Figures of pipes that are gone, and of messages that never had one.
        self._departed = Tally()
        self._handshake_failures: Counter[str] = Counter()
        self._reconnects = 0
        self._quiet_until = -math.inf
        #: Pipes of connected endpoints that have been connected before.
        self._known: set[Pipe] = set()
        pattern.members = self
        # The pattern's own methods: a call less for every batch, of which most hold one message.
        #: Messages were decoded.
        self.deliver: Callable[[AnyLink, Pipe, list[Message], int], None] = pattern.deliver
        #: An empty pipe has messages.
        self.messages_arrived: Callable[[Pipe], None] = pattern.messages_arrived

    # -- what endpoints ask and tell --

    @property
    def socket_type(self) -> SocketType:
        """Ours."""
        return self._pattern.socket_type

    def new_pipe(self, endpoint: str, options: Options) -> Pipe:
        """Return a pipe that is counted but no target yet."""
        pipe = Pipe(self, endpoint, options)
        self.pipes[pipe] = None
        return pipe

    def attach(self, pipe: Pipe) -> None:
        """Let the pattern choose the pipe, unless it may already."""
        if not pipe.attached:
            pipe.attached = True
            self._pattern.attach(pipe)

    def detach(self, pipe: Pipe) -> None:
        """Let the pattern choose it no longer."""
        if pipe.attached:
            pipe.attached = False
            self._pattern.detach(pipe)
            pipe.blocked = False

    def endpoint_removed(self, pipe: Pipe) -> None:
        """A connected endpoint is gone, with its link."""
        self.detach(pipe)
        self._known.discard(pipe)
        self._undelivered(pipe, warn=True)
        self._pattern.give_up(pipe, DropReason.CLOSED)
        self._retire(pipe)

    def listening(self, endpoint: str) -> None:
        """A bound endpoint came."""
        self.hub.emit(Listening(endpoint=endpoint))

    def listening_stopped(self, endpoint: str) -> None:
        """A bound endpoint went."""
        self.hub.emit(ListeningStopped(endpoint=endpoint))

    def accepted(self, bound: Bound, address: str) -> None:
        """Somebody connected to us."""
        self.hub.emit(Accepted(endpoint=bound.endpoint, address=address))

    def accept_failed(self, bound: Bound, error: OSError) -> None:
        """The system has no more connections for us now."""
        _log.warning("%s on %s cannot accept connections: %s", self._name, bound.endpoint, error)
        self.hub.emit(AcceptFailed(endpoint=bound.endpoint, error=error))

    def retrying(self, dial: Dial, delay: float, error: BaseException | None) -> None:
        """A connected endpoint will dial again."""
        if dial.state is EndpointState.FAILED:
            self.unreachable(dial.pipe)
        self.hub.emit(Retrying(endpoint=dial.endpoint, delay=delay, error=error))

    def unreachable(self, pipe: Pipe) -> None:
        """An endpoint failed: what waits there goes to others if the pattern can."""
        if pipe.attached:
            self.detach(pipe)
            self._pattern.give_up_failed(pipe)

    # -- what links ask and tell --

    async def admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer; a contested place goes to the newcomer if its holder is dead."""
        while True:
            try:
                return self._admit(properties, link)
            except Contested as contest:
                await self._settle(contest)

    async def _settle(self, contest: Contested) -> None:
        peer = contest.holder.peer
        holder = self.links.get(peer) if peer is not None else None
        if peer is None or holder is None or await holder.ping_for_life(_SIGN_OF_LIFE):
            raise contest.refusal
        peer.disconnect("silent while a newcomer claimed its place")
        await peer.wait_closed()

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
        if len(self.links) >= link.options.max_peers:
            raise Refusal("max-peers", f"there are {link.options.max_peers} peers already")
        if link.own_pipe is not None:
            self._pattern.admit(link.own_pipe, properties)
            return link.own_pipe
        pipe = Pipe(self, link.endpoint, link.options)
        self._pattern.admit(pipe, properties)
        self.pipes[pipe] = None
        return pipe

    def connected(self, link: AnyLink, peer: Peer) -> None:
        """A handshake is done."""
        pipe = link.pipe
        assert pipe is not None  # noqa: S101  # the link has it from admit()
        self.links[peer] = link
        if link.own_pipe is not None:
            self._reconnects += pipe in self._known
            self._known.add(pipe)
        self._pattern.connected(link, pipe)
        self.attach(pipe)
        self.hub.emit(Connected(peer=peer))
        self.watchers.serve_all()

    def disconnected(self, link: AnyLink, end: LinkEnd) -> None:
        """A connection is over, whether it had its handshake or not."""
        peer, pipe = link.peer, link.pipe
        if peer is None:
            self._handshake_failed(link, end)
        else:
            del self.links[peer]
        if pipe is not None:
            self._pattern.disconnected(pipe, end)
            if link.own_pipe is None:
                self._peer_left(pipe)
            elif link.options.immediate:
                self.detach(pipe)
                self._pattern.give_up_failed(pipe)
        if peer is not None:
            # Last, so that a thousand subscriptions that end with it don't push it out.
            self.hub.emit(Disconnected(peer=peer, reason=end.reason, error=end.error))

    def _handshake_failed(self, link: AnyLink, end: LinkEnd) -> None:
        self._handshake_failures[end.reason] += 1
        self.hub.emit(
            HandshakeFailed(
                endpoint=link.endpoint, address=link.address, reason=end.reason, error=end.error
            )
        )

    def _peer_left(self, pipe: Pipe) -> None:
        self.detach(pipe)
        self._pattern.give_up(pipe, DropReason.PEER_LEFT)
        self._retire(pipe)

    def _retire(self, pipe: Pipe) -> None:
        """Forget a pipe, now or when its last message has been read."""
        if pipe.inbound.count:
            pipe.inbound.retiring = True
        elif pipe in self.pipes:
            del self.pipes[pipe]
            self._departed.add(pipe.figures())
            self._pattern.forget(pipe)

    def readopt(self, pipe: Pipe) -> None:
        """A message goes back into a pipe that was perhaps forgotten because it was the last."""
        if pipe not in self.pipes:
            self._departed.add(pipe.figures(), sign=-1)
            self.pipes[pipe] = None

    def tally_of(self, pipe: Pipe) -> Tally:
        """Return where to count what is not queued in a pipe, which may have gone meanwhile."""
        return pipe.tally if pipe in self.pipes else self._departed

    def subscribe(self, link: AnyLink, topic: bytes) -> None:
        """A peer wants a topic."""
        self._pattern.subscribe(link, link.pipe, topic)  # type: ignore[arg-type]

    def cancel(self, link: AnyLink, topic: bytes) -> None:
        """A peer no longer wants a topic."""
        self._pattern.cancel(link, link.pipe, topic)  # type: ignore[arg-type]

    # -- what pipes tell --

    def room_opened(self, pipe: Pipe) -> None:
        """A full pipe has room."""
        self._pattern.room_opened(pipe)

    def taken_back(self, pipe: Pipe, place: int) -> None:
        """A message was taken back before it was written."""
        self.drains.taken_back(pipe, place)

    def outgoing_finished(self, pipe: Pipe) -> None:  # noqa: ARG002  # which one does not matter
        """Messages have left a pipe."""
        self.drains.look()

    def emptied(self, pipe: Pipe) -> None:
        """The last message of a retiring pipe was taken."""
        self._retire(pipe)

    def dropped(self, pipe: Pipe | None, reason: DropReason, count: int) -> None:
        """Messages went no further."""
        if self.hub:
            peer = pipe.peer if pipe is not None else None
            self.hub.emit(Dropped(peer=peer, reason=reason, count=count))

    def drop_unqueued(self, reason: DropReason, count: int = 1) -> None:
        """Count messages that were accepted and never had a pipe to wait in."""
        self._departed.accepted += count
        self._departed.drop_out(reason, count)
        self.dropped(None, reason, count)

    def log_drop(self, why: str, *args: object) -> None:
        """Log that messages are being dropped; at most a line a second, the statistics have all."""
        now = trio.current_time()
        if now >= self._quiet_until:
            self._quiet_until = now + 1.0
            _log.warning(f"{self._name} dropped a message: {why}", *args)

    def dispatched(self, pipe: Pipe, item: Item) -> None:
        """A message left the return queue for a pipe."""
        self.drains.dispatched(pipe)
        self._pattern.redirected(pipe, item)

    # -- what users ask --

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that only peers and subscriptions can change."""

        def check() -> None:
            if not condition():
                raise trio.WouldBlock

        await trio.lowlevel.checkpoint_if_cancelled()
        if condition():
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            await self.watchers.wait(check)

    async def drain(self) -> None:
        """Wait until what was accepted so far was written or dropped."""
        for pipe in self.pipes:
            pipe.settle()
        await self.drains.wait(self.pipes, self._pattern.returned)

    def peers(self) -> tuple[Peer, ...]:
        """Return the handshaken peers."""
        return tuple(self.links)

    def waiting(self) -> Waiting:
        """Return what waits, everywhere."""
        total = self._pattern.waiting()
        for pipe in self.pipes:
            total = total + pipe.waiting()
        return total

    @trio.lowlevel.enable_ki_protection
    def statistics(self) -> SocketStatistics:
        """Return the figures of this moment."""
        total = self._departed.copy()
        for pipe in self.pipes:
            total.add(pipe.figures())
        total.accepted += self._pattern.waiting().out
        return SocketStatistics(
            **traffic(total, self.waiting()),
            peers=tuple(peer.statistics() for peer in self.links),
            reconnects=self._reconnects,
            handshake_failures=MappingProxyType(dict(self._handshake_failures)),
            tasks_waiting_send=len(self._pattern.senders),
            tasks_waiting_receive=self._pattern.tasks_receiving,
        )

    # -- the end --

    def refuse_calls(self, make_error: Callable[[], BaseException]) -> None:
        """Let every waiting task raise."""
        self.watchers.fail(make_error)
        self.drains.fail(make_error)
        self._pattern.close(make_error)

    def close(self, *, warn: bool) -> None:
        """Everything has ended: drop what is left, and say so."""
        left = self._pattern.forget_returned()
        if left:
            self.drop_unqueued(DropReason.CLOSED, left)
            self.drains.forgotten(left)
        unread = self._pattern.forget_unread()
        if unread:
            self._departed.drop_in(DropReason.CLOSED, unread)
        for pipe in tuple(self.pipes):
            self._undelivered(pipe, warn=warn)
            pipe.drop_outgoing(DropReason.CLOSED)
            pipe.inbound.drop_all(DropReason.CLOSED)
        self.hub.end()

    def _undelivered(self, pipe: Pipe, *, warn: bool) -> None:
        """Tell of messages that were still waiting when their way out had to close."""
        left = len(pipe.outgoing)
        if left:
            _log.log(
                logging.WARNING if warn else logging.DEBUG,
                "%s closed with %d message%s undelivered to %s",
                self._name,
                left,
                "" if left == 1 else "s",
                pipe.endpoint,
            )
            self.hub.emit(Undelivered(endpoint=pipe.endpoint, count=left))
