"""Who owns the tasks of a socket: two nurseries, and the order in which they end.

``async with socket`` opens the *outer* nursery, whose cancel scope is around the body. It has
exactly one child, the engine task. The engine holds the *inner* nursery, in which every dialer,
listener and link lives, in a cancel scope that is *shielded*: cancelling the body must not cut the
connections before the socket has written what it should::

    async with Push(...) as push:          outer nursery
        await push.send(b"...")            |-- body
        ...                                `-- engine
                                               `-- shield
                                                   `-- inner nursery
                                                       |-- dialer, with the link that it made
                                                       `-- binder, with the links that it accepted

An example. A timeout cancels the body in the middle of ``send``. The engine is shielded, so its
tasks go on. ``__aexit__`` lets each link make one last write without waiting, stops the endpoints,
waits for the engine, and closes the outer nursery. Then the cancellation goes on its way up.

Endpoints end by themselves when they are told to, and each connection ends in its own cancel scope.
If the inner nursery were cancelled instead, trio would collect a `Cancelled` with its traceback for
every connection, in a group of thousands that it then takes apart again. So `Scope.stop` only says
that the end has come. When the last endpoint has ended, the inner scope is cancelled for what is
left: tasks in the *background*, which don't end by themselves.

So ``aclose`` from another task stops the engine and nothing else: the body goes on, and finds its
socket closed. And a shielded ``finally`` of the body can still send.

Exceptions: what the body raises leaves as the same object. trio's nursery wraps it in a group; if
that group holds nothing but it (and `trio.Cancelled`, which the nursery made itself), the group is
taken off. A crash of the engine is a bug of ours and leaves as `InternalError`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import TypeAlias

import trio

from trio_mq._errors import InternalError, leaves

Task: TypeAlias = Callable[[], Awaitable[None]]


class Scope:
    """The tasks of one socket, from ``__aenter__`` to ``__aexit__``.

    Args:
        name: The socket's class, for tracebacks.
        at_end: Called once, when every task has ended and nothing of theirs can change any more.
    """

    def __init__(self, name: str, at_end: Callable[[], None]) -> None:
        self._name = name
        self._at_end = at_end
        self._outer = trio.open_nursery()
        self._shield = trio.CancelScope(shield=True)
        self._inner: trio.Nursery | None = None
        self._waiting: list[tuple[Task, str]] = []
        #: Endpoints that have not ended, and whether they are told to.
        self._running = 0
        self._stopped = False
        #: Every task has ended, and ``at_end`` was called.
        self.ended = trio.Event()

    async def open(self) -> None:
        """Open the outer nursery, in the task that will close it."""
        nursery = await self._outer.__aenter__()
        nursery.start_soon(self._engine, name=f"trio_mq engine of {self._name}")

    def spawn(self, endpoint: Task, name: str) -> None:
        """Start the task of an endpoint, which ends when that is stopped."""
        self._running += 1
        self.spawn_in_background(partial(self._see_out, endpoint), name)
        if self._stopped:
            # It was being made while everything was stopped, so nobody else will tell it.
            self._shield.cancel()

    def spawn_in_background(self, task: Task, name: str) -> None:
        """Start a task that goes on until every endpoint has ended, once the engine has begun."""
        if self._inner is None:
            self._waiting.append((task, name))
        else:
            self._inner.start_soon(task, name=name)

    @trio.lowlevel.enable_ki_protection
    async def _see_out(self, endpoint: Task) -> None:
        try:
            await endpoint()
        finally:
            self._running -= 1
            if self._stopped:
                self.stop()

    def stop(self) -> None:
        """End every task; the endpoints are told to stop, and are waited for."""
        self._stopped = True
        if not self._running:
            self._shield.cancel()

    def end(self) -> None:
        """No task runs any more, or none ever did: say so."""
        try:
            self._at_end()
        finally:
            self.ended.set()

    async def close(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Stop every task and close the outer nursery: the end of ``__aexit__``.

        Returns:
            Whether the body's exception is suppressed: never, but for trio's own reasons.
        """
        self.stop()
        try:
            return bool(await self._outer.__aexit__(kind, error, traceback))
        except BaseExceptionGroup as group:
            others = [e for e in leaves(group) if not isinstance(e, trio.Cancelled)]
            # Compare leaves, not members: trio takes groups apart and builds new ones.
            known = {id(leaf) for leaf in leaves(error)} if error is not None else set()
            if error is not None and all(id(other) in known for other in others):
                return False
            if len(others) == 1 and isinstance(others[0], (InternalError, KeyboardInterrupt)):
                raise others[0] from others[0].__cause__
            raise

    @trio.lowlevel.enable_ki_protection
    async def _engine(self) -> None:
        try:
            with self._shield:
                async with trio.open_nursery() as self._inner:
                    for task, name in self._waiting:
                        self._inner.start_soon(task, name=name)
                    # A task that ends before the socket does must not be kept in memory by it.
                    self._waiting.clear()
                    await trio.sleep_forever()
        except Exception as crash:  # noqa: BLE001  # whatever it is, it is ours
            raise InternalError(
                f"{self._name} crashed, which is a bug of trio_mq: please report it"
            ) from _only(crash)
        finally:
            self._inner = None
            self.end()


def _only(error: BaseException) -> BaseException:
    """Return the exception inside groups that hold only one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
