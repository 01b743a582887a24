"""Replies that have come and that no task has claimed yet."""

from __future__ import annotations

from collections.abc import Collection

from trio_mq._message import size_of
from trio_mq._patterns.exchange import Exchange
from trio_mq._pipes.budget import ReceiveBudget, cost_of
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason
from trio_mq._waiting import Closed


class Unclaimed:
    """Keeps replies, each at its exchange, and counts them where they came from.

    Args:
        budget: That of the socket; they take their share of it.
    """

    def __init__(self, budget: ReceiveBudget) -> None:
        self._budget = budget
        #: Each with what it takes of the budget.
        self._exchanges: dict[Exchange, int] = {}

    def keep(self, exchange: Exchange) -> None:
        """Keep a reply until it is claimed; if a task waits for it, it is as good as read."""
        assert exchange.pipe is not None and exchange.reply is not None  # noqa: S101, PT018  # it came
        size = size_of(exchange.reply)
        exchange.pipe.inbound.keep(size)
        cost = 0 if exchange.watched is not None else cost_of([exchange.reply], size)
        self._exchanges[exchange] = cost
        self._budget.take(cost)

    def let_go(self, exchange: Exchange, dropped: DropReason | None = None) -> None:
        """Keep the reply no longer, if there is one that nobody has claimed."""
        cost = self._exchanges.pop(exchange, None)
        if cost is None:
            return
        assert exchange.pipe is not None and exchange.reply is not None  # noqa: S101, PT018  # it kept it
        if cost:
            self._budget.give_back(cost)
        exchange.pipe.inbound.let_go(size_of(exchange.reply), dropped)

    def pipes(self) -> Collection[Pipe]:
        """Return the pipes that they came from."""
        return {exchange.pipe for exchange in self._exchanges if exchange.pipe is not None}

    def drop_all(self, closed: Closed) -> None:
        """Drop them: the socket closes, and whoever claims one gets an error."""
        for exchange in tuple(self._exchanges):
            exchange.error = closed.error()
            self.let_go(exchange, DropReason.CLOSED)
