"""Which endpoints of a Req can be reached: while one of them can, the others get no requests.

A connected endpoint can be chosen before it has a connection, so that a program may ask before the
service is up. Where there are several, that must not send half of the requests to a service that is
down. So an endpoint without a connection is *away* while another has one: it is not chosen, and the
requests that wait for it go to others. When no endpoint has a connection, none is away, and whoever
comes first gets what waits.

Accepted peers have a connection as long as they are there, and so are never away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe


class Reach:
    """The pipes that may be chosen, with and without a connection.

    Args:
        away: Called with one that must not be chosen any more.
        back: Called with one that may be again.
    """

    def __init__(self, away: Callable[[Pipe], None], back: Callable[[Pipe], None]) -> None:
        self._away = away
        self._back = back
        self._up: set[Pipe] = set()
        #: In the order of their endpoints.
        self._down: dict[Pipe, None] = {}

    def is_away(self, pipe: Pipe) -> bool:
        """Tell whether a pipe has no connection, and another has one."""
        return bool(self._up) and pipe in self._down

    def attach(self, pipe: Pipe) -> None:
        """One more may be chosen."""
        if pipe.hold is Hold.LENT:
            self.arrive(pipe)
        else:
            self._down[pipe] = None

    def detach(self, pipe: Pipe) -> None:
        """It can't be chosen any more."""
        self._down.pop(pipe, None)
        if pipe in self._up:
            self._up.discard(pipe)
            self._look_for_others()

    def arrive(self, pipe: Pipe) -> None:
        """It has a connection now."""
        was_away, is_first = self.is_away(pipe), not self._up
        self._down.pop(pipe, None)
        self._up.add(pipe)
        if was_away:
            self._back(pipe)
        if is_first:
            for other in tuple(self._down):
                self._away(other)

    def leave(self, pipe: Pipe) -> None:
        """It has no connection any more."""
        if pipe not in self._up:
            return
        self._up.discard(pipe)
        self._look_for_others()
        self._down[pipe] = None
        if self._up:
            self._away(pipe)

    def _look_for_others(self) -> None:
        """If nobody is left, those that were away are as good as any."""
        if not self._up:
            for other in tuple(self._down):
                self._back(other)

    def faults(self) -> Iterator[str]:
        """Say who is not where it should be; the debug mode asks."""
        for pipe in self._up:
            if pipe.hold is not Hold.LENT or not pipe.attached:
                yield f"{pipe!r} gets requests before others, and has no connection"
        for pipe in self._down:
            if not pipe.attached:
                yield f"{pipe!r} is no target, and is waited for"
