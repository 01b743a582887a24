"""Rep: it answers, one request at a time or many (RFC 28)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import get_ident
from typing import TYPE_CHECKING, Unpack

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._message import Message, Sendable
from trio_mq._patterns.rep import RepPattern
from trio_mq._peer import Peer
from trio_mq._sockets.keywords import SocketKeywords, SocketOptions
from trio_mq._sockets.sender import send_first
from trio_mq._sockets.service import Service
from trio_mq.zmtp import SocketType


class Rep(Service[RepPattern]):
    """Answers requests: one at a time with ``receive`` and ``send``, or many with `serve`.

    In turns: receive a request, send its reply, and so on. `serve` answers many at once with a
    function, and `requests` brings each as a `Request` to be answered at any time; a `Req` of this
    library sends as many at once as it is asked to. Requests are taken from all clients in turn. A
    reply to a client that is gone, or that reads nothing, is dropped and counted.

    Calls out of turn raise `StateError`. Two tasks in ``receive`` at once, or one beside `requests`
    or `serve`, `trio.BusyResourceError`. Other arguments and errors as for `Push`.
    """

    socket_type = SocketType.REP
    _pattern_type = RepPattern
    _known_options = SocketOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[SocketKeywords]) -> None: ...

    @enable_ki_protection
    async def receive(self) -> Message:
        """Wait for the next request and return its body.

        Raises:
            StateError: The last request has not been answered.
            trio.BusyResourceError: Another task is waiting for a request, or they are taken by
                `requests` or `serve`.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it has taken nothing.
        """
        await checkpoint_if_cancelled()
        self._check_may_receive()
        if get_ident() != self._open_in:
            self._guard()
        pattern = self._pattern
        pattern.is_received_from = True
        try:
            request = self._take_at_once() if self._queue else None
            if request is None:
                # As `_take_in_turn`, with one coroutine less for each request.
                watched = pattern.only_connection()
                if watched is not None and await pattern.stand_in(watched):
                    if get_ident() != self._open_in:
                        self._guard()
                    self._slice.restart()
                    if (request := pattern.take_read()) is not None:
                        return request
                request = await super()._take_in_turn(pattern.take)
            if self._slice.spent():
                await self._slice.end()
            return request
        finally:
            pattern.is_received_from = False

    @enable_ki_protection
    def receive_nowait(self) -> Message:
        """Return the next request, or raise `trio.WouldBlock` if none is there."""
        self._guard()
        if self._pattern.is_received_from:
            raise trio.WouldBlock
        self._check_may_receive()
        return super().receive_nowait()

    @enable_ki_protection
    async def receive_from(self) -> tuple[Message, Peer]:
        """Wait for the next request, and return it with its peer; otherwise as `receive`."""
        await checkpoint_if_cancelled()
        self._check_may_receive()
        self._pattern.is_received_from = True
        try:
            return await super().receive_from()
        finally:
            self._pattern.is_received_from = False

    def _check_may_receive(self) -> None:
        pattern = self._pattern
        if pattern.is_received_from:
            raise trio.BusyResourceError("another task is receiving from this Rep already")
        if self._serving or pattern.is_waited_at:
            raise trio.BusyResourceError(
                "requests() or serve() takes the requests of this Rep: answer those with their own "
                "reply(), or receive() when it has ended"
            )

    def _check_may_serve(self) -> None:
        if self._pattern.is_received_from:
            raise trio.BusyResourceError(
                "another task is receiving from this Rep: let it end first, or take requests() "
                "there too"
            )

    def _take_at_once(self) -> Message | None:
        """Take a request that is here, without the coroutines of those who wait for one."""
        if self._receivers.waiters:
            return None
        try:
            return self._pattern.take()
        except trio.WouldBlock:
            return None

    async def _take_in_turn(self, take: Callable[[], Message]) -> Message:
        watched = self._pattern.only_connection() if not self._queue else None
        if watched is not None and await self._pattern.stand_in(watched):
            self._begin_anew()
        return await super()._take_in_turn(take)

    def _begin_anew(self) -> None:
        """It has waited: the socket may be closed now, and the time slice is a new one."""
        if get_ident() != self._open_in:
            self._guard()
        self._slice.restart()

    @enable_ki_protection
    async def send(self, message: Sendable) -> None:
        """Answer the request that was received last; it never waits for room.

        A client that has left, or whose queue is full because it reads nothing, loses the reply,
        which is counted.

        Raises:
            StateError: No request was received, or it was answered or declined before.

        Otherwise as `Push.send`.
        """
        await checkpoint_if_cancelled()
        frames = self._checked(message)
        if get_ident() != self._open_in:
            self._guard()
        self._pattern.send(frames)
        if self._slice.spent():  # the request may be one of many that `receive_nowait` has taken
            await self._slice.end()

    # A method, not an alias: type checkers differ on what an alias in a subclass overrides.
    @enable_ki_protection
    async def __anext__(self) -> Message:
        return await self.receive()

    @enable_ki_protection
    async def receive_many(self, max: int = 1000) -> list[Message]:  # noqa: A002  # as Receiver's
        """Wait for the next request and return it alone: each must be answered first."""
        await checkpoint_if_cancelled()
        if max < 1:
            raise ValueError(f"max={max} is not allowed: give at least 1")
        return [await self.receive()]

    @enable_ki_protection
    async def send_many(self, messages: Iterable[Sendable]) -> int:
        """Send the first of the replies and return 1: a request has one reply."""
        return await send_first(self, messages)

    @enable_ki_protection
    def discard(self) -> None:
        """Decline to answer the last request; the next one can be received.

        The client gets no reply and may wait for ever, so it should have a time-out of its own.

        Raises:
            StateError: There is no request to decline.
        """
        self._guard()
        self._pattern.discard()
