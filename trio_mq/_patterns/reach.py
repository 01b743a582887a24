"""Which endpoints of a Req can be reached: while one of them can, the others get no requests.

A connected endpoint can be chosen before it has a connection, so that a program may ask before the
service is up. Where there are several, that must not send half of the requests to a service that is
down. So an endpoint without a connection is *away* while another has one: it is not chosen, and the
requests that wait for it go to others. When no endpoint has a connection, none is away, and whoever
comes first gets what waits.

Accepted peers have a connection as long as they are there, and so are never away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from trio_mq._pipes.outbound import Hold
from trio_mq._pipes.pipe import Pipe


@attrs.frozen(eq=False)
class Change:
    """What follows for others when a connection comes or goes."""

    #: Pipes that must not be chosen from now on.
    away: tuple[Pipe, ...] = ()
    #: Pipes that may be chosen again.
    back: tuple[Pipe, ...] = ()


_NONE: Final = Change()


class Reach:
    """The pipes that may be chosen, with and without a connection."""

    def __init__(self) -> None:
        self._up: set[Pipe] = set()
        #: In the order of their endpoints.
        self._down: dict[Pipe, None] = {}

    def is_away(self, pipe: Pipe) -> bool:
        """Tell whether a pipe has no connection, and another has one."""
        return bool(self._up) and pipe in self._down

    def attach(self, pipe: Pipe) -> Change:
        """One more may be chosen."""
        if pipe.hold is Hold.LENT:
            return self.arrive(pipe)
        self._down[pipe] = None
        return _NONE

    def detach(self, pipe: Pipe) -> Change:
        """It can't be chosen any more."""
        self._down.pop(pipe, None)
        if pipe not in self._up:
            return _NONE
        self._up.discard(pipe)
        return _NONE if self._up else self._all_back()

    def arrive(self, pipe: Pipe) -> Change:
        """It has a connection now."""
        was_away, is_first = self.is_away(pipe), not self._up
        self._down.pop(pipe, None)
        self._up.add(pipe)
        if is_first:
            return Change(away=tuple(self._down))
        return Change(back=(pipe,)) if was_away else _NONE

    def leave(self, pipe: Pipe) -> Change:
        """It has no connection any more."""
        if pipe not in self._up:
            return _NONE
        self._up.discard(pipe)
        change = Change(away=(pipe,)) if self._up else self._all_back()
        self._down[pipe] = None
        return change

    def _all_back(self) -> Change:
        """Nobody has a connection: those that were away are as good as any."""
        return Change(back=tuple(self._down))

    def faults(self) -> Iterator[str]:
        """Say who is not where it should be; the debug mode asks."""
        for pipe in self._up:
            if pipe.hold is not Hold.LENT or not pipe.attached:
                yield f"{pipe!r} gets requests before others, and has no connection"
        for pipe in self._down:
            if not pipe.attached:
                yield f"{pipe!r} is no target, and is waited for"
