"""Requests as objects: any number in hand at once, each answered by whoever has it, in any order.

Rep and Router both are services in this sense; what they make of an envelope differs, and is in
their patterns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import TypeAlias, TypeVar

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._message import Message, Sendable
from trio_mq._patterns.service import InHand, ServicePattern
from trio_mq._peer import Peer
from trio_mq._sockets.life import Life
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender

S_co = TypeVar("S_co", bound=ServicePattern, covariant=True)


class Request:
    """One request that a service has taken, to be answered once, or declined.

    `Rep.requests` and `Router.requests` bring them, and ``serve`` hands them to your function. Any
    number may be in hand at once. They may be answered in any order, by any task of the run.
    """

    __slots__ = ("_in_hand", "_service")

    def __init__(self, in_hand: InHand, service: TakesRequests[ServicePattern]) -> None:
        self._in_hand = in_hand
        self._service = service

    def __repr__(self) -> str:
        over = ", over" if self._in_hand.over else ""
        return f"<Request {self.message!r} of {self.peer!r}{over}>"

    @property
    def message(self) -> Message:
        """What is asked, without the envelope."""
        return self._in_hand.message

    @property
    def peer(self) -> Peer:
        """The connection that brought it, which may have ended since."""
        return self._in_hand.peer

    @enable_ki_protection
    async def reply(self, message: Sendable) -> None:
        """Answer: hand over the reply, which goes back the way the request came.

        A requester that has left, or whose queue is full because it reads nothing, loses the
        reply, which is counted. Only a Router with ``on_full="block"`` waits for room.

        Args:
            message: As for `Push.send`.

        Raises:
            StateError: The request was answered or declined before.
            TypeError: The reply is refused, as by `Push.send`, which says more; so are `ValueError`
                and `MessageTooLarge`. The request is still to be answered.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it has handed over nothing, and the request is still to be answered.
        """
        await checkpoint_if_cancelled()
        await self._service._answer(self._in_hand, message)  # noqa: SLF001  # one thing in two parts

    @enable_ki_protection
    def decline(self) -> None:
        """Let there be no reply; it counts as dropped, by `DropReason.DECLINED`.

        The client is not told, so it should have a time-out of its own. If it can do something with
        a refusal, reply with one instead.

        Raises:
            StateError: The request was answered or declined before.
            trio.ClosedResourceError: The socket was closed.
        """
        self._service._guard()  # noqa: SLF001  # as above
        self._in_hand.decline()


Answer: TypeAlias = Sendable | None
"""A reply, or ``None`` for none."""

Handler: TypeAlias = Callable[[Request], Awaitable[Answer] | Answer]
"""What `Rep.serve` calls with each request: an async function, or a plain one. It returns the
reply, or ``None`` if it has replied, or declines."""


class TakesRequests(Sender[S_co], Receiver[S_co]):
    """What a service does with one request, for `Request`, for ``requests`` and for the workers."""

    def _check_may_serve(self) -> None:
        """Raise `trio.BusyResourceError` if the requests are taken by another kind of call."""

    async def _take_request(self) -> InHand:
        """Wait for the next request and take it. Cancelled: nothing was taken."""
        await checkpoint_if_cancelled()
        self._guard()
        self._check_may_serve()
        taken: list[InHand] = []

        def take() -> Message:
            request = self._pattern.take_request()
            taken.append(request)
            return request.message

        await self._take_in_turn(take)
        return taken[0]

    def _take_request_now(self, *, another: bool = False) -> InHand | None:
        """Take the next request if there is one and nobody waits for it.

        Args:
            another: Rather one more of the client whose request was taken last.
        """
        if get_ident() != self._open_in:
            self._guard()
        self._slice.left -= 1
        if self._receivers.waiters:
            return None
        if another and (request := self._pattern.take_another()) is not None:
            return request
        try:
            return self._pattern.take_request()
        except trio.WouldBlock:
            return None

    async def _answer(self, in_hand: InHand, message: Sendable) -> None:
        """Hand over a reply, and let others run at the end of a slice."""
        if not self._try_to_hand_over(in_hand, message):
            await self._hand_over_in_turn(in_hand, message)
        if self._slice.is_spent():
            await self._slice.end()

    def _try_to_hand_over(self, in_hand: InHand, message: Sendable) -> bool:
        """Hand over a reply; False if it has to wait for room."""
        frames = self._checked(message)
        if get_ident() != self._open_in:
            self._guard()
        self._slice.left -= 1
        try:
            in_hand.answer(frames)
        except trio.WouldBlock:
            return False
        return True

    async def _hand_over_in_turn(self, in_hand: InHand, message: Sendable) -> None:
        """Hand over a reply when there is room. Cancelled: it was not handed over."""
        frames = self._checked(message)
        await in_hand.line.wait(lambda: in_hand.answer_in_turn(frames))
        self._slice.restart()

    @enable_ki_protection
    async def _until_closed(self) -> None:
        """Raise when the socket is closed, though every worker may wait for something else."""
        self._guard()
        await self._members.conditions.wait_until(lambda: False)

    def _settle(self, in_hand: InHand) -> None:
        """Decline what has no reply; when the socket is closed, the books are closed too."""
        if in_hand.over:
            return
        if self._life is Life.CLOSED:
            in_hand.forget()
        else:
            in_hand.decline()
