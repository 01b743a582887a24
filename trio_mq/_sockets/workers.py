"""The tasks behind ``serve``: how requests become calls of a function, so many at once.

A *worker* is a task that takes a request, has it handled, and takes the next. It takes none before
it can handle it: that bounds the requests in hand by the number of workers. When a request is taken
and no worker is left to wait for the next one, another begins, up to the bound. So a function that
never waits needs a few tasks, whatever the load, and one that waits as many as there are requests
at once; no request costs a new task.

A worker ends early for one of two reasons, and another begins in its place if one is needed. Its
cancel scope was cancelled, because the requester has left. Or the function has changed context
variables, which must not reach the next call.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
import trio

from trio_mq._log import HANDLER_FAILED
from trio_mq._message import Sendable
from trio_mq._patterns.service import InHand
from trio_mq._sockets.one_error import the_one

Answer: TypeAlias = Sendable | None
"""A reply, or ``None`` for none."""


@attrs.define(eq=False, kw_only=True)
class Workers:
    """One call of ``serve``."""

    #: The class of the socket, for logs.
    name: str
    #: Waits for the next request.
    take: Callable[[], Awaitable[InHand]]
    #: Calls the function of the program.
    call: Callable[[InHand], Awaitable[Answer] | Answer]
    #: Hands over the reply.
    answer: Callable[[InHand, Sendable], Awaitable[None]]
    #: Gets every request that was taken, when nobody works on it any more.
    settle: Callable[[InHand], None]
    #: How many requests may be in hand.
    most: int
    cancel_when_gone: bool
    #: What every call begins with.
    _context: contextvars.Context = attrs.field(init=False, factory=contextvars.copy_context)
    _nursery: trio.Nursery = attrs.field(init=False)
    #: How many workers there are, and how many of them have no request.
    _count: int = attrs.field(init=False, default=0)
    _idle: int = attrs.field(init=False, default=0)

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Serve until cancelled, or until the socket is closed."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._begin_if_needed()
        except BaseExceptionGroup as group:
            # One nursery is how this call is made, and nobody else's business.
            raise the_one(group) from None

    def _begin_if_needed(self) -> None:
        """Begin a worker for the next request, if none waits for it and there may be one more."""
        if not self._idle and self._count < self.most:
            self._count += 1
            self._idle += 1
            self._context.run(self._nursery.start_soon, self._work)

    @trio.lowlevel.enable_ki_protection
    async def _work(self) -> None:
        with trio.CancelScope() as scope:
            while not scope.cancel_called and self._has_clean_context():
                request = await self.take()
                self._idle -= 1
                self._begin_if_needed()
                try:
                    await self._handle(request, scope)
                finally:
                    self.settle(request)
                    self._idle += 1
        self._count -= 1
        self._idle -= 1
        self._begin_if_needed()

    def _has_clean_context(self) -> bool:
        """Tell whether context variables are as they were; mostly they are the same object."""
        try:
            return contextvars.copy_context() == self._context
        except Exception:  # noqa: BLE001  # values of the program that can't be compared
            return False

    async def _handle(self, request: InHand, scope: trio.CancelScope) -> None:
        """Let the function answer a request, and log it if that fails."""
        if self.cancel_when_gone and not request.watch_over(scope.cancel):
            return
        try:
            reply = await self._call(request)
            if reply is not None:
                await self.answer(request, reply)
        except Exception as error:  # noqa: BLE001  # whatever it is, it concerns this request alone
            self._log(request, error)
        except BaseExceptionGroup as group:
            own, others = group.split(Exception)
            if own is not None:
                self._log(request, own)
            if others is not None:
                raise others from None

    @trio.lowlevel.disable_ki_protection
    async def _call(self, request: InHand) -> Answer:
        result = self.call(request)
        return await result if isinstance(result, Awaitable) else result

    def _log(self, request: InHand, error: BaseException) -> None:
        fate = "answered already" if request.over else "declined"
        HANDLER_FAILED.tell(self.name, repr(request.peer), fate, error=error)
