"""Req's side of request and reply: which request is out, with whom, and what came of it.

This file is longer than most: the books on exchanges, and every way into them and out of them, are
one idea.

An *exchange* is one request and the reply to it. It belongs to one pipe, is written once, and is
answered by that pipe's peer or by nobody: if the connection ends after the request was wholly
written, the exchange fails with `PeerLost`; before that, the request is still ours and simply
waits for the reconnection, or goes to another peer.

**A reply belongs to one request.** What ties them together is one of two things:

* an id, which the request carries and the reply repeats. Any number of requests can be out at
  once, and a late reply is known as such.
* the connection. Of the *plain* requests, which have no id and are what a REQ of libzmq sends, at
  most one is unanswered on it.

A Rep of ours announces in its handshake that it repeats ids (`PeerProperties.correlates`). Its
first request is plain. Until that is answered, further ones carry ids, even if nobody waits for the
answer any more. A peer that announces nothing gets only plain requests, one at a time. If such a
request is abandoned, its connection is ended: nothing else keeps the late reply from being taken
for the reply to the next request. ``correlate=True`` gives every request an id.

Some partners can answer over another connection than the one that asked, so the connection proves
nothing; `partners` says which they are, and why. Among all of them, at most one has a plain request
(`Turns.roaming`). If that was left without its reply (`Turns.astray`), none of them gets another
one.

A request is written in the form that its peer needs, and so gets its envelope when its pipe is
chosen (`ReqPattern._assign`), and a new one when it changes pipes, or the peer behind it turns out
to be of another kind (`ReqPattern._renew`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import attrs
import trio
from trio.lowlevel import reschedule

from trio_mq._chance import current_chance
from trio_mq._contract import AnyLink, Ending
from trio_mq._message import Frames, Message, size_of, to_message
from trio_mq._options import Options
from trio_mq._patterns.balanced import BalancedPattern
from trio_mq._patterns.exchange import ID_BYTES, Exchange, open_reply, peer_lost, request_expired
from trio_mq._patterns.partners import Partner, partner_of
from trio_mq._patterns.pattern import PROBE
from trio_mq._patterns.turns import Turns
from trio_mq._patterns.unclaimed import Unclaimed
from trio_mq._pipes.item import Item, frames_of, readdressed
from trio_mq._pipes.outbound import SMALL
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason
from trio_mq._waiting import Closed
from trio_mq.zmtp import SocketType

#: Requests of one turn that are worth a system call of their own. If all of a hundred went at its
#: end, the service would rest until then, and we would while it answers all of them.
_ENOUGH: Final = 32

_new: Final = tuple.__new__
#: What stands for a reply that has not three frames, as a plain one with an id has.
_NOT_PLAIN: Final = (b"", b"", b"")
_IDS: Final = 1 << (8 * ID_BYTES)


@attrs.define(eq=False)
class Turn:
    """Where a program is that sends and receives in turns.

    It stands here, and not in the socket, whose attributes are checked as they are set.
    """

    #: The exchange that ``send`` began and ``receive`` will end.
    exchange: Exchange | None = None
    #: A task waits in ``send``.
    sending: bool = False


class ReqPattern(BalancedPattern):
    """Requests go to the peers in turn; replies come from the peer that was asked."""

    socket_type = SocketType.REQ
    plain_queue = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        #: Which pipes may be chosen.
        self.turns = Turns(
            self.balance,
            self.senders,
            self.ledger,
            Partner.NUMBERED if options.correlate else Partner.SETTLED,
            named=bool(options.routing_id),
        )
        #: Some get requests without an id.
        self._asks_plainly = not options.correlate
        # A random start, so that no request of ours has the id of an earlier run's.
        self._next_id = current_chance().getrandbits(8 * ID_BYTES)
        #: How many requests have been put into a pipe, ever.
        self._places = 0
        #: Exchanges that are out: by id, or by pipe where replies carry none.
        self._by_id: dict[bytes, Exchange] = {}
        self._by_pipe: dict[Pipe, Exchange] = {}
        #: How many of the former each pipe has.
        self._load: Counter[Pipe] = Counter()
        #: Exchanges whose request is in the return queue, by the identity of the request.
        self._homeless: dict[int, Exchange] = {}
        self._unclaimed = Unclaimed(self.ledger.budget)
        self.turn = Turn()
        #: Set when the socket is closed.
        self._closed: Closed | None = None

    @property
    def routing_id(self) -> bytes:
        """The name to tell the next peer: none after a reply to it was left outstanding."""
        return b"" if self.turns.astray else self.options.routing_id

    # -- calls --

    def begin(self, frames: Frames, avoid: Collection[Pipe] = ()) -> Exchange:
        """Send a request to the next peer, or raise `trio.WouldBlock`.

        Args:
            frames: The request.
            avoid: Whom to ask only if nobody else can be asked now.
        """
        if self._closed is not None:
            # A call that asks again, or waited, may find that: nobody would end what it began now.
            raise self._closed.error()
        pipe = self.balance.sole
        appends = False
        if pipe is not None:
            waiting = len(pipe.outbound.queue)
            # What is merely appended, as `Outbound.append_small` does, needs no more of a look.
            appends = waiting < pipe.outbound.append_below
            if waiting and not (appends or pipe.outbound.has_room()):
                pipe = None
        if pipe is None:
            pipe = self._choose(avoid)
        partner = self.turns.plain_partner(pipe, self._load) if self._asks_plainly else None
        if partner is None:
            self._next_id = (self._next_id + 1) % _IDS
            request_id = self._next_id.to_bytes(ID_BYTES, "big")
            request: Frames = (request_id, b"", *frames)
        else:
            request_id, request = b"", (b"", *frames)
        size = len(request_id) + (len(frames[0]) if len(frames) == 1 else size_of(frames))
        outbound = pipe.outbound
        # It is noted when it is on its way: where it is appended, or passes the queue, nothing else
        # happens meanwhile, and the peer begins the sooner.
        on_its_way = True
        if appends and size <= SMALL:
            outbound.queue.append(request)
            outbound.size += size
        else:
            on_its_way = outbound.passes(request, size)
        self._places = place = self._places + 1
        exchange = Exchange(request=request, request_id=request_id, pipe=pipe, place=place)
        if partner is None:
            self._by_id[request_id] = exchange
            self._load[pipe] += 1
        else:
            self._enter_plain(exchange, pipe, partner)
        if not on_its_way:
            outbound.put(request)
        if len(outbound.queue) >= _ENOUGH:
            outbound.press()
        return exchange

    def _choose(self, avoid: Collection[Pipe]) -> Pipe:
        balance = self.balance
        if balance.returned:
            raise trio.WouldBlock
        if avoid:
            return balance.choose_other(avoid, self._has_work)
        return balance.choose_idle(self._has_work)

    def claim(self, exchange: Exchange) -> Message:
        """Return the reply, which counts as delivered now, or raise as `Exchange.result`."""
        reply = exchange.result()
        self._unclaimed.let_go(exchange)
        return reply

    def abandon(self, exchange: Exchange) -> None:
        """Nobody wants the reply any more.

        A request that nobody has begun to write is taken back. Otherwise its late reply is
        recognised by its id; or, without ids, the connection is ended and dialled again.
        """
        self._unclaimed.let_go(exchange, DropReason.FILTERED)
        if exchange.is_over():
            return
        pipe = exchange.pipe
        if pipe is None:
            del self._homeless[id(exchange.request)]
            if self.balance.withdraw(exchange.request):
                self.ledger.drains.forgotten(1)
        elif pipe.outbound.take_back(exchange.request) or exchange.request_id:
            self._close(exchange)
        elif self.turns.partner(pipe) is Partner.RETURNING:
            # Its late reply may come over another connection; from now on ids tell it apart.
            self.turns.left_unanswered(exchange, pipe)
            self._close(exchange)
        elif self.turns.partner(pipe) is Partner.CORRELATES:
            # Until that reply has come, requests to it bear ids.
            self._close(exchange, free=False)
        else:
            self.turns.left_unanswered(exchange, pipe)
            self._close(exchange, free=False)
            self.turns.redial(pipe)

    # -- pipes --

    def attach(self, pipe: Pipe) -> None:
        """Make the pipe a target, unless it has to wait until another one has its reply."""
        self._move_requests(self.turns.attach(pipe))
        if not self.turns.is_out(pipe):
            super().attach(pipe)

    def detach(self, pipe: Pipe) -> None:
        """It is a target no longer."""
        self.turns.detach(pipe)
        super().detach(pipe)

    def forget(self, pipe: Pipe) -> None:
        """The pipe is gone for good, and so are requests that were dropped with it."""
        super().forget(pipe)
        for exchange in self._exchanges_of(pipe):
            self._close(exchange, free=False)
        self.turns.forget(pipe)
        self._load.pop(pipe, None)

    def room_opened(self, pipe: Pipe) -> None:
        """It can take messages again, unless it owes a reply."""
        if not self.turns.is_out(pipe):
            super().room_opened(pipe)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:
        """Give what waits the form that this peer needs, and send the probe, if one is wanted."""
        partner = partner_of(link, correlate=self.options.correlate)
        # It may have been told our name while that became unusable.
        doomed = partner is Partner.ADDRESSING and self.turns.astray
        if self.options.probe and not doomed:
            # First of all: from here on, requests of tasks that wait may be written at once.
            pipe.outbound.put_first(PROBE)
        fits = self.turns.meet(pipe, partner)
        if not fits:
            self._renew(self._waiting_in(pipe), pipe, stay=not doomed)
        self._move_requests(self.turns.arrive(pipe))
        if doomed:
            self.turns.take_name_back(pipe)

    def disconnected(self, pipe: Pipe, end: Ending) -> None:
        """Fail the exchanges whose request was wholly written to this connection."""
        self._take_back_abandoned(pipe)
        waiting = set(self._waiting_in(pipe))
        for exchange in self._exchanges_of(pipe):
            if exchange not in waiting:
                if not exchange.request_id:
                    self.turns.left_unanswered(exchange, pipe)
                self._close(exchange)
                exchange.fail(peer_lost(pipe, end))
        self._move_requests(self.turns.leave(pipe, owes=pipe in self._by_pipe))

    def expired(self, pipe: Pipe | None, items: Sequence[Item]) -> None:
        """Fail the exchanges of requests that nobody was asked in time."""
        for request in map(frames_of, items):
            exchange = self._out_as(request, pipe)
            if exchange is not None:
                if exchange.pipe is not None:
                    self._close(exchange)
                self._homeless.pop(id(request), None)
                exchange.fail(request_expired(pipe))

    def _out_as(self, request: Frames, pipe: Pipe | None) -> Exchange | None:
        """Return the exchange whose request waited as these very frames, if it still goes on."""
        if pipe is None:
            return self._homeless.get(id(request))
        exchange = self._by_id.get(request[0]) if request[0] else self._by_pipe.get(pipe)
        return exchange if exchange is not None and exchange.request is request else None

    def reroute(self, pipe: Pipe) -> None:
        """Give requests that were not written to other peers; the end of the link fails others."""
        for exchange in self._waiting_in(pipe):
            self._close(exchange, free=False)
            self._lodge(exchange)
        self.turns.emptied(pipe)
        super().reroute(pipe)

    def take_body(self, pipe: Pipe, body: bytes) -> bool:
        """Take a reply without an id that came alone, if the task that has read it waits for it."""
        exchange = self._by_pipe.get(pipe)
        # If nothing waits, its request was written before.
        if exchange is None or exchange.watched is None or pipe.outbound.queue:
            return False
        del self._by_pipe[pipe]
        self.turns.answered(pipe, exchange)
        exchange.reply, exchange.peer = _new(Message, (body,)), pipe.peer
        pipe.inbound.pass_through(len(body))
        return True

    def deliver(
        self,
        link: AnyLink,  # noqa: ARG002  # its pipe tells the peer
        pipe: Pipe,
        messages: list[Message],
        payload: int,  # noqa: ARG002  # each is counted by itself
    ) -> None:
        """Give each reply to the exchange that it answers; drop what nobody asked for."""
        if len(messages) == 1:
            self._deliver(pipe, messages[0])
            return
        by_id, peer = self._by_id, pipe.peer
        first_unasked = self._first_waiting(pipe)
        passed = size = 0
        try:
            for message in messages:
                # The plain case is done here: a task waits for the reply, which has an id and one
                # frame, and the request was written before any of these replies was read.
                request_id, delimiter, body = message if len(message) == 3 else _NOT_PLAIN
                exchange = by_id.get(request_id)
                if (
                    exchange is None
                    or delimiter
                    or (task := exchange.task) is None
                    or exchange.pipe is not pipe
                    or exchange.place >= first_unasked
                ):
                    self._deliver(pipe, message)
                    continue
                del by_id[request_id]
                # As `Exchange.answer` and `hand_over`.
                exchange.reply, exchange.peer = _new(Message, (body,)), peer
                exchange.task, exchange.given = None, True
                reschedule(task)
                passed += 1
                size += len(body)
        finally:
            if passed:
                self._lighten(pipe, passed)
                pipe.inbound.pass_through(size + passed * ID_BYTES, passed)

    def close(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        super().close(closed)
        self._closed = closed
        out = [*self._by_id.values(), *self._by_pipe.values(), *self._homeless.values()]
        for books in (self._by_id, self._by_pipe, self._homeless, self._load):
            books.clear()
        for exchange in out:
            exchange.fail(closed.error())

    def keeping(self) -> Collection[Pipe]:
        """Return the pipes whose replies nobody has claimed."""
        return self._unclaimed.pipes()

    def forget_kept(self) -> None:
        """Drop the replies that nobody has claimed."""
        assert self._closed is not None  # noqa: S101  # `close` comes first
        self._unclaimed.drop_all(self._closed)

    def faults(self) -> Iterator[str]:
        """Say where the books on exchanges do not agree; the debug mode asks."""
        yield from self.turns.faults()
        for request_id, exchange in self._by_id.items():
            if exchange.request_id != request_id or exchange.request[0] != request_id:
                yield f"{request_id!r} and the request that bears it do not belong together"
        for pipe, exchange in self._by_pipe.items():
            if exchange.pipe is not pipe or exchange.request_id:
                yield f"{pipe!r} and its plain request do not belong together"
            if pipe in self._load and self.turns.is_out(pipe):
                yield f"{pipe!r} has a plain request and others beside it"
        out = [*self._by_id.values(), *self._by_pipe.values()]
        if any(exchange.is_over() or exchange.pipe is None for exchange in out):
            yield "a request is out that has its reply, or no pipe"
        if self._load != Counter(exchange.pipe for exchange in self._by_id.values()):
            yield "the requests of each pipe are not counted right"
        if self._closed is not None and (out or self._homeless):
            yield "a request is out whose socket was closed"
        if any(exchange.pipe is not None for exchange in self._homeless.values()):
            yield "a request waits in the return queue and has a pipe"

    # -- one exchange --

    def _assign(self, exchange: Exchange, body: Frames, pipe: Pipe) -> Frames:
        """Make the request as the peer of this pipe needs it, and note that it owes the reply."""
        partner = self.turns.plain_partner(pipe, self._load)
        if partner is None:
            self._next_id = (self._next_id + 1) % _IDS
            exchange.request_id = request_id = self._next_id.to_bytes(ID_BYTES, "big")
            exchange.request = (request_id, b"", *body)
        else:
            exchange.request_id, exchange.request = b"", (b"", *body)
        self._places = exchange.place = self._places + 1
        exchange.pipe = pipe
        if partner is None:
            self._by_id[exchange.request_id] = exchange
            self._load[pipe] += 1
        else:
            self._enter_plain(exchange, pipe, partner)
        return exchange.request

    def _enter_plain(self, exchange: Exchange, pipe: Pipe, partner: Partner) -> None:
        """Note that the pipe's peer owes the reply to a plain request."""
        assert pipe not in self._by_pipe  # noqa: S101  # a reply belongs to one request
        self._by_pipe[pipe] = exchange
        self.turns.take_out(pipe, exchange, partner)

    def _has_work(self, pipe: Pipe) -> bool:
        return pipe in self._by_pipe or pipe in self._load

    def _move_requests(self, away: tuple[Pipe, ...]) -> None:
        """Give what waits there to others, unless the socket closes and nobody asks any more."""
        if self._closed is None:
            for pipe in away:
                self.reroute(pipe)

    def _give_returned(self, pipe: Pipe, item: Item) -> None:
        """A request that another peer did not get goes to this one, in the form that it needs."""
        super()._give_returned(pipe, self._readdressed(pipe, item))

    def _readdressed(self, pipe: Pipe, item: Item) -> Item:
        exchange = self._homeless.pop(id(frames_of(item)), None)
        if exchange is None:
            return item
        return readdressed(item, self._assign(exchange, exchange.body, pipe))

    def _renew(self, exchanges: list[Exchange], pipe: Pipe, *, stay: bool) -> None:
        """The peer is of another kind than these requests were made for; none is written yet.

        All are taken out before the first is put in again: a plain one may stand behind others.
        """
        bodies = [exchange.body for exchange in exchanges]
        waiting = {id(frames_of(item)): item for item in pipe.outbound.queue}
        items = [waiting[id(exchange.request)] for exchange in exchanges]
        for exchange in exchanges:
            # Tell drains first: otherwise they would take what leaves the pipe for written.
            self.ledger.drains.handed_back(1)
            pipe.outbound.take_back(exchange.request)
            self._close(exchange, free=stay)
        for exchange, body, item in zip(exchanges, bodies, items, strict=True):
            if not stay or self.turns.is_out(pipe):
                self._lodge(exchange)
                self._take_returned([readdressed(item, exchange.request)])
            else:
                request = self._assign(exchange, body, pipe)
                pipe.outbound.put_returned(readdressed(item, request))
                self.ledger.drains.dispatched(pipe)

    def _lodge(self, exchange: Exchange) -> None:
        """The request waits in the return queue."""
        exchange.leave_pipe()
        self._homeless[id(exchange.request)] = exchange

    def _close(self, exchange: Exchange, *, free: bool = True) -> None:
        """The pipe owes no reply any more."""
        pipe = exchange.pipe
        assert pipe is not None  # noqa: S101  # it is out
        if exchange.request_id:
            del self._by_id[exchange.request_id]
            self._lighten(pipe, 1)
            return
        del self._by_pipe[pipe]
        if free:
            self.turns.answered(pipe, exchange)
        else:
            self.turns.stop_roaming(exchange)

    def _lighten(self, pipe: Pipe, count: int) -> None:
        """So many of its requests with ids are out no longer."""
        left = self._load[pipe] - count
        if left:
            self._load[pipe] = left
        else:
            del self._load[pipe]

    def _deliver(self, pipe: Pipe, message: Message) -> None:
        request_id, body = open_reply(message)
        exchange = self._by_id.get(request_id) if request_id else self._by_pipe.get(pipe)
        if exchange is None and not request_id:
            self.turns.came_late(pipe)
        if (
            not body
            or exchange is None
            or exchange.pipe is not pipe
            or (pipe.outbound.queue and exchange.place >= self._first_waiting(pipe))
        ):
            pipe.inbound.discard([message], size_of(message), DropReason.FILTERED)
            return
        assert exchange.request_id == request_id and not exchange.is_over()  # noqa: S101, PT018
        exchange.answer(to_message(body), pipe.peer)
        if exchange.awaited:
            pipe.inbound.pass_through(size_of(message))
            exchange.hand_over()
        else:
            pipe.inbound.count_arrived(1, size_of(message))
            self._unclaimed.keep(exchange)
        self._close(exchange)

    def _take_back_abandoned(self, pipe: Pipe) -> None:
        """Remove requests that were given up while they were being written.

        They must not be written again, to the next peer: nothing would tell their replies.
        """
        wanted = {id(exchange.request) for exchange in self._exchanges_of(pipe)}
        for request in [frames_of(item) for item in pipe.outbound.queue]:
            if id(request) not in wanted and len(request) > 1:
                pipe.outbound.take_back(request)

    def _first_waiting(self, pipe: Pipe) -> int:
        """Return the place of the first request that is not wholly written to the pipe's peer.

        Requests wait in the order of their places, so it tells of all: nothing can be the reply to
        it, or to one that comes later. If none waits, it is the place of the next request.
        """
        for item in pipe.outbound.queue:
            if (first := self._out_as(frames_of(item), pipe)) is not None:
                return first.place
        return self._places + 1

    def _exchanges_of(self, pipe: Pipe) -> list[Exchange]:
        """Return those for which this pipe owes a reply."""
        exchanges = [exchange for exchange in self._by_id.values() if exchange.pipe is pipe]
        if (plain := self._by_pipe.get(pipe)) is not None:
            exchanges.append(plain)
        return exchanges

    def _waiting_in(self, pipe: Pipe) -> list[Exchange]:
        """Return those whose request was not wholly written, in their order."""
        if not pipe.outbound.queue:
            return []
        by_request = {id(exchange.request): exchange for exchange in self._exchanges_of(pipe)}
        requests = [id(frames_of(item)) for item in pipe.outbound.queue]
        return [by_request[request] for request in requests if request in by_request]
