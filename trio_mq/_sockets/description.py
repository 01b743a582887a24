"""A socket in one line, as `repr` shows it: its endpoints, its peers, and what waits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final

from trio_mq._endpoint_status import EndpointStatus
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.pipe import Pipe

#: If there are more endpoints than this, only their number is told.
_SHOWN: Final = 5


def described(name: str, state: str, endpoints: Sequence[EndpointStatus], pattern: Pattern) -> str:
    """Return the representation of a socket; looking changes nothing.

    Args:
        name: Its class.
        state: How far it has come in life.
        endpoints: Those that it has.
        pattern: Knows its pipes.
    """
    ledger = pattern.ledger
    shown = [_endpoint(status) for status in islice(endpoints, _SHOWN)]
    if len(endpoints) > _SHOWN:
        shown.append(f"and {len(endpoints) - _SHOWN} more")
    words = [name, state, *shown]
    return f"<{' '.join(words)}; {', '.join(_figures(len(ledger.links), ledger.busy, pattern))}>"


def _endpoint(status: EndpointStatus) -> str:
    way = "bind" if status.bound else "connect"
    queued = f", {status.queued} queued" if status.queued else ""
    return f"{way}={status.endpoint} ({status.state.value}{queued})"


def _figures(peers: int, busy: Collection[Pipe], pattern: Pattern) -> Iterator[str]:
    yield f"{peers} {'peer' if peers == 1 else 'peers'}"
    full = sum(pipe.outbound.blocked for pipe in busy)
    if full:
        yield f"{full} full"
    if returned := pattern.returned:
        yield f"{returned} returned"
    unread = sum(pipe.inbound.count for pipe in pattern.queue.readable())
    if unread:
        yield f"{unread} to receive"
