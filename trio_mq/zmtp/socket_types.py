"""The socket types, and which of them may talk to each other."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trio_mq._errors import IncompatiblePeer


class SocketType(enum.Enum):
    """What an end of a connection says that it is; the value is the name on the wire.

    The eleven types of RFC 28, 29, 30 and 31. ``DOWNSTREAM`` and ``UPSTREAM`` are the names that
    ``zmq_socket(3)`` of 0MQ 2.0 gave to ``PUSH`` and ``PULL``: the same members, not new ones.
    """

    REQ = "REQ"
    """Asks, and waits for the reply."""

    REP = "REP"
    """Answers one request after another."""

    DEALER = "DEALER"
    """Sends in turn to its peers, and receives from all of them."""

    ROUTER = "ROUTER"
    """Sends to the peer that the first frame names."""

    PUB = "PUB"
    """Sends to all who subscribed."""

    SUB = "SUB"
    """Receives what it subscribed to."""

    XPUB = "XPUB"
    """A PUB that sees its subscriptions."""

    XSUB = "XSUB"
    """A SUB that may send to its publishers."""

    PUSH = "PUSH"
    """Hands each message to one peer."""

    PULL = "PULL"
    """Takes messages from all its peers."""

    PAIR = "PAIR"
    """Talks with one peer only."""

    DOWNSTREAM = "PUSH"  # noqa: PIE796 - an alias is what it is meant to be
    """``PUSH`` in 0MQ 2.0."""

    UPSTREAM = "PULL"  # noqa: PIE796
    """``PULL`` in 0MQ 2.0."""

    #: Whether peers of this type send it subscriptions. Set below, once, because each message of a
    #: connection may ask.
    has_subscribers: bool
    #: Whether all that it sends are requests or replies.
    asks_or_answers: bool

    def may_talk_to(self, other: SocketType) -> bool:
        """Tell whether the two types make a legal pair (RFC 23, "Socket-Type")."""
        return other in LEGAL_PEERS[self]

    @property
    def announces_routing_id(self) -> bool:
        """Whether this type tells its peers a routing id, even an empty one, as libzmq does."""
        return self in (SocketType.REQ, SocketType.DEALER, SocketType.ROUTER)


for _each in SocketType:
    _each.has_subscribers = _each in (SocketType.PUB, SocketType.XPUB)
    _each.asks_or_answers = _each in (SocketType.REQ, SocketType.REP, SocketType.ROUTER)


def _pairs() -> Mapping[SocketType, tuple[SocketType, ...]]:
    t = SocketType
    return {
        t.REQ: (t.REP, t.ROUTER),
        t.REP: (t.REQ, t.DEALER),
        t.DEALER: (t.REP, t.DEALER, t.ROUTER),
        t.ROUTER: (t.REQ, t.DEALER, t.ROUTER),
        t.PUB: (t.SUB, t.XSUB),
        t.XPUB: (t.SUB, t.XSUB),
        t.SUB: (t.PUB, t.XPUB),
        t.XSUB: (t.PUB, t.XPUB),
        t.PUSH: (t.PULL,),
        t.PULL: (t.PUSH,),
        t.PAIR: (t.PAIR,),
    }


LEGAL_PEERS: Final = MappingProxyType(_pairs())
"""For each type, those it may talk to."""


def incompatible(ours: SocketType, theirs: str) -> IncompatiblePeer:
    """Return the error for a peer whose type, as it may be shown, does not go with ours."""
    allowed = " or ".join(peer.value for peer in LEGAL_PEERS[ours])
    return IncompatiblePeer(
        f"a {ours.value} socket cannot talk to a peer of type {theirs}: connect it to {allowed}"
    )
