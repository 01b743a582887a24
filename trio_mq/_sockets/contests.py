"""Who keeps a place that two claim: a routing id at a Router, or the only one of a Pair.

The holder is asked for a sign of life while the newcomer waits in its handshake. There is one
contest for a place at a time, and its verdict holds for all newcomers that come before it is over.
Otherwise each would ask the holder again, and could take the answer to an earlier question for its
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import trio

from trio_mq._contract import AnyLink
from trio_mq._patterns.pattern import Contested
from trio_mq._peer import Peer
from trio_mq._pipes.pipe import Pipe

#: Seconds in which the holder of a contested place must give a sign of life.
_SIGN_OF_LIFE: Final = 3.0


@attrs.define(eq=False, repr=False)
class _Contest:
    """A newcomer's claim to the place of another."""

    #: True: the holder was dead. ``None``: the newcomer left before that was known.
    won: bool | None = None
    over: trio.Event = attrs.field(factory=trio.Event)


class Contests:
    """The contests of one socket.

    Args:
        links: The connections by their peers.
    """

    def __init__(self, links: Mapping[Peer, AnyLink]) -> None:
        self._links = links
        self._running: dict[Pipe, _Contest] = {}

    async def decide(self, claim: Contested) -> None:
        """Find out whether the holder lives; return if the place is free, or may be.

        Raises:
            Refusal: The holder lives.
        """
        contest = self._running.get(claim.holder)
        if contest is None:
            contest = self._running[claim.holder] = _Contest()
            try:
                contest.won = not await self._lives(claim.holder)
            finally:
                del self._running[claim.holder]
                contest.over.set()
        else:
            await contest.over.wait()
        if contest.won is False:
            raise claim.refusal

    async def _lives(self, pipe: Pipe) -> bool:
        """Ask the holder of a place for a sign of life, and end it if there is none."""
        peer = pipe.peer
        link = self._links.get(peer) if peer is not None else None
        if peer is None or link is None or await link.shows_life(_SIGN_OF_LIFE):
            return True
        peer.disconnect("silent while a newcomer claimed its place")
        await peer.wait_closed()
        return False
