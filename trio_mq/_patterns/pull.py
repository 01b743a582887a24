"""Pull: collect results (RFC 30)."""

from __future__ import annotations

from trio_mq._patterns.pattern import Pattern
from trio_mq.zmtp import SocketType


class PullPattern(Pattern):
    """Fair-queue in; nothing goes out."""

    socket_type = SocketType.PULL
