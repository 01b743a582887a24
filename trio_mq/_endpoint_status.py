"""How an endpoint is doing, as a user sees it."""

from __future__ import annotations

import enum

import attrs


class EndpointState(enum.Enum):
    """What an endpoint is doing now."""

    LISTENING = "listening"
    """Bound, and accepting connections."""

    CONNECTING = "connecting"
    """Resolving, connecting or shaking hands."""

    CONNECTED = "connected"
    """A peer is there."""

    RETRYING = "retrying"
    """The last attempt failed or the connection was lost; it dials again after a pause."""

    FAILED = "failed"
    """Connected: the two ends don't understand each other; it dials again after a longer pause, and
    gets no messages meanwhile. Bound: every listener is broken, and nobody can come any more."""

    CLOSING = "closing"
    """It writes what waits and will be gone."""


@attrs.frozen(kw_only=True)
class EndpointStatus:
    """One bound or connected endpoint at one moment."""

    endpoint: str
    """As ``bind`` or ``connect`` returned it."""

    bound: bool
    """It was given to ``bind``, not to ``connect``."""

    state: EndpointState
    """What it is doing."""

    last_error: BaseException | None = None
    """Why the last attempt or connection failed; ``None`` after a success."""

    next_retry: float | None = None
    """When it dials again, on trio's clock; ``None`` if it is not waiting to."""

    queued: int = 0
    """Messages that wait to be written there."""

    peers: int = 0
    """Handshaken peers that it has brought and that are still there."""


Endpoint = EndpointStatus
"""The name until version 0.2; it goes with version 0.3."""
