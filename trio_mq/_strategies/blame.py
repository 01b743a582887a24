"""Which peer has to go when something that all peers share is used up.

Not the newest, or one peer could use it all up and lock out everybody else. And not the largest, or
many hostile peers with a little each could drive out a good one that has a little more. What counts
is how much a peer took *when the limit was near*, that is, after half of it was gone. A peer that
took its share while there was plenty has done nothing wrong.

Peers at one address count together: one program can open many connections, but it can't have many
addresses. Of the peers at the worst address, the one that took the most goes, and of equals the
newest.
"""

from __future__ import annotations

import ipaddress
from collections import Counter

from trio_mq._pipes.pipe import Pipe


class Blame:
    """What the peers of one socket have taken of one shared thing since its limit was near."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: Counter[Pipe] = Counter()

    def add(self, pipe: Pipe, count: int = 1) -> None:
        """The peer took ``count`` messages."""
        self._taken[pipe] += count

    def remove(self, pipe: Pipe, count: int = 1) -> None:
        """The peer gave ``count`` messages back: those of them that were on its account."""
        if pipe in self._taken:
            self._taken[pipe] -= count
            if self._taken[pipe] <= 0:
                del self._taken[pipe]

    def forget(self, pipe: Pipe) -> None:
        """The peer is gone, or about to go."""
        self._taken.pop(pipe, None)

    def culprit(self, newest: Pipe) -> Pipe:
        """Return who must go so that the newest can have one more; it may be the newest itself."""
        origin = _origin(newest)
        origins = {pipe: _origin(pipe) for pipe in self._taken}
        totals = Counter({origin: 1})
        for pipe, taken in self._taken.items():
            totals[origins[pipe]] += taken
        worst = max(totals, key=lambda each: (totals[each], each == origin))
        there = [pipe for pipe in self._taken if origins[pipe] == worst]
        most = max(there, key=self._taken.__getitem__, default=newest)
        if worst == origin and self._taken[most] <= self._taken[newest] + 1:
            return newest
        return most


def _origin(pipe: Pipe) -> str:
    """Return the address of a peer without its port: an IPv6 one by the network that it is in."""
    address = pipe.peer.address if pipe.peer is not None else ""
    host = address.rpartition(":")[0] or address
    if not host.startswith("["):
        return host
    try:
        number = ipaddress.IPv6Address(host.strip("[]"))
    except ValueError:
        return host
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return str(ipaddress.IPv6Network((number.packed, 64), strict=False))
