"""A socket that takes requests, one by one or for a function that answers them: Rep and Router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import attrs
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._patterns.service import ServicePattern
from trio_mq._sockets.keywords import number_of
from trio_mq._sockets.requests import Handler, Request, S_co, TakesRequests
from trio_mq._sockets.workers import Workers


class Service(TakesRequests[S_co]):
    """A socket that takes requests: Rep and Router."""

    #: Calls of `serve` that are going on.
    _serving = 0

    @enable_ki_protection
    def requests(self) -> AsyncIterator[Request]:
        """Take requests, any number at once: ``async for request in socket.requests()``.

        Each is answered by its own `Request.reply`, at any time, in any order and by any task,
        whatever was received meanwhile. Nothing bounds here how many are in hand: `serve` does.
        Several tasks may iterate.

        Raises:
            trio.ClosedResourceError: The socket was closed; in each step, too.

        Cancelled, a step has taken nothing: the request is still first in line.
        """
        self._guard()
        return _Requests(self)

    @enable_ki_protection
    async def serve(
        self, handler: Handler, *, max_concurrent: int = 100, cancel_when_gone: bool = True
    ) -> None:
        """Answer requests with a function, many at once, until cancelled.

        The function is called with each `Request`, and returns the reply. It may also call
        `Request.reply` itself, or decline, and return ``None``. A request that has no reply when
        the function ends is declined. An exception of the function is logged with its traceback,
        declines that request alone, and goes no further.

        Each call has context variables of its own, as in a new task. Clients have their requests
        taken in turn: one each, or a few at once if the function answers without waiting.

        Args:
            handler: An async function, or a plain one if it has nothing to wait for.
            max_concurrent: How many requests are in hand at most. Others wait in the queues of
                their peers; when these are full, nothing more is read, and so their clients have to
                wait in turn.
            cancel_when_gone: Cancel the call for a client whose connection has ended, and begin
                none for it. Otherwise the work is done to its end. In either case the reply is
                dropped, and counted.

        Raises:
            ValueError: ``max_concurrent`` is below 1.
            TypeError: It is no whole number, or the handler can't be called.
            trio.ClosedResourceError: The socket was closed.

        Cancelled, it cancels the calls that it has made, and declines their requests. No other
        request was taken.
        """
        await checkpoint_if_cancelled()
        number_of("max_concurrent", max_concurrent, lowest=1)
        if not callable(handler):
            raise TypeError(
                f"serve() takes a function that is called with a request, not {handler!r}"
            )
        self._guard()
        self._check_may_serve()
        workers = Workers(
            socket=self,
            handler=handler,
            time_slice=self._slice,
            most=max_concurrent,
            cancel_when_gone=cancel_when_gone,
        )
        self._serving += 1
        try:
            await workers.run()
        finally:
            self._serving -= 1


@attrs.frozen
class _Requests:
    """The requests of a socket, one for each step."""

    _service: TakesRequests[ServicePattern]

    def __aiter__(self) -> Self:
        return self

    @enable_ki_protection
    async def __anext__(self) -> Request:
        service = self._service
        request = Request(await service._take_request(), service)  # noqa: SLF001  # as in Request
        if service._slice.spent():  # noqa: SLF001  # as above
            await service._slice.end()  # noqa: SLF001  # as above
        return request
