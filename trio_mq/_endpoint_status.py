"""How an endpoint is doing, as a user sees it."""

from __future__ import annotations

import enum

import attrs


class EndpointState(enum.Enum):
    """What an endpoint is doing now."""

    #: Bound, and accepting connections.
    LISTENING = "listening"
    #: Resolving, connecting or shaking hands.
    CONNECTING = "connecting"
    #: A peer is there.
    CONNECTED = "connected"
    #: The last attempt failed or the connection was lost; it dials again after a pause.
    RETRYING = "retrying"
    #: Connected: the two ends don't understand each other; it dials again after a longer pause, and
    #: gets no messages meanwhile. Bound: every listener is broken, and nobody can come any more.
    FAILED = "failed"
    #: It writes what waits and will be gone.
    CLOSING = "closing"


@attrs.frozen(kw_only=True)
class EndpointStatus:
    """One bound or connected endpoint at one moment."""

    #: As ``bind`` or ``connect`` returned it.
    endpoint: str
    #: It was given to ``bind``, not to ``connect``.
    bound: bool
    state: EndpointState
    #: Why the last attempt or connection failed; ``None`` after a success.
    last_error: BaseException | None = None
    #: When it dials again, on trio's clock; ``None`` if it is not waiting to.
    next_retry: float | None = None
    #: Messages that wait to be written there.
    queued: int = 0
    #: Handshaken peers that it has brought and that are still there.
    peers: int = 0


#: The name until version 0.2; it goes with version 0.3.
Endpoint = EndpointStatus
