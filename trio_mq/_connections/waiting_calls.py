"""Calls that wait for an endpoint, and raise when the socket is closed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from trio_mq._waiting import Closed


class WaitingCalls:
    """The calls on one socket's endpoints that are waiting now."""

    __slots__ = ("_closed", "_scopes")

    def __init__(self) -> None:
        self._scopes: set[trio.CancelScope] = set()
        #: Set when the socket is closed: what they raise from then on.
        self._closed: Closed | None = None

    @contextmanager
    def until_closed(self) -> Iterator[None]:
        """Run what a call waits for; if the socket is closed meanwhile, cancel that and raise."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            self.check()

    def check(self) -> None:
        """Raise if the socket was closed."""
        if self._closed is not None:
            raise self._closed.error()

    def refuse(self, closed: Closed) -> None:
        """Let every waiting call raise."""
        self._closed = closed
        for scope in self._scopes:
            scope.cancel()
