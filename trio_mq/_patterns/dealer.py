"""Dealer: to the next peer, and from each in turn (RFC 28)."""

from __future__ import annotations

from trio_mq._contract import AnyLink
from trio_mq._patterns.balanced import BalancedPattern
from trio_mq._patterns.pattern import greet
from trio_mq._pipes.pipe import Pipe
from trio_mq.zmtp import SocketType


class DealerPattern(BalancedPattern):
    """Load-balance out, fair-queue in, no envelope."""

    socket_type = SocketType.DEALER

    def connected(self, link: AnyLink, pipe: Pipe) -> None:  # noqa: ARG002  # every link
        """Send the hello message or the probe, if one is wanted."""
        greet(pipe, self.options)
