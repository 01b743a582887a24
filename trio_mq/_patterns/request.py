"""Req's side of request and reply: which request is out, with whom, and what came of it.

An *exchange* is one request and the reply to it. It belongs to one pipe, is written once, and is
answered by that pipe's peer or by nobody: if the connection ends after the request was wholly
written, the exchange fails with `PeerLost`; before that, the request is still ours and simply
waits for the reconnection, or goes to another peer.

Without ``correlate`` a reply carries nothing that says which request it answers, so a peer has at
most one exchange at a time, and an abandoned one costs the connection: that is the only way to be
sure that its late reply is not taken for the next one's. With ``correlate`` each request carries
an id that the reply repeats, so any number can be out at once, and late replies are recognised.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from typing import Final

import attrs
import outcome
import trio

from trio_mq._contract import AnyLink, Ending
from trio_mq._errors import PeerLost, ProtocolFault, RemoteProtocolError
from trio_mq._message import Frames, Message, size_of, to_message
from trio_mq._options import Options
from trio_mq._patterns.balanced import BalancedPattern
from trio_mq._peer import Peer
from trio_mq._pipes.item import Item, frames_of
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import Watched
from trio_mq._tally import DropReason, Waiting
from trio_mq.zmtp import SocketType

#: libzmq's REQ_CORRELATE uses four bytes too.
_ID_BYTES: Final = 4
_IDS: Final = 1 << (8 * _ID_BYTES)


@attrs.define(eq=False)
class Exchange:
    """One request, and what came of it."""

    #: As it is sent, in its envelope: the very tuple, by which it is found in a queue.
    request: Frames
    request_id: bytes
    pipe: Pipe | None
    reply: Message | None = None
    #: Who sent the reply.
    peer: Peer | None = None
    error: BaseException | None = None
    #: The task that waits for the reply.
    task: trio.lowlevel.Task | None = None
    #: Where a task waits for the reply by watching the connection.
    watched: Watched | None = None

    def is_over(self) -> bool:
        """Tell whether there is a reply, or an error in its place."""
        return self.reply is not None or self.error is not None

    @property
    def awaited(self) -> bool:
        """A task waits for the reply."""
        return self.task is not None or self.watched is not None

    def result(self) -> Message:
        """Return the reply, raise why there will be none, or raise `trio.WouldBlock`."""
        if self.error is not None:
            raise self.error
        if self.reply is None:
            raise trio.WouldBlock
        return self.reply

    async def watch(self) -> None:
        """Wait for the reply at the connection that will bring it, if that is possible now.

        Returns when it is over, or when the way is to `wait`. Cancelled: nothing was handed over.
        """
        watched = self.pipe.watched if self.pipe is not None else None
        if watched is None or not watched.vacant:
            return
        self.watched = watched
        try:
            await watched.stand_in(self.is_over)
        finally:
            self.watched = None

    async def wait(self) -> Message:
        """Wait for what `hand_over` or `fail` brings; only one task can.

        Cancelled: nothing was handed over.
        """

        def leave(_: object) -> trio.lowlevel.Abort:
            self.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        self.task = trio.lowlevel.current_task()
        reply: Message = await trio.lowlevel.wait_task_rescheduled(leave)
        return reply

    def hand_over(self, reply: Message) -> None:
        """Give the reply to the task that waits."""
        self._resume(outcome.Value(reply))

    def fail(self, error: BaseException) -> None:
        """Let the exchange end in an error, and raise it in the task that waits, if one does."""
        self.error = error
        if self.task is not None:
            self._resume(outcome.Error(error))
        elif self.watched is not None:
            self.watched.recall()

    def _resume(self, result: outcome.Outcome[Message]) -> None:
        task, self.task = self.task, None
        assert task is not None  # noqa: S101  # the caller has looked
        trio.lowlevel.reschedule(task, result)


class ReqPattern(BalancedPattern):
    """Requests go to the peers in turn; replies come from the peer that was asked."""

    socket_type = SocketType.REQ
    plain_queue = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._correlate = options.correlate
        # A random start, so that a reply to an earlier run's request fits none of ours.
        self._next_id = secrets.randbits(8 * _ID_BYTES)
        #: Exchanges that are out: by id, or by pipe where replies carry none.
        self._by_id: dict[bytes, Exchange] = {}
        self._by_pipe: dict[Pipe, Exchange] = {}
        #: Exchanges whose request is in the return queue.
        self._homeless: set[Exchange] = set()
        #: Pipes that are out of the rotation because they owe a reply.
        self._busy: set[Pipe] = set()
        #: Replies that arrived and were not claimed yet.
        self._unclaimed: deque[Message] = deque()
        #: Ends a connection and dials again at once.
        self.redial: Callable[[Pipe], None] = _no_redial

    # -- calls --

    def begin(self, frames: Frames) -> Exchange:
        """Send a request to the next peer, or raise `trio.WouldBlock`."""
        if self.balance.returned:
            raise trio.WouldBlock
        if self._correlate:
            pipe = self.balance.choose()
            request_id = self._new_id()
            exchange = Exchange((request_id, b"", *frames), request_id, pipe)
            self._by_id[request_id] = exchange
        else:
            pipe = self.balance.take_out()
            exchange = Exchange((b"", *frames), b"", pipe)
            self._by_pipe[pipe] = exchange
            self._busy.add(pipe)
        pipe.put(exchange.request)
        return exchange

    def claim(self, exchange: Exchange) -> Message:
        """Return the reply, which counts as delivered now, or raise as `Exchange.result`."""
        reply = exchange.result()
        self._unclaimed.remove(reply)
        if exchange.pipe is not None:
            exchange.pipe.tally.delivered += 1
        return reply

    def abandon(self, exchange: Exchange) -> None:
        """Nobody wants the reply any more.

        A request that was not begun to be written is taken back. Else its late reply is told by
        its id; or, where there are no ids, the connection is ended and dialled anew.
        """
        pipe = exchange.pipe
        if exchange.reply is not None and pipe is not None:
            self._unclaimed.remove(exchange.reply)
            pipe.tally.drop_in(DropReason.FILTERED)
        if exchange.is_over():
            return
        if pipe is None:
            self._homeless.discard(exchange)
            if self.balance.withdraw(exchange.request):
                self.ledger.drains.forgotten(1)
            self._close(exchange)
        elif pipe.take_back(exchange.request) or self._correlate:
            self._close(exchange)
        else:
            self._close(exchange, free=False)
            self.redial(pipe)

    # -- pipes --

    def detach(self, pipe: Pipe) -> None:
        """It is a target no longer."""
        self._busy.discard(pipe)
        super().detach(pipe)

    def room_opened(self, pipe: Pipe) -> None:
        """It can take messages again, unless it owes a reply."""
        if pipe in self._busy:
            return
        super().room_opened(pipe)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:  # noqa: ARG002  # every link
        """Send the probe, if one is wanted."""
        if self.options.probe:
            pipe.put((b"",))

    def disconnected(self, pipe: Pipe, end: Ending) -> None:
        """Fail the exchanges whose request this connection has wholly carried."""
        waiting = {id(frames_of(item)) for item in pipe.outgoing}
        for exchange in self._exchanges_of(pipe):
            if id(exchange.request) not in waiting:
                self._close(exchange)
                exchange.fail(
                    PeerLost(
                        f"{pipe.endpoint} was asked and its connection ended before the reply "
                        f"({end.reason}); it may or may not have acted on the request"
                    )
                )
        if pipe in self._busy and pipe not in self._by_pipe:
            self._release(pipe)

    def forget(self, pipe: Pipe) -> None:
        """The pipe is gone for good, and so are requests that were dropped with it."""
        super().forget(pipe)
        for exchange in self._exchanges_of(pipe):
            self._close(exchange, free=False)

    def reroute(self, pipe: Pipe) -> None:
        """Give requests that were not written to other peers; the end of the link fails others."""
        waiting = {id(frames_of(item)) for item in pipe.outgoing}
        for exchange in self._exchanges_of(pipe):
            if id(exchange.request) in waiting:
                self._by_pipe.pop(pipe, None)
                exchange.pipe = None
                self._homeless.add(exchange)
        self._busy.discard(pipe)
        super().reroute(pipe)

    def redirected(self, pipe: Pipe, item: Item) -> None:
        """A request that another peer did not get goes to this one."""
        for exchange in self._homeless:
            if exchange.request is frames_of(item):
                self._homeless.remove(exchange)
                exchange.pipe = pipe
                if not self._correlate:
                    self._by_pipe[pipe] = exchange
                    self._busy.add(pipe)
                    self.balance.remove(pipe)
                return

    def deliver(
        self,
        link: AnyLink,
        pipe: Pipe,
        messages: list[Message],
        payload: int,  # noqa: ARG002  # each is counted by itself
    ) -> None:
        """Give each reply to the exchange that it answers; drop what nobody asked for."""
        for message in messages:
            self._deliver(link, pipe, message)

    def close(self, make_error: Callable[[], BaseException]) -> None:
        """Let every waiting task raise."""
        super().close(make_error)
        for exchange in (*self._by_id.values(), *self._by_pipe.values(), *self._homeless):
            exchange.fail(make_error())

    def waiting(self) -> Waiting:
        """Return what is in the return queue, and the replies that nobody has claimed."""
        return super().waiting() + Waiting(
            into=len(self._unclaimed), into_bytes=sum(map(size_of, self._unclaimed))
        )

    def forget_unread(self) -> int:
        """Drop the replies that nobody has claimed."""
        count = len(self._unclaimed)
        self._unclaimed.clear()
        return count

    # -- the rest --

    def _deliver(self, link: AnyLink, pipe: Pipe, message: Message) -> None:
        request_id, body = _open_envelope(message)
        exchange = self._by_id.get(request_id) if request_id else self._by_pipe.get(pipe)
        if not body or exchange is None or exchange.pipe is not pipe or _waits(exchange, pipe):
            pipe.inbound.discard([message], size_of(message), DropReason.FILTERED)
            return
        tally = pipe.tally
        tally.decoded += 1
        tally.decoded_bytes += size_of(message)
        exchange.reply = reply = to_message(body)
        exchange.peer = link.peer
        if exchange.task is None:
            self._unclaimed.append(reply)
            if exchange.watched is not None:
                exchange.watched.recall()
        else:
            tally.delivered += 1
            exchange.hand_over(reply)
        self._close(exchange)

    def _new_id(self) -> bytes:
        self._next_id = (self._next_id + 1) % _IDS
        return self._next_id.to_bytes(_ID_BYTES, "big")

    def _exchanges_of(self, pipe: Pipe) -> list[Exchange]:
        if self._correlate:
            return [exchange for exchange in self._by_id.values() if exchange.pipe is pipe]
        exchange = self._by_pipe.get(pipe)
        return [exchange] if exchange is not None else []

    def _release(self, pipe: Pipe) -> None:
        """Put a pipe that owes nothing back into the rotation, last in turn."""
        self._busy.discard(pipe)
        if pipe.attached:
            self.balance.room_opened(pipe)
            if self.senders.waiters:
                self.senders.serve()

    def _close(self, exchange: Exchange, *, free: bool = True) -> None:
        """The exchange is over."""
        if self._correlate:
            self._by_id.pop(exchange.request_id, None)
        elif exchange.pipe is not None and self._by_pipe.get(exchange.pipe) is exchange:
            del self._by_pipe[exchange.pipe]
            if free:
                self._release(exchange.pipe)


def _open_envelope(message: Message) -> tuple[bytes, Frames]:
    """Return the request id, if any, and the body, of what claims to be a reply.

    Raises:
        RemoteProtocolError: There is no delimiter where one must be.
    """
    if message[0] == b"":
        return b"", message[1:]
    if len(message) > 1 and len(message[0]) == _ID_BYTES and message[1] == b"":
        return message[0], message[2:]
    raise RemoteProtocolError(
        ProtocolFault.ENVELOPE, "a reply without the empty frame that delimits its envelope"
    )


def _waits(exchange: Exchange, pipe: Pipe) -> bool:
    """Tell whether the request is not wholly written yet, so that nothing can be its reply."""
    return bool(pipe.outgoing) and any(
        frames_of(item) is exchange.request for item in pipe.outgoing
    )


def _no_redial(pipe: Pipe) -> None:
    """Set by the socket before the first exchange."""
