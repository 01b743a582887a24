"""How far a socket has come in its life, and what it has from its opening on."""

from __future__ import annotations

import enum

import attrs

from trio_mq._connections.registry import EndpointRegistry
from trio_mq._context import Context
from trio_mq._scope import Scope


class Life(enum.Enum):
    """How far a socket has come: it only ever goes on."""

    #: Calls are refused, because there are no tasks yet.
    NEW = "new"
    OPEN = "open"
    #: Calls are refused, and what waits is being written.
    CLOSING = "closing"
    #: Everything has been told to end, and perhaps has.
    CLOSED = "closed"


@attrs.frozen(eq=False, repr=False)
class Opened:
    """What a socket has from its opening on."""

    scope: Scope
    endpoints: EndpointRegistry
    context: Context
    #: The only thread that may use it.
    thread: int
