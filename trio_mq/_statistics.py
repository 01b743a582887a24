"""The frozen picture of a socket that users get."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from trio_mq._peer import PeerStatistics
from trio_mq._tally import TrafficStatistics


@attrs.frozen(kw_only=True)
class SocketStatistics(TrafficStatistics):
    """The traffic of one socket with all its peers, past and present."""

    #: The handshaken peers of this moment.
    peers: tuple[PeerStatistics, ...]
    #: Connections that followed a lost one, over all connected endpoints.
    reconnects: int
    #: Connections that did not survive their handshake, by reason.
    handshake_failures: Mapping[str, int]
    #: Tasks waiting in ``send`` and in ``receive``.
    tasks_waiting_send: int
    tasks_waiting_receive: int
