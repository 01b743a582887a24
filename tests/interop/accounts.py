"""No message may be unaccounted for: the equations of a socket's statistics."""

from __future__ import annotations

import trio_mq


def assert_accounted_for(socket: trio_mq.Socket) -> trio_mq.SocketStatistics:
    """Check that every message was written, received, dropped with a reason, or waits."""
    figures = socket.statistics()
    outgoing = figures.waiting_to_send + figures.written + sum(figures.dropped_outgoing.values())
    incoming = (
        figures.waiting_to_receive + figures.delivered + sum(figures.dropped_incoming.values())
    )
    assert figures.accepted == outgoing, figures
    assert figures.decoded == incoming, figures
    return figures
