"""Calls that wait for an endpoint, and raise when the socket is closed meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio


class WaitingCalls:
    """The calls on one socket's endpoints that are waiting now."""

    __slots__ = ("_make_error", "_scopes")

    def __init__(self) -> None:
        self._scopes: set[trio.CancelScope] = set()
        #: What they raise once the socket is closed.
        self._make_error: Callable[[], BaseException] | None = None

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
        if self._make_error is not None:
            raise self._make_error()

    def refuse(self, make_error: Callable[[], BaseException]) -> None:
        """Let every waiting call raise."""
        self._make_error = make_error
        for scope in self._scopes:
            scope.cancel()
