"""The names of ``inproc://``: who is bound to one, and who waits for it to be bound.

There are no bytes here and no tasks. A connector is introduced to the binder of its name at once
if there is one, and otherwise when the name is bound. What the two do then is the business of the
connection layer.

Messages can't go from one trio run to another in this way: a socket that connected to a name of
another run would wait for ever. So that is an error, if the two runs share a context, or if both
use the default contexts of their runs. Contexts that a program makes keep names apart.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol
from weakref import WeakSet

import attrs
import trio


class NameHolder(Protocol):
    """Whatever the connection layer binds to a name; here it is only passed on."""

    @property
    def endpoint(self) -> str:
        """The name, as its user knows it."""


class Connector(Protocol):
    """Somebody who connects to a name."""

    def found(self, binder: NameHolder) -> None:
        """The name is bound: meet its binder."""

    def bound_elsewhere(self, error: RuntimeError) -> None:
        """The name is bound in another trio run, where messages can't go."""


@attrs.frozen(eq=False, repr=False)
class _Bound:
    binder: NameHolder
    run: trio.lowlevel.TrioToken


@attrs.frozen(eq=False, repr=False)
class _Pending:
    connector: Connector
    run: trio.lowlevel.TrioToken


#: The namespaces of contexts that belong to runs, so that one can find names in another; and their
#: lock.
_of_runs: Final[WeakSet[Namespace]] = WeakSet()
_of_runs_lock: Final = threading.Lock()


class Namespace:
    """Names of one context; safe to use from the threads of several trio runs.

    It is true while a name is bound, or somebody waits for one.

    Args:
        of_a_run: The context is that of a run, and was not made by a program to keep names apart.
    """

    def __init__(self, *, of_a_run: bool = False) -> None:
        self._lock = threading.Lock()
        self._of_a_run = of_a_run
        if of_a_run:
            with _of_runs_lock:
                _of_runs.add(self)
        self._bound: dict[str, _Bound] = {}
        self._pending: dict[str, deque[_Pending]] = {}

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._bound or self._pending)

    @trio.lowlevel.enable_ki_protection
    def bind(self, name: str, binder: NameHolder) -> None:
        """Bind a name, and introduce those of this run who wait for it, oldest first.

        Raises:
            OSError: ``EADDRINUSE``, the name is bound already.
        """
        run = trio.lowlevel.current_trio_token()
        with self._lock:
            if name in self._bound:
                raise OSError(errno.EADDRINUSE, f"inproc://{name} is bound already in this context")
            self._bound[name] = _Bound(binder, run)
            waiting = self._pending.pop(name, deque())
            others = deque(pending for pending in waiting if pending.run is not run)
            if others:
                self._pending[name] = others
        for pending in waiting:
            if pending.run is run:
                pending.connector.found(binder)
        for names in self._related():
            names.tell_others(name, run)

    def tell_others(self, name: str, run: trio.lowlevel.TrioToken) -> None:
        """Tell those of other runs who wait for a name that it is bound in this one."""
        with self._lock:
            others = [one for one in self._pending.get(name, ()) if one.run is not run]
        for one in others:
            with contextlib.suppress(trio.RunFinishedError):
                one.run.run_sync_soon(one.connector.bound_elsewhere, _elsewhere(name))

    def _related(self) -> Iterator[Namespace]:
        """Yield this namespace and the others in which a program would look for the same names."""
        yield self
        if self._of_a_run:
            with _of_runs_lock:
                others = [names for names in _of_runs if names is not self]
            yield from others

    def run_of(self, name: str) -> trio.lowlevel.TrioToken | None:
        """Return the run in which a name is bound here; ``None`` if it is not."""
        with self._lock:
            bound = self._bound.get(name)
        return bound.run if bound is not None else None

    @trio.lowlevel.enable_ki_protection
    def is_bound(self, name: str) -> bool:
        """Tell whether somebody is bound to a name."""
        with self._lock:
            return name in self._bound

    @trio.lowlevel.enable_ki_protection
    def unbind(self, name: str) -> None:
        """Free a name; connections made through it are not touched."""
        with self._lock:
            self._bound.pop(name, None)

    @trio.lowlevel.enable_ki_protection
    def connect(self, name: str, connector: Connector) -> None:
        """Introduce the connector to the binder of a name, now or when there is one.

        Raises:
            RuntimeError: The name is bound in another trio run, where messages can't go.
        """
        run = trio.lowlevel.current_trio_token()
        with self._lock:
            bound = self._bound.get(name)
        if bound is not None and bound.run is run:
            connector.found(bound.binder)
            return
        if any(names.run_of(name) not in (None, run) for names in self._related()):
            raise _elsewhere(name)
        self.wait(name, connector)

    @trio.lowlevel.enable_ki_protection
    def wait(self, name: str, connector: Connector) -> None:
        """Introduce the connector to whoever binds the name next."""
        run = trio.lowlevel.current_trio_token()
        with self._lock:
            self._pending.setdefault(name, deque()).append(_Pending(connector, run))

    @trio.lowlevel.enable_ki_protection
    def forget(self, name: str, connector: Connector) -> None:
        """Stop waiting for a name."""
        with self._lock:
            waiting = self._pending.get(name, deque())
            left = deque(pending for pending in waiting if pending.connector is not connector)
            if left:
                self._pending[name] = left
            else:
                self._pending.pop(name, None)


def _elsewhere(name: str) -> RuntimeError:
    return RuntimeError(
        f"inproc://{name} is bound in another trio run, and inproc joins sockets of one run: use "
        "tcp:// or ipc:// between threads, or a Context for each if they are to be apart"
    )
