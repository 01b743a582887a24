"""The tasks behind ``serve``: how requests become calls of a function, many of them at once.

A *worker* is a task that takes a request, has it handled, and takes the next. It takes a request
only when it can handle it, so there are never more requests in hand than workers.

One worker at most waits for the next request, the *leader*. When it has taken one, it lets another
worker come and lead: one that is parked, or a new one, up to the bound. A worker that has finished
takes the next request at once if there is one, the leader is still on its way, and the time slice
is not spent; otherwise it parks. So a function that never waits is called by two tasks in turns, in
the order of the requests, and a batch costs two wake-ups. A function that waits is called by as
many tasks as it needs, and no request costs a new task.

A worker that takes one request after another in the same slice takes a few of one client before it
is the next client's turn (`FairQueue.take_another`). Their replies go out in one write, and a
system call costs as much as all that a reply costs otherwise.

A worker ends early for one of two reasons. Its cancel scope was cancelled, because the requester
has left. Or the function has changed context variables, which must not reach the next call.
"""

# ruff: noqa: SLF001  # the workers are a part of their socket, in a file of its own

from __future__ import annotations

import contextvars
import enum
from collections.abc import Awaitable
from typing import Final

import attrs
import trio

from trio_mq._log import HANDLER_FAILED
from trio_mq._patterns.service import InHand, ServicePattern
from trio_mq._sockets.one_error import the_one
from trio_mq._sockets.requests import Answer, Handler, Request, TakesRequests
from trio_mq._waiting import TimeSlice


class Lead(enum.Enum):
    """Who takes the next request."""

    #: Whoever comes next.
    NOBODY = "nobody"
    #: A worker that was woken or begun for it and has not run yet.
    COMES = "comes"
    #: A worker that waits for it, or has been given it and has not run yet.
    WAITS = "waits"


#: To look up a name of an enumeration takes as long as to compare it with three others.
_COMES: Final = Lead.COMES


@attrs.define(eq=False)
class _Call:
    """What a worker does, which is called off if the requester leaves."""

    _scope: trio.CancelScope
    #: It was called off. The scope tells too, but looks at its deadline first.
    off: bool = False

    def call_off(self) -> None:
        """Cancel it."""
        self.off = True
        self._scope.cancel()


@attrs.define(eq=False, kw_only=True)
class Workers:
    """One call of ``serve``."""

    #: Takes requests, and hands over replies.
    socket: TakesRequests[ServicePattern]
    #: The function of the program.
    handler: Handler
    #: The time slice of the run.
    time_slice: TimeSlice
    #: How many requests may be in hand.
    most: int
    cancel_when_gone: bool
    #: What every call begins with.
    _context: contextvars.Context = attrs.field(init=False, factory=contextvars.copy_context)
    _nursery: trio.Nursery = attrs.field(init=False)
    _lead: Lead = attrs.field(init=False, default=Lead.NOBODY)
    #: How many workers there are.
    _count: int = attrs.field(init=False, default=0)
    #: Those that have nothing to do.
    _parked: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Serve until cancelled, or until the socket is closed."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.socket._until_closed)
                self._let_another_lead()
        except BaseExceptionGroup as group:
            # That there is a nursery in this call must not show in its errors.
            raise the_one(group) from None

    def _let_another_lead(self) -> None:
        """Let there be a leader, if nobody is one and there may be one more worker."""
        if self._lead is not Lead.NOBODY:
            return
        if self._parked:
            self._lead = Lead.COMES
            self._parked.unpark()
        elif self._count < self.most:
            self._lead = Lead.COMES
            self._count += 1
            self._context.run(self._nursery.start_soon, self._work)

    @trio.lowlevel.enable_ki_protection
    async def _work(self) -> None:
        """Handle one request after the other, as the leader at first."""
        with trio.CancelScope() as scope:
            call = _Call(scope)
            await trio.lowlevel.checkpoint_if_cancelled()
            self.time_slice.restart()
            request = await self._take_as_leader()
            while True:
                try:
                    await self._handle(request, call)
                finally:
                    if not request.over:
                        self.socket._settle(request)
                if call.off or not self._has_clean_context():
                    break
                request = self._take_at_once() or await self._take_next()
        self._count -= 1
        self._let_another_lead()

    def _take_at_once(self) -> InHand | None:
        """Take the next request, if the leader is on its way and the slice is not spent."""
        if self._lead is _COMES and not self.time_slice.is_spent():
            return self.socket._take_request_now(another=True)
        return None

    async def _take_next(self) -> InHand:
        spent = self.time_slice.is_spent()
        if self._lead is not Lead.NOBODY:
            await self._parked.park()
            self.time_slice.restart()
        else:
            self._lead = Lead.COMES
            await trio.lowlevel.checkpoint_if_cancelled()
            if spent:
                await self.time_slice.end()
        return await self._take_as_leader()

    async def _take_as_leader(self) -> InHand:
        request = self.socket._take_request_now()
        if request is None:
            self._lead = Lead.WAITS
            request = await self.socket._take_request()
        self._lead = Lead.NOBODY
        self._let_another_lead()
        return request

    def _has_clean_context(self) -> bool:
        """Tell whether context variables are as they were; mostly they are the same object."""
        try:
            return contextvars.copy_context() == self._context
        except Exception:  # noqa: BLE001  # values of the program that can't be compared
            return False

    async def _handle(self, request: InHand, call: _Call) -> None:
        """Let the function answer a request, and log it if that fails."""
        if self.cancel_when_gone and not request.watch_over(call.call_off):
            return
        try:
            reply = await self._call(request)
            if reply is not None and not self.socket._try_to_hand_over(request, reply):
                await self.socket._hand_over_in_turn(request, reply)
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
        result = self.handler(Request(request, self.socket))
        return await result if isinstance(result, Awaitable) else result

    def _log(self, request: InHand, error: BaseException) -> None:
        fate = "answered already" if request.over else "declined"
        HANDLER_FAILED.tell(type(self.socket).__name__, repr(request.peer), fate, error=error)
