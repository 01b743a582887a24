"""The figures of a socket, without a look at each of its peers.

What was counted is kept for the socket as a whole. What waits, and what was put or taken since the
last count, is looked for only where it can be: in the pipes that have something to write, in those
of the fair queue's rotation, in those whose messages the pattern keeps, and in those through which
something has passed without waiting.
"""

from __future__ import annotations

from trio_mq._patterns.pattern import Pattern
from trio_mq._tally import TrafficFields, Waiting, traffic


def traffic_of(pattern: Pattern) -> TrafficFields:
    """Return the figures of this moment."""
    waiting, elsewhere = _look(pattern), pattern.waiting()
    total = pattern.ledger.total.copy()
    # What is in the return queue has no peer now, but it was accepted.
    total.accepted += elsewhere.out
    total.accepted_bytes += elsewhere.out_bytes
    return traffic(total, waiting + elsewhere)


def _look(pattern: Pattern) -> Waiting:
    """Count what was not counted yet, and return what waits in the pipes."""
    # Over inproc, what was put off moves now, which may empty pipes and fill others.
    for pipe in pattern.queue.readable():
        pipe.catch_up()
    pattern.ledger.count_late()
    total = Waiting()
    # In a fixed order, since what moves may depend on what moved before, and a seed has to repeat
    # it.
    looked_at = (*pattern.ledger.sending(), *pattern.queue.readable(), *pattern.keeping())
    for pipe in dict.fromkeys(looked_at):
        pipe.figures()
        total += pipe.waiting()
    return total
