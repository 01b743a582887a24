"""The terms on which an endpoint speaks, worked out once instead of for each peer."""

from __future__ import annotations

from collections.abc import Mapping

from trio_mq._contract import SocketSide
from trio_mq._options import Options
from trio_mq.zmtp import Connection, Null, Role
from trio_mq.zmtp.metadata import CORRELATE
from trio_mq.zmtp.terms import Terms


class OurTerms:
    """Those of one endpoint.

    Args:
        owner: The socket, which says who we are; its name may change.
        options: Those of the endpoint.
    """

    __slots__ = ("_options", "_owner", "_routing_id", "_terms")

    def __init__(self, owner: SocketSide, options: Options) -> None:
        self._owner = owner
        self._options = options
        self._routing_id = b""
        self._terms: Terms | None = None

    def connection(self, role: Role) -> Connection:
        """Return the state of a new connection."""
        routing_id = self._owner.routing_id
        if self._terms is None or routing_id != self._routing_id:
            self._terms, self._routing_id = self._make_terms(routing_id), routing_id
        return Connection.on(self._terms, role)

    def _make_terms(self, routing_id: bytes) -> Terms:
        options = self._options
        return Terms.of(
            self._owner.socket_type,
            routing_id=routing_id,
            metadata=self._introduction(),
            mechanism=options.mechanism or Null(),
            limits=options.limits,
            max_frame_size=options.max_frame_size,
            max_message_size=options.max_message_size,
            max_frames=options.max_frames,
        )

    def _introduction(self) -> Mapping[str, bytes]:
        """Return what peers learn of us besides our type and our name."""
        if self._owner.correlates:
            return {CORRELATE: b"1", **self._options.metadata}
        return self._options.metadata
