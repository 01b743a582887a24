"""The namespace of ``inproc://`` and the holder of limits that sockets share."""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

import trio

from trio_mq._absent import refuse_names
from trio_mq._errors import TooManySockets, TooManyThreads
from trio_mq._pyzmq_names import CONTEXT
from trio_mq._transports.inproc import Namespace
from trio_mq._transports.schemes import KERNEL, Network

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from trio_mq.auth.request import Authenticator


ZAP_HANDLER: Final = "zeromq.zap.01"
"""Where a ZAP handler is asked about peers, as in libzmq: ``inproc://zeromq.zap.01`` (RFC 27)."""

_DEFAULT_MAX_SOCKETS: Final = 1023


class Context:
    """Sockets that share a namespace for ``inproc://`` and a limit on their number.

    Most programs need none: sockets made without one share the default context of their trio run.
    Make one to keep inproc names apart, or to set limits.

    Args:
        max_sockets: Open sockets at once, at least 1 (``ZMQ_MAX_SOCKETS``).
        max_threads: Threads that may use sockets of this context at the same time, each in a trio
            run of its own, at least 1 (``app_threads`` of ``zmq_init`` in 0MQ 2.0).

    Raises:
        ValueError: A limit is below 1.
        TypeError: A limit is no whole number.
    """

    #: Where its sockets listen and dial (the library's side).
    network: Network = KERNEL

    def __init__(
        self, *, max_sockets: int = _DEFAULT_MAX_SOCKETS, max_threads: int | None = None
    ) -> None:
        self.max_sockets: Final = _at_least_one("max_sockets", max_sockets)
        """Open sockets at once."""

        self.max_threads: Final = (
            None if max_threads is None else _at_least_one("max_threads", max_threads)
        )
        """Threads that may use sockets at the same time; ``None``: any number."""

        self._shared = Shared(self, self._make_namespace())

    def __repr__(self) -> str:
        return f"<Context {self.sockets}/{self.max_sockets} sockets, {self.threads} threads>"

    @property
    def sockets(self) -> int:
        """Sockets that are open now."""
        return len(self._shared.threads)

    @property
    def threads(self) -> int:
        """Threads that have an open socket now."""
        return len(set(self._shared.threads.values()))

    @staticmethod
    def _make_namespace() -> Namespace:
        return Namespace()


refuse_names(Context, CONTEXT)


class _ContextOfRun(Context):
    """The default context of a run; no program has made it."""

    @staticmethod
    def _make_namespace() -> Namespace:
        return Namespace(of_a_run=True)


class Shared:
    """What the sockets of one context share, as the library sees it: names, and who is open.

    Threads may share a context, so a lock guards each look and each change. It is held for a moment
    only, and Ctrl-C is kept out of that moment: it would leave the lock held for ever.
    """

    def __init__(self, context: Context, names: Namespace) -> None:
        self._context = context
        self._lock = threading.Lock()
        #: How many sockets have been opened, and the number of each that is still open.
        self._opened = 0
        self._numbers: dict[Hashable, int] = {}
        self.names: Final = names
        """The names that inproc endpoints are bound to."""

        self.threads: Final[dict[Hashable, int]] = {}
        """The open sockets, each with the thread that it is used in."""

    @trio.lowlevel.enable_ki_protection
    def check(self) -> None:
        """Refuse a socket that could not be opened in this thread now.

        Raises:
            TooManySockets: There are ``max_sockets`` already.
            TooManyThreads: This would be one thread more than ``max_threads``.
        """
        with self._lock:
            self._check(threading.get_ident())

    @trio.lowlevel.enable_ki_protection
    def register(self, socket: Hashable) -> None:
        """Count a socket that is being opened in this thread.

        Raises:
            TooManySockets: There are ``max_sockets`` already.
            TooManyThreads: This would be one thread more than ``max_threads``.
        """
        thread = threading.get_ident()
        with self._lock:
            self._check(thread)
            self.threads[socket] = thread
            self._opened += 1
            self._numbers[socket] = self._opened

    @trio.lowlevel.enable_ki_protection
    def unregister(self, socket: Hashable) -> None:
        """Forget a socket that was closed."""
        with self._lock:
            self.threads.pop(socket, None)
            self._numbers.pop(socket, None)

    @trio.lowlevel.enable_ki_protection
    def of_this_thread(self) -> dict[Hashable, int]:
        """Return the open sockets that may be used here, oldest first, each with its number."""
        thread = threading.get_ident()
        with self._lock:
            here = [socket for socket, owner in self.threads.items() if owner == thread]
            return {socket: self._numbers[socket] for socket in here}

    def zap_handler(self) -> Authenticator | None:
        """Return what asks the ZAP handler here, if one is bound."""
        return _askers[-1](self._context) if self.names.is_bound(ZAP_HANDLER) else None

    def _check(self, thread: int) -> None:
        most = self._context.max_sockets
        if len(self.threads) >= most:
            raise TooManySockets(
                f"the context holds {most} sockets already: close some, "
                "or use Context(max_sockets=…)"
            )
        threads = {thread, *self.threads.values()}
        most_threads = self._context.max_threads
        if most_threads is not None and len(threads) > most_threads:
            raise TooManyThreads(
                f"{len(threads)} threads would use a context made for {most_threads}: "
                "use Context(max_threads=…) or a context per thread"
            )


def shared_by(context: Context) -> Shared:
    """Return what the library knows of a context, and users do not need."""
    return context._shared  # noqa: SLF001  # the library's own door


def checked(context: Context) -> Context:
    """Return a context in which a socket could be opened in this thread now.

    Raises:
        TypeError: It is not a `Context`.
        TooManySockets: There are ``max_sockets`` already.
        TooManyThreads: This would be one thread more than ``max_threads``.
    """
    if not isinstance(context, Context):
        raise TypeError(f"context is a trio_mq.Context, not {context!r}")
    shared_by(context).check()
    return context


_askers: list[Callable[[Context], Authenticator]] = []
"""Asks a handler. That needs sockets, which stand some floors above, so `_exports` sets it."""


def ask_handlers_by(asker: Callable[[Context], Authenticator]) -> None:
    """Ask the handlers of contexts with this function."""
    _askers.append(asker)


def _at_least_one(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name}={value} is not allowed: give a whole number from 1 on")
    return value


_context_of_run: trio.lowlevel.RunVar[Context] = trio.lowlevel.RunVar("trio_mq context")


#: The context of tasks that run on a host of a test's network, and of their children.
_context_here: ContextVar[Context | None] = ContextVar("trio_mq context here", default=None)


@contextlib.contextmanager
def as_default(context: Context) -> Iterator[None]:
    """Make this the context of sockets that are opened in the block and are given none."""
    token = _context_here.set(context)
    try:
        yield
    finally:
        _context_here.reset(token)


def default_context() -> Context:
    """Return the context of this task, or else of this trio run."""
    if (here := _context_here.get()) is not None:
        return here
    try:
        return _context_of_run.get()
    except LookupError:
        context = _ContextOfRun()
        _context_of_run.set(context)
        return context
