"""Req: it asks, and a reply belongs to what was asked (RFC 28)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Literal, Unpack, overload

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._errors import StateError
from trio_mq._message import Frames, Message, Sendable
from trio_mq._patterns.exchange import Exchange
from trio_mq._patterns.req import ReqPattern
from trio_mq._peer import Peer
from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe
from trio_mq._sockets.keywords import ReqKeywords, ReqOptions
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.retry import Attempt, Retry, ask_again
from trio_mq._sockets.sender import Sender, send_first
from trio_mq.zmtp import SocketType


class Req(Sender[ReqPattern], Receiver[ReqPattern]):
    """Asks services, in turn, one request at a time or many.

    `request` is the call to use: it sends and receives in one step that can't get stuck, can be
    cancelled at any moment, and can be made by many tasks at once. ``send`` and ``receive`` in
    turns are there for programs that are written that way.

    A reply is only taken from the service that was asked, and for the request that it answers; if
    that connection ends, `PeerLost` is raised instead of waiting for ever. Arguments and errors as
    for `Push`, and calls out of turn raise `StateError`.

    Args:
        correlate: Whether requests carry ids, which replies repeat, so that many can be out to one
            service at once and late replies are recognised. ``None``: to a `Rep`, which announces
            that it repeats them, and to services that connect to us where nothing else is safe.
            ``True``: to every peer; a Router's program then sees one more frame, before the empty
            one. ``False``: to none, for services that count frames; such a Req can't bind. See
            :doc:`/explanation/requests`. (``ZMQ_REQ_CORRELATE``)
    """

    socket_type = SocketType.REQ
    _pattern_type = ReqPattern
    _known_options = ReqOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[ReqKeywords]) -> None: ...

    def _check_may_bind(self) -> None:
        if self._options.correlate is False:
            raise ValueError(
                "a Req with correlate=False can't bind: a service that connects keeps its late "
                "reply over a reconnection, and only an id tells that from the reply to the next "
                "request; leave correlate out, or connect to the service"
            )

    @overload
    async def request(
        self, message: Sendable, *, retry: Retry | None = None, with_peer: Literal[False] = False
    ) -> Message: ...
    @overload
    async def request(
        self, message: Sendable, *, retry: Retry | None = None, with_peer: Literal[True]
    ) -> tuple[Message, Peer]: ...
    @enable_ki_protection
    async def request(
        self, message: Sendable, *, retry: Retry | None = None, with_peer: bool = False
    ) -> Message | tuple[Message, Peer]:
        """Send a request and wait for its reply.

        Any number of calls may be out at once. A `Rep` of this library gets as many as there are,
        and so does every service with ``correlate=True``; a service that is idle is preferred.
        Others (the REP and ROUTER of libzmq, our `Router`) get one at a time, so that ten calls to
        one of them run one after the other, and ten services answer ten calls at once. At Routers
        that were told our ``routing_id``, one call is out at a time among all of them.

        An endpoint that has no connection is not asked while another has one.

        Args:
            message: As for `send`.
            retry: Ask again if there is no reply, and how often. Without it nothing is asked twice,
                since the service may have acted on it.
            with_peer: Return the reply with the peer that gave it.

        Raises:
            PeerLost: The service went away after it was asked; its ``__cause__`` is what ended the
                connection, if that was an error.
            RequestExpired: (``message_lifetime``) Nobody was asked in time.
            RequestFailed: (``retry``) There was no reply, as often as it was asked for.
            TypeError: ``retry`` is no `Retry`, or the message is refused as by `send`.
            trio.ClosedResourceError: The socket was closed meanwhile.

        Cancelled, the request may have been sent. Its reply is never taken for that to another
        request: its id tells, or, where there are no ids, a new connection that it can't reach.
        If it waited for an endpoint that can't be reached, the log says why that is.
        """
        await checkpoint_if_cancelled()
        if message.__class__ is bytes and len(message) <= self._small:
            frames: Frames = (message,)
        else:
            frames = self._checked(message)
        if get_ident() != self._open_in:
            self._guard()
        exchange: Exchange | None
        if retry is not None:
            exchange = await self._ask_until_answered(frames, retry)
        else:
            exchange = self._begin_now(frames)
            if exchange is None or exchange.reply is not None or exchange.error is not None:
                exchange = await self._ask(frames, exchange=exchange)
            else:
                # As `_ask`, with two coroutines less for each request.
                try:
                    watched = exchange.pipe.watched if exchange.pipe is not None else None
                    if watched is not None and watched.vacant:
                        await watched.stand_in(exchange, exchange.is_over, self._pattern.take_body)
                    if exchange.reply is None and exchange.error is None:
                        await exchange.outcome()
                    self._slice.restart()
                    if exchange.error is not None:
                        exchange.result()
                except BaseException as error:
                    self._give_up(exchange, error)
                    raise
        reply = exchange.reply
        assert reply is not None  # noqa: S101  # or it had raised
        if not with_peer:
            return reply
        assert exchange.peer is not None  # noqa: S101  # it came with the reply
        return reply, exchange.peer

    async def _ask_until_answered(self, frames: Frames, retry: Retry) -> Exchange:
        if not isinstance(retry, Retry):
            raise TypeError(f"retry is a Retry, such as Retry(attempts=3), not {retry!r}")
        return await ask_again(
            partial(self._ask, frames), retry, self._pattern.ledger.conditions.sleep
        )

    async def _ask(
        self, frames: Frames, attempt: Attempt | None = None, exchange: Exchange | None = None
    ) -> Exchange:
        """Make a request once, and return when it is answered; otherwise leave nothing behind.

        Args:
            frames: The request.
            attempt: Whom to avoid, and where to note what comes of it.
            exchange: It has begun already.
        """
        avoid = attempt.avoid if attempt is not None else ()
        if exchange is None:
            exchange = self._begin_now(frames, avoid)
        try:
            if exchange is None:
                exchange = await self._begin_in_turn(frames, avoid)
            await self._reply_to(exchange)
        except BaseException as error:
            trouble = self._give_up(exchange, error)
            if attempt is not None:
                attempt.exchange, attempt.trouble = exchange, trouble
            raise
        return exchange

    def _give_up(self, exchange: Exchange | None, error: BaseException) -> str:
        """Leave nothing behind of a request, and return why it was given up, if it was."""
        trouble = self._trouble_with(exchange) if isinstance(error, trio.Cancelled) else ""
        if exchange is not None:
            self._pattern.abandon(exchange)
        return trouble

    @enable_ki_protection
    async def send(self, message: Sendable) -> None:
        """Send a request to the next service; it waits while there is none with room.

        Raises:
            StateError: The reply to the last one has not been received.
            trio.BusyResourceError: Another task is sending a request.

        Otherwise as `Push.send`.
        """
        await checkpoint_if_cancelled()
        frames = self._checked(message)
        turn = self._pattern.turn
        if turn.sending or turn.exchange is not None or get_ident() != self._open_in:
            self._check_turn_to_send()
        turn.exchange = self._begin_now(frames)
        if turn.exchange is None:
            turn.sending = True
            try:
                turn.exchange = await self._begin_in_turn(frames)
            finally:
                turn.sending = False
        elif self._slice.spent():  # many Reqs may send before one receives
            await self._slice.end()

    @enable_ki_protection
    def send_nowait(self, message: Sendable) -> None:
        """Send a request, or raise `trio.WouldBlock` if no service has room for one."""
        frames = self._checked(message)
        self._check_turn_to_send()
        if self._pattern.senders.waiters:
            raise trio.WouldBlock
        self._pattern.turn.exchange = self._pattern.begin(frames)

    @enable_ki_protection
    async def receive(self) -> Message:
        """Wait for the reply to the request that was sent.

        Raises:
            StateError: No request was sent.
            PeerLost: The service went away after it was asked; send again, if that is right.
            RequestExpired: (``message_lifetime``) Nobody was asked in time.
            trio.BusyResourceError: Another task is waiting for the reply.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, the reply is still to be received.
        """
        await checkpoint_if_cancelled()
        exchange = self._turn_to_receive()
        turn = self._pattern.turn
        try:
            # As `_reply_to`, with one coroutine less for each request.
            pipe = exchange.pipe
            over = exchange.reply is not None or exchange.error is not None
            watched = None if over or pipe is None else pipe.watched
            if watched is None:
                reply = await self._reply_to(exchange)
            else:
                await watched.stand_in(exchange, exchange.is_over, self._pattern.take_body)
                if exchange.reply is None and exchange.error is None:
                    await exchange.outcome()
                self._slice.restart()
                reply = exchange.reply or exchange.result()
        except trio.Cancelled:
            raise
        except BaseException:
            turn.exchange = None
            raise
        turn.exchange = None
        return reply

    # A method, not an alias: type checkers differ on what an alias in a subclass overrides.
    @enable_ki_protection
    async def __anext__(self) -> Message:
        return await self.receive()

    @enable_ki_protection
    def receive_nowait(self) -> Message:
        """Return the reply, or raise `trio.WouldBlock` if it has not come yet."""
        exchange = self._turn_to_receive()
        turn = self._pattern.turn
        try:
            reply = self._pattern.claim(exchange)
        except trio.WouldBlock:
            raise
        except BaseException:
            turn.exchange = None
            raise
        turn.exchange = None
        return reply

    @enable_ki_protection
    async def receive_many(self, max: int = 1000) -> list[Message]:  # noqa: A002  # as Receiver's
        """Wait for the reply and return it alone: there is never more than one."""
        await checkpoint_if_cancelled()
        if max < 1:
            raise ValueError(f"max={max} is not allowed: give at least 1")
        return [await self.receive()]

    @enable_ki_protection
    async def receive_from(self) -> tuple[Message, Peer]:
        """Wait for the reply, and return it with the peer that sent it; otherwise as `receive`."""
        await checkpoint_if_cancelled()
        exchange = self._turn_to_receive()
        reply = await self.receive()
        assert exchange.peer is not None  # noqa: S101  # it came with the reply
        return reply, exchange.peer

    @enable_ki_protection
    async def send_many(self, messages: Iterable[Sendable]) -> int:
        """Send the first of the requests and return 1: its reply comes before the next one."""
        return await send_first(self, messages)

    def _begin_now(self, frames: Frames, avoid: Collection[Pipe] = ()) -> Exchange | None:
        """Begin an exchange with the next service, if it is our turn and there is one."""
        if self._waiting:
            return None
        try:
            return self._pattern.begin(frames, avoid)
        except trio.WouldBlock:
            return None

    async def _begin_in_turn(self, frames: Frames, avoid: Collection[Pipe] = ()) -> Exchange:
        started: list[Exchange] = []

        def begin() -> None:
            started.append(self._pattern.begin(frames, avoid))

        await self._pattern.senders.wait(begin)
        self._slice.restart()
        return started[0]

    async def _reply_to(self, exchange: Exchange) -> Message:
        if exchange.is_over():
            reply = self._pattern.claim(exchange)
            if self._slice.spent():
                await self._slice.end()
            return reply
        pipe = exchange.pipe
        if pipe is not None and pipe.watched is not None:
            await pipe.watched.stand_in(exchange, exchange.is_over, self._pattern.take_body)
        if not exchange.is_over():
            await exchange.outcome()
        self._slice.restart()
        return self._pattern.claim(exchange)

    def _trouble_with(self, exchange: Exchange | None) -> str:
        """A request is given up: return why, and log it if no service could be reached."""
        pipe = exchange.pipe if exchange is not None else None
        if pipe is not None and pipe.hold is Hold.LENT:
            return f"{pipe.endpoint} gave no reply in time"
        chosen = pipe.endpoint if pipe is not None else None
        for status in self.endpoints:
            if status.peers and chosen is None:
                return "no service could take it in time"
            if status.last_error is not None and chosen in (None, status.endpoint):
                self._pattern.ledger.teller.request_given_up(status.endpoint, status.last_error)
                return f"{status.endpoint} could not be reached in time: {status.last_error}"
        return f"{chosen or 'a service'} could not be reached in time"

    def _check_turn_to_send(self) -> None:
        if get_ident() != self._open_in:
            self._guard()
        turn = self._pattern.turn
        if turn.sending:
            raise trio.BusyResourceError("another task is sending with this Req already")
        if turn.exchange is not None:
            raise StateError("a Req receives the reply before it sends again; or use request()")

    def _turn_to_receive(self) -> Exchange:
        if get_ident() != self._open_in:
            self._guard()
        exchange = self._pattern.turn.exchange
        if exchange is None:
            raise StateError("a Req sends a request before it receives a reply; or use request()")
        if exchange.awaited:
            raise trio.BusyResourceError("another task is receiving from this Req already")
        return exchange
