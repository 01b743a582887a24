"""The frozen picture of a socket that users get."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from trio_mq._peer import PeerStatistics
from trio_mq._tally import TrafficStatistics


@attrs.frozen(kw_only=True)
class SocketStatistics(TrafficStatistics):
    """The traffic of one socket with all its peers, past and present."""

    peers: tuple[PeerStatistics, ...]
    """The handshaken peers of this moment."""

    reconnects: int
    """Connections that followed a lost one, over all connected endpoints."""

    handshake_failures: Mapping[str, int]
    """Connections that did not survive their handshake, by reason."""

    tasks_waiting_send: int
    """Tasks that wait in ``send``."""

    tasks_waiting_receive: int
    """Tasks that wait in ``receive``."""
