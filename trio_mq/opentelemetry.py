"""Metrics and trace context for OpenTelemetry: the extra ``trio-mq[opentelemetry]``.

`instrument` reports the sockets of a program by the semantic conventions for messaging. Messages
themselves stay as they are: a trace goes along only in those that you give to `with_trace`, since
that adds a frame, which the other end has to know of (`without_trace`).
"""

from __future__ import annotations

from trio_mq._opentelemetry import (
    Durations as Durations,
    instrument as instrument,
    with_trace as with_trace,
    without_trace as without_trace,
)

__all__ = ["Durations", "instrument", "with_trace", "without_trace"]

# Named as users import them.
for _thing in (Durations, instrument, with_trace, without_trace):
    _thing.__module__ = __name__
