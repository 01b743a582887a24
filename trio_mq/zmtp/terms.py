"""What all connections of one endpoint have in common, worked out once for all of them.

A server may accept thousands of connections, and neither its introduction nor its limits change
from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import attrs

from trio_mq._limits import Limits

from .decoder import FrameLimits, handshake_limits
from .events import PeerProperties
from .greeting import Greeting
from .mechanism import MechanismFactory
from .metadata import meet_peer, our_metadata, parse_metadata
from .socket_types import SocketType
from .traffic import traffic_limits

#: Introductions that are remembered, since thousands of peers may send the same one, and the bytes
#: that one has at most. Nothing is forgotten: once the memory is full, others take a little more
#: time.
_REMEMBERED: Final = 64
_SHORT: Final = 256


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Terms:
    """The terms on which we speak to any peer."""

    socket_type: SocketType
    mechanism: MechanismFactory
    limits: Limits
    #: How we introduce ourselves, and the 64 bytes before that.
    metadata: bytes
    greeting: bytes
    #: What a peer may send in the handshake.
    handshake: FrameLimits
    _max_frame_size: int | None
    _max_message_size: int | None
    _max_frames: int | None
    #: What it may send afterwards, by the bytes that its mechanism adds to each frame.
    _traffic: dict[int, FrameLimits] = attrs.field(init=False, factory=dict)
    _known: dict[tuple[bytes, tuple[int, int]], PeerProperties] = attrs.field(
        init=False, factory=dict
    )

    @classmethod
    def of(
        cls,
        socket_type: SocketType,
        *,
        routing_id: bytes,
        metadata: Mapping[str, bytes],
        mechanism: MechanismFactory,
        limits: Limits,
        max_frame_size: int | None,
        max_message_size: int | None,
        max_frames: int | None,
    ) -> Self:
        """Work them out; the arguments are those of `Connection`.

        Raises:
            ValueError: The routing id or a metadata name is not allowed.
        """
        return cls(
            socket_type=socket_type,
            mechanism=mechanism,
            limits=limits,
            metadata=our_metadata(socket_type, routing_id, metadata),
            greeting=Greeting(mechanism=mechanism.name, as_server=mechanism.as_server).encode(),
            handshake=handshake_limits(limits.max_handshake_frame),
            max_frame_size=max_frame_size,
            max_message_size=max_message_size,
            max_frames=max_frames,
        )

    def traffic(self, overhead: int) -> FrameLimits:
        """Return what a peer may send once messages flow."""
        known = self._traffic.get(overhead)
        if known is None:
            known = self._traffic[overhead] = traffic_limits(
                self.socket_type,
                self.limits,
                max_frame_size=self._max_frame_size,
                max_message_size=self._max_message_size,
                max_frames=self._max_frames,
                overhead=overhead,
            )
        return known

    def meet(self, introduction: bytes, version: tuple[int, int]) -> PeerProperties:
        """Return who a peer is that speaks this version and introduces itself like this.

        Raises:
            RemoteProtocolError: The introduction breaks the grammar or a limit, or something is
            missing.
            IncompatiblePeer: The two socket types do not go together.
        """
        known = self._known.get((introduction, version))
        if known is None:
            properties = parse_metadata(introduction, self.limits)
            known = meet_peer(self.socket_type, properties, version, self.mechanism.name)
            if len(introduction) <= _SHORT and len(self._known) < _REMEMBERED:
                self._known[introduction, version] = known
        return known
