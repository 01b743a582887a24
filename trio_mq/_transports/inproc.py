"""The names of ``inproc://``: who is bound to one, and who waits for it to be bound.

There are no bytes here and no tasks. A connector is introduced to the binder of its name at once
if there is one, and otherwise when the name is bound. What the two do with each other is the
business of the connection layer.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from typing import Protocol

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


@attrs.frozen
class _Bound:
    binder: NameHolder
    run: trio.lowlevel.TrioToken


@attrs.frozen
class _Pending:
    connector: Connector
    run: trio.lowlevel.TrioToken


class Namespace:
    """Names of one context; safe to use from the threads of several trio runs.

    It is true while a name is bound, or somebody waits for one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
        if bound is None:
            self.wait(name, connector)
            return
        if bound.run is not run:
            raise RuntimeError(
                f"inproc://{name} is bound in another trio run: inproc joins sockets of one run, "
                "use tcp:// or ipc:// between threads"
            )
        connector.found(bound.binder)

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
