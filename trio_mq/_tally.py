"""What was counted: the running tallies, and the frozen pictures of them that users get.

Two equations hold at every moment, per pipe and per socket, and the tests check them:

* accepted = waiting + written + dropped, for messages on their way out;
* decoded = delivered + waiting + dropped, for messages on their way in.

Whatever is counted for a pipe is counted for its socket in the same moment. Each has a tally of its
own, so that the figures of a socket cost the same for ten peers and for ten thousand. For what was
not counted yet, only pipes in which something waits are looked at.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, TypedDict

import attrs


class DropReason(enum.Enum):
    """Why a message went no further."""

    HIGH_WATER_MARK = "high_water_mark"
    """The queue for that peer was full."""

    NO_PEER = "no_peer"
    """There was nobody to send it to."""

    UNROUTABLE = "unroutable"
    """It named a routing id, or answered a requester, that is not here."""

    PEER_LEFT = "peer_left"
    """It waited for a peer that went away for good."""

    CONNECTION_LOST = "connection_lost"
    """Its connection broke while it was being written, twice."""

    CONFLATED = "conflated"
    """A newer message took its place."""

    EXPIRED = "expired"
    """It waited longer than ``message_lifetime`` allows."""

    DECLINED = "declined"
    """A service declined the request, or its handler failed: it is the reply that was dropped."""

    FILTERED = "filtered"
    """Nobody subscribed to it, or it was not asked for."""

    MALFORMED = "malformed"
    """It lacks the form of a request: an empty frame, and a body after it."""

    TOO_LARGE = "too_large"
    """It exceeded a size limit of ours, which ended the connection with its peer."""

    CLOSED = "closed"
    """The socket or the endpoint was closed."""


class Tally:
    """Messages and bytes counted so far, out and in, with what was dropped and why."""

    __slots__ = (
        "accepted",
        "accepted_bytes",
        "decoded",
        "decoded_bytes",
        "delivered",
        "dropped_in",
        "dropped_out",
        "peak_in",
        "peak_out",
        "written",
        "written_bytes",
    )

    def __init__(self) -> None:
        self.accepted: int = 0
        self.accepted_bytes: int = 0
        self.written: int = 0
        self.written_bytes: int = 0
        self.decoded: int = 0
        self.decoded_bytes: int = 0
        self.delivered: int = 0
        #: The longest that a queue, out and in, has ever been.
        self.peak_out: int = 0
        self.peak_in: int = 0
        # Most peers never lose a message: the counters are made with the first loss.
        self.dropped_out: Counter[DropReason] | None = None
        self.dropped_in: Counter[DropReason] | None = None

    def drop_out(self, reason: DropReason, count: int = 1) -> None:
        """Count messages that will not be written."""
        if self.dropped_out is None:
            self.dropped_out = Counter()
        self.dropped_out[reason] += count

    def drop_in(self, reason: DropReason, count: int = 1) -> None:
        """Count messages that will not be delivered."""
        if self.dropped_in is None:
            self.dropped_in = Counter()
        self.dropped_in[reason] += count

    def take_off_waiting(self, waiting: Waiting) -> None:
        """Count messages that wait as if they had not come yet."""
        self.accepted -= waiting.out
        self.accepted_bytes -= waiting.out_bytes
        self.decoded -= waiting.into
        self.decoded_bytes -= waiting.into_bytes

    def accept_and_drop(self, reason: DropReason, count: int = 1) -> None:
        """Count messages that were accepted, and dropped before they were in any queue."""
        self.accepted += count
        self.drop_out(reason, count)

    def withdraw(self, size: int) -> None:
        """Take an accepted message of this size off the books, as if it had never come."""
        self.accepted -= 1
        self.accepted_bytes -= size

    def copy(self) -> Tally:
        """Return the figures of this moment."""
        twin = Tally()
        twin.add(self)
        return twin

    def add(self, other: Tally, sign: int = 1) -> None:
        """Add (or, with ``sign=-1``, take off) the figures of another tally."""
        self.accepted += sign * other.accepted
        self.accepted_bytes += sign * other.accepted_bytes
        self.written += sign * other.written
        self.written_bytes += sign * other.written_bytes
        self.decoded += sign * other.decoded
        self.decoded_bytes += sign * other.decoded_bytes
        self.delivered += sign * other.delivered
        self.peak_out = max(self.peak_out, other.peak_out)
        self.peak_in = max(self.peak_in, other.peak_in)
        for reason, count in (other.dropped_out or {}).items():
            self.drop_out(reason, sign * count)
        for reason, count in (other.dropped_in or {}).items():
            self.drop_in(reason, sign * count)


@attrs.frozen(kw_only=True)
class TrafficStatistics:
    """Messages and bytes that went out and came in, since the beginning."""

    accepted: int
    """Messages that ``send`` accepted for writing."""

    accepted_bytes: int
    """Payload bytes of these."""

    written: int
    """Messages of which the kernel has taken the last byte."""

    written_bytes: int
    """Payload bytes of these."""

    waiting_to_send: int
    """Messages accepted and neither written nor dropped yet."""

    waiting_to_send_bytes: int
    """Payload bytes of these."""

    decoded: int
    """Messages that arrived whole. One that was refused for its size counts, as one of no bytes."""

    decoded_bytes: int
    """Payload bytes of these."""

    delivered: int
    """Messages that ``receive`` returned."""

    waiting_to_receive: int
    """Messages that arrived and were neither delivered nor dropped yet."""

    waiting_to_receive_bytes: int
    """Payload bytes of these."""

    peak_waiting_to_send: int
    """The most messages that have ever waited to be written to one peer: how near its queue has
    come to ``send_hwm``. The queue of a connected endpoint lives longer than its connections.
    """

    peak_waiting_to_receive: int
    """The most messages of one peer that have ever waited to be received."""

    dropped_outgoing: Mapping[DropReason, int]
    """Messages on their way out that went no further, by reason."""

    dropped_incoming: Mapping[DropReason, int]
    """Messages on their way in that went no further, by reason."""

    @property
    def dropped(self) -> Mapping[DropReason, int]:
        """Messages dropped in either direction, by reason."""
        return MappingProxyType(Counter(self.dropped_outgoing) + Counter(self.dropped_incoming))


@attrs.frozen
class Waiting:
    """What waits at one moment, in messages and bytes, out and in."""

    out: int = 0
    out_bytes: int = 0
    into: int = 0
    into_bytes: int = 0

    def __add__(self, other: Waiting) -> Waiting:
        return Waiting(
            self.out + other.out,
            self.out_bytes + other.out_bytes,
            self.into + other.into,
            self.into_bytes + other.into_bytes,
        )


class TrafficFields(TypedDict):
    """The fields of `TrafficStatistics`, to be spread into one of its kinds."""

    accepted: int
    accepted_bytes: int
    written: int
    written_bytes: int
    waiting_to_send: int
    waiting_to_send_bytes: int
    decoded: int
    decoded_bytes: int
    delivered: int
    waiting_to_receive: int
    waiting_to_receive_bytes: int
    peak_waiting_to_send: int
    peak_waiting_to_receive: int
    dropped_outgoing: Mapping[DropReason, int]
    dropped_incoming: Mapping[DropReason, int]


def traffic(tally: Tally, waiting: Waiting) -> TrafficFields:
    """Return the figures of a tally and of what waits, as fields of a statistics object."""
    return {
        "accepted": tally.accepted,
        "accepted_bytes": tally.accepted_bytes,
        "written": tally.written,
        "written_bytes": tally.written_bytes,
        "waiting_to_send": waiting.out,
        "waiting_to_send_bytes": waiting.out_bytes,
        "decoded": tally.decoded,
        "decoded_bytes": tally.decoded_bytes,
        "delivered": tally.delivered,
        "waiting_to_receive": waiting.into,
        "waiting_to_receive_bytes": waiting.into_bytes,
        "peak_waiting_to_send": tally.peak_out,
        "peak_waiting_to_receive": tally.peak_in,
        "dropped_outgoing": MappingProxyType(_nonzero(tally.dropped_out)),
        "dropped_incoming": MappingProxyType(_nonzero(tally.dropped_in)),
    }


def _nonzero(counts: Counter[DropReason] | None) -> dict[DropReason, int]:
    return {reason: count for reason, count in (counts or {}).items() if count}


class Counted(Protocol):
    """What is counted for one peer: the part of its pipe that concerns figures."""

    routing_id: bytes

    def catch_up(self) -> None:
        """Let an inproc connection do what it has put off; that may end it."""

    def figures(self) -> Tally:
        """Return the tally, up to date."""

    def waiting(self) -> Waiting:
        """Return what waits now."""
