"""Router: to the peer that is named, and with the name of whoever sent it (RFC 28)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

import trio

from trio_mq._chance import current_chance
from trio_mq._contract import AnyLink, Ending, Refusal
from trio_mq._errors import Unroutable
from trio_mq._message import Frames, Message, to_message
from trio_mq._options import Options
from trio_mq._patterns.addressing import AddressingPattern
from trio_mq._patterns.pattern import PROBE, Contested, greet
from trio_mq._patterns.service import ServicePattern
from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.last_requester import split_envelope
from trio_mq._strategies.routing_table import RoutingTable
from trio_mq._tally import DropReason
from trio_mq._waiting import Closed, WaitList
from trio_mq.zmtp import PeerProperties, SocketType

if TYPE_CHECKING:
    from trio_mq._peer import Peer


#: To look up a name of an enumeration takes as long as to compare it with three others.
_LENT: Final = Hold.LENT


class RouterPattern(ServicePattern, AddressingPattern):
    """The first frame names the peer, in both directions."""

    socket_type = SocketType.ROUTER
    plain_queue = False
    may_drop = True
    no_request = DropReason.FILTERED  # a probe: it has done its work

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # A random start, so that an id from an earlier run names nobody now.
        self._table = RoutingTable(current_chance().getrandbits(32))
        #: For each pipe, the line of sends that wait for room in it (``on_full="block"``).
        self._blocked: dict[Pipe, WaitList[None]] = {}
        #: Names that were handed over, by the pipes that had them and whose connections are about
        #: to end.
        self._handed_over: dict[Pipe, bytes] = {}
        #: What is received in the name of a peer that is gone, and the pipes of the peers that this
        #: is for.
        self._last_word = options.disconnect_message
        self._accepted: set[Pipe] = set()
        self._closed = False

    # -- pipes come and go --

    def admit(self, pipe: Pipe, properties: PeerProperties) -> None:
        """Give the peer its routing id: ours for its endpoint, its own, or an invented one.

        What waits for the program that was at this endpoint before is not for the next one.
        """
        routing_id = pipe.given_id or properties.routing_id
        holder = self._table.find(routing_id) if routing_id else None
        if holder is pipe:
            holder = None
        if holder is not None and not self.options.handover:
            text = f"another peer has the routing id {routing_id!r}: give each its own, or handover"
            raise Contested(holder, Refusal("routing-id-in-use", text))
        if pipe.routing_id and pipe.routing_id != routing_id:
            self._forget_name(pipe, DropReason.UNROUTABLE)
        self._table.add(pipe, routing_id)
        if holder is not None:
            self._hand_over(holder)

    def _hand_over(self, holder: Pipe) -> None:
        """Another pipe has the name now: what waits for this one is for nobody else."""
        self._handed_over[holder] = holder.routing_id
        holder.take_name(b"")
        if holder.hold is Hold.LENT and holder.peer is not None:
            holder.peer.disconnect("its routing id was handed over")
        else:
            self._forget_name(holder, DropReason.PEER_LEFT)

    def attach(self, pipe: Pipe) -> None:
        """Make a connected endpoint that was given a name reachable under it."""
        if pipe.routing_id and self._table.find(pipe.routing_id) is None:
            self._table.add(pipe, pipe.routing_id)

    def detach(self, pipe: Pipe) -> None:
        """Make the name unreachable."""
        self._table.remove(pipe)
        self._serve_blocked(pipe)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:
        """Send the hello message or the probe, if one is wanted."""
        greet(pipe, self.options)
        if link.own_pipe is None and self._last_word is not None:
            self._accepted.add(pipe)

    def disconnected(self, pipe: Pipe, end: Ending) -> None:
        """Forget an invented name, which nobody will claim, and that of a failed handshake."""
        if end.established is None and not pipe.attached:
            self._table.remove(pipe)
        elif not pipe.routing_id or self._table.invented(pipe.routing_id):
            self._forget_name(pipe, DropReason.PEER_LEFT)
        super().disconnected(pipe, end)
        if pipe in self._accepted:
            self._accepted.discard(pipe)
            self._say_that_it_left(pipe)
        # A task that waits to send by name goes on; one that waits for this connection gets an
        # error.
        self._serve_all_blocked(pipe)

    def _say_that_it_left(self, pipe: Pipe) -> None:
        """Let the peer say a last word, which we were told for it."""
        assert self._last_word is not None and pipe.peer is not None  # noqa: S101, PT018  # it was noted
        if not self._closed:
            pipe.inbound.deliver_last(pipe.peer, self._last_word)

    def _forget_name(self, pipe: Pipe, reason: DropReason) -> None:
        """The peer that had this name is gone for good, and so is what waits for it."""
        self._table.remove(pipe)
        pipe.take_name(b"")
        pipe.outbound.drop_all(reason)
        self._serve_all_blocked(pipe)

    def _serve_all_blocked(self, pipe: Pipe) -> None:
        """Its connection has ended: tasks that still wait do so for another pipe of that name."""
        name = self._handed_over.pop(pipe, b"")
        line = self._blocked.get(pipe)
        if line is not None:
            line.serve_all()
            heir = self._table.find(name)
            if heir is not None:
                line.move_to(self._line_of(heir))

    def room_opened(self, pipe: Pipe) -> None:
        """Complete the sends that wait for this peer."""
        self._serve_blocked(pipe)

    def _serve_blocked(self, pipe: Pipe) -> None:
        line = self._blocked.get(pipe)
        if line is not None:
            line.serve()

    def forget(self, pipe: Pipe) -> None:
        """The pipe is gone, and the sends that waited for it know that."""
        super().forget(pipe)
        self._blocked.pop(pipe, None)

    def faults(self) -> Iterator[str]:
        """Say which names are not those of pipes that are here."""
        yield from super().faults()
        yield from self._table.faults()

    # -- calls --

    def take(self) -> Message:
        """Return the next message, with the name in front that its sender had when it sent it.

        Its pipe may have no name by now, or another one.
        """
        queue = self.queue
        message = queue.take()
        sender = queue.source
        assert sender is not None  # noqa: S101  # a message has one
        return tuple.__new__(Message, (sender.routing_id, *message))

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again, without its routing id."""
        super().put_back(to_message(message[1:]))

    def send(self, frames: Frames) -> None:
        """Queue it for the peer that it names; never waits but for ``on_full="block"``."""
        if len(frames) < 2:
            raise ValueError(
                "a Router sends a routing id and at least one frame more: [routing_id, body]"
            )
        if self._blocked and self.waiters_for(frames).waiters:
            raise trio.WouldBlock
        self.send_in_turn(frames)

    def send_in_turn(self, frames: Frames) -> None:
        """Queue it for the peer that it names."""
        pipe = self._table.find(frames[0])
        if pipe is None:
            self._unroutable(frames[0])
        else:
            self._put(pipe, frames[1:], mandatory=self.options.mandatory)

    def send_easy(self, batch: Sequence[bytes | Frames], start: int) -> int:
        """Queue messages while each has a peer with room; what is for one peer goes together.

        It goes when the turn ends, since a write for each would cost more than all the rest.
        """
        count = 0
        if not self._blocked:
            find = self._table.find
            for frames in islice(batch, start, None):
                pipe = None if isinstance(frames, bytes) or len(frames) < 2 else find(frames[0])
                if pipe is None or not pipe.outbound.has_room():
                    break
                pipe.outbound.gather()
                pipe.outbound.put(cast("Frames", frames[1:]))
                count += 1
        return count

    def lacking_room(self, frames: Frames) -> Collection[Pipe]:
        """Return the pipe of the peer that it names, if that has no room."""
        pipe = self._table.find(frames[0])
        return () if pipe is None or pipe.outbound.has_room() else (pipe,)

    def knows(self, routing_id: bytes) -> bool:
        """Tell whether a peer has that routing id."""
        return self._table.find(routing_id) is not None

    def waiters_for(self, frames: Frames) -> WaitList[None]:
        """Return the line of this message's peer: a slow one holds up only the sends to it."""
        return self._line_of(self._table.find(frames[0]))

    def _line_of(self, pipe: Pipe | None) -> WaitList[None]:
        if pipe is None or self.options.on_full != "block":
            return self.senders
        return self._blocked.setdefault(pipe, WaitList())

    def _unroutable(self, routing_id: bytes) -> None:
        if self.options.mandatory:
            raise Unroutable(routing_id, "no peer has that routing id")
        self.ledger.drop_unqueued(DropReason.UNROUTABLE, whose=routing_id)

    def _put(self, pipe: Pipe, frames: Frames, *, mandatory: bool, tied: bool = False) -> None:
        """Queue it if there is room, and otherwise do what ``on_full`` says.

        Args:
            pipe: Where.
            frames: Without a name.
            mandatory: Raise rather than drop it.
            tied: It is for the present connection, and not for whoever has the name later.
        """
        if pipe.outbound.has_room() or self._makes_room(pipe):
            if tied:
                pipe.outbound.put_for_this_connection(frames)
            else:
                pipe.outbound.put(frames)
            return
        on_full = self.options.on_full
        if mandatory and on_full == "drop_newest":
            raise Unroutable(pipe.routing_id, "its queue is full")
        pipe.outbound.refuse(DropReason.HIGH_WATER_MARK)
        if on_full == "disconnect" and pipe.peer is not None:
            pipe.peer.disconnect("its queue is full and on_full='disconnect'")

    def _makes_room(self, pipe: Pipe) -> bool:
        """Drop the oldest if ``on_full`` says so, or raise `trio.WouldBlock` if it says that."""
        outbound, on_full = pipe.outbound, self.options.on_full
        if on_full == "block":
            outbound.block()
            raise trio.WouldBlock
        while on_full == "drop_oldest" and outbound.drop_oldest():
            if outbound.has_room():
                return True
        return False

    # -- to a connection, not to a name --

    def pipe_to(self, peer: Peer) -> Pipe | None:
        """Return where a message for that connection goes, if one may still be sent there."""
        pipe = super().pipe_to(peer)
        there = pipe is not None and pipe.attached and pipe.hold is Hold.LENT
        return pipe if there else None

    def line_to(self, peer: Peer) -> WaitList[None]:
        """Return the line in which messages to that connection wait for room."""
        return self._line_of(self.pipe_to(peer))

    def put_for(self, pipe: Pipe, frames: Frames, *, tied: bool) -> None:
        """Queue it if there is room, and do otherwise what ``on_full`` says."""
        self._put(pipe, frames, mandatory=self.options.mandatory, tied=tied)

    # -- requests --

    def split(self, message: Message) -> tuple[Frames, Message] | None:
        """Take off the envelope, if there is one; a probe is no request.

        What a Dealer sends without an empty frame, or with nothing behind it, is a body as it is.
        """
        if len(message) == 1 and message[0]:
            return (), message
        opened = split_envelope(message)
        return opened if opened is not None or message == PROBE else ((), message)

    def give(self, peer: Peer, frames: Frames) -> None:
        """Queue a reply, in turn."""
        # The plain case first: there is room, nobody waits for any, and the client has dialled us.
        link = self.ledger.links.get(peer)
        pipe = link.pipe if link is not None and link.own_pipe is None else None
        if pipe is not None and pipe.attached and not self._blocked:
            outbound = pipe.outbound
            if outbound.hold is _LENT and outbound.has_room():
                if pipe.inbound.batch:
                    outbound.gather()
                outbound.put(frames)
                return
        if self._blocked and self.line_to(peer).waiters:
            raise trio.WouldBlock
        self.give_in_turn(peer, frames)

    def give_in_turn(self, peer: Peer, frames: Frames) -> None:
        """Queue a reply; a mandatory Router does not raise if the peer has left or reads little."""
        pipe = self.pipe_to(peer)
        if pipe is None:
            self.ledger.drop_unqueued(DropReason.UNROUTABLE, peer=peer)
        else:
            if pipe.inbound.batch:
                pipe.outbound.gather()
            tied = self.ledger.links[peer].own_pipe is not None
            self._put(pipe, frames, mandatory=False, tied=tied)

    @property
    def tasks_sending(self) -> int:
        """Tasks that wait in ``send``, in any line."""
        return super().tasks_sending + sum(map(len, self._blocked.values()))

    def close(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        super().close(closed)
        self._closed = True
        for line in self._blocked.values():
            line.fail(closed)
