"""The frozen picture of a socket that users get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

import attrs

from trio_mq._peer import Peer, PeerStatistics
from trio_mq._tally import TrafficStatistics


class EachPeer(Sequence[PeerStatistics]):
    """The figures of each peer of one moment, made when somebody looks at them.

    Args:
        peers: The peers of that moment.
    """

    __slots__ = ("_peers",)

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers

    def __repr__(self) -> str:
        return f"<figures of {len(self._peers)} peers>"

    def __len__(self) -> int:
        return len(self._peers)

    @overload
    def __getitem__(self, index: int) -> PeerStatistics: ...
    @overload
    def __getitem__(self, index: slice) -> EachPeer: ...
    def __getitem__(self, index: int | slice) -> PeerStatistics | EachPeer:
        if isinstance(index, slice):
            return EachPeer(self._peers[index])
        return self._peers[index].statistics()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (tuple, EachPeer)):
            return NotImplemented
        return tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # what it shows changes


@attrs.frozen(kw_only=True)
class SocketStatistics(TrafficStatistics):
    """The traffic of one socket with all its peers, past and present."""

    peers: Sequence[PeerStatistics]
    """The handshaken peers of this moment, in order of arrival. The figures of each are made when
    you look at it, and are those of that later moment: what nobody looks at costs nothing.
    """

    reconnects: int
    """Connections that followed a lost one, over all connected endpoints."""

    handshake_failures: Mapping[str, int]
    """Connections that did not survive their handshake, by reason."""

    disconnects: Mapping[str, int]
    """Connections that ended after their handshake, by reason: see `Disconnected.reason`."""

    tasks_waiting_send: int
    """Tasks that wait in ``send``."""

    tasks_waiting_receive: int
    """Tasks that wait in ``receive``."""

    receive_budget_used: int
    """Bytes of memory that what waits to be received takes, as `Limits.receive_budget` counts them:
    whole messages with what they cost in addition to their payload, and unfinished ones.
    """

    reading_stopped: bool
    """The budget is used up: nothing more is read until the program receives."""
