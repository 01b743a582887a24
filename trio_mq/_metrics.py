"""Figures of sockets for metrics systems, which ask from threads of their own.

Sockets belong to a trio thread. A collector runs in a thread of its library, so it visits the trio
thread for a moment and brings plain numbers back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs
import trio

from trio_mq._admin import sockets
from trio_mq._context import Context, default_context
from trio_mq._sockets.socket import Socket
from trio_mq._statistics import SocketStatistics

#: The label for all further words, where a program may invent any number of them.
_OTHER: Final = "other"
_MOST_REASONS: Final = 100


@attrs.frozen
class Figures:
    """The figures of the sockets that have one name."""

    name: str
    """The class, and the first endpoint if there is one: ``Push tcp://10.0.0.7:5555``."""

    endpoint: str
    """The first endpoint, or nothing."""

    peers: int
    statistics: tuple[SocketStatistics, ...]

    def total(self, field: str) -> int:
        """Return the sum of a plain figure."""
        return sum(int(getattr(each, field)) for each in self.statistics)

    def highest(self, field: str) -> int:
        """Return the largest of a figure."""
        return max(int(getattr(each, field)) for each in self.statistics)

    def by_reason(self, field: str) -> dict[str, int]:
        """Return the sums of a figure that is split by reason."""
        counts: Counter[str] = Counter()
        for each in self.statistics:
            for reason, count in getattr(each, field).items():
                name = str(getattr(reason, "value", reason))
                known = name in counts or len(counts) < _MOST_REASONS
                counts[name if known else _OTHER] += count
        return dict(counts)


class Source:
    """Where collectors get their figures, in whatever thread they run.

    Args:
        context: Whose sockets; ``None``: those of the default context of this trio run.
    """

    def __init__(self, context: Context | None) -> None:
        self._context = context or default_context()
        self._token = trio.lowlevel.current_trio_token()

    def figures(self) -> list[Figures]:
        """Return the figures of this moment; none if the run is over."""
        if _runs_here(self._token):
            return list(self._take())
        try:
            return trio.from_thread.run_sync(lambda: list(self._take()), trio_token=self._token)
        except trio.RunFinishedError:
            return []

    def _take(self) -> Iterator[Figures]:
        named: dict[tuple[str, str], list[Socket]] = {}
        for socket in sockets(self._context):
            endpoint = next((status.endpoint for status in socket.endpoints), "")
            named.setdefault((type(socket).__name__, endpoint), []).append(socket)
        for (kind, endpoint), alike in named.items():
            yield Figures(
                name=f"{kind} {endpoint}".rstrip(),
                endpoint=endpoint,
                peers=sum(len(socket.peers) for socket in alike),
                statistics=tuple(socket.statistics() for socket in alike),
            )


def _runs_here(token: trio.lowlevel.TrioToken) -> bool:
    try:
        return trio.lowlevel.current_trio_token() is token
    except RuntimeError:
        return False
