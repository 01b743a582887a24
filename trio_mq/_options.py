"""Everything that can be set on a socket or on one of its endpoints, checked where it is given.

`Options` is one frozen value per socket. An endpoint may override what concerns a connection
(`ENDPOINT_OPTIONS`) in ``bind`` or ``connect``; nothing changes under a live connection. Times
are seconds, sizes bytes, high-water marks messages per peer. ``None`` means none, unlimited or
never, as the field says.
"""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

import attrs

if TYPE_CHECKING:
    from trio_mq.zmtp import MechanismFactory

#: What Pub, XPub and Router do with a message for a peer whose queue is full.
OnFull: TypeAlias = Literal["drop_newest", "drop_oldest", "block", "disconnect"]
#: Which subscriptions an XPub reports: changes of the whole set, every subscribe, or everything.
Verbosity: TypeAlias = Literal["none", "subscribe", "all"]

KIB: Final = 1024
MIB: Final = 1024 * KIB

# Any: one validator serves fields of several types, and attrs.Attribute is invariant.
_Validator: TypeAlias = Callable[[object, "attrs.Attribute[Any]", object], None]


def _refuse(field: attrs.Attribute[Any], value: object, allowed: str) -> ValueError:
    return ValueError(f"{field.name}={value!r} is not allowed: give {allowed}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds(*, zero: bool = False, optional: bool = False) -> _Validator:
    """Check a duration: above zero (or from zero on), possibly ``None``, never NaN."""
    allowed = f"seconds {'from' if zero else 'above'} 0" + (" or None" if optional else "")

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not _is_number(value):
            raise TypeError(f"{field.name} is {allowed}, not {value!r}")
        number = cast("float", value)
        if math.isnan(number) or number < 0 or (number == 0 and not zero):
            raise _refuse(field, value, allowed)

    return check


def _count(*, lowest: int = 1, optional: bool = False) -> _Validator:
    """Check a whole number from ``lowest`` on, possibly ``None``."""
    allowed = f"a whole number from {lowest} on" + (", or None for unlimited" if optional else "")

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{field.name} is {allowed}, not {value!r}")
        if value < lowest:
            raise _refuse(field, value, allowed)

    return check


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{field.name} is True or False, not {value!r}")


def _one_of(choices: tuple[str, ...]) -> _Validator:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            raise _refuse(field, value, "one of " + ", ".join(map(repr, choices)))

    return check


def _routing_id(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{field.name} is bytes, not {value!r}")
    if len(value) > 255 or value[:1] == b"\x00":
        raise _refuse(field, value, "at most 255 bytes that do not start with a zero byte (RFC 28)")


def _frozen_metadata(value: Mapping[str, bytes | str]) -> Mapping[str, bytes]:
    if not isinstance(value, Mapping):
        raise TypeError(f"metadata is a mapping of 'X-…' names to bytes or str, not {value!r}")
    return MappingProxyType(
        {name: v.encode() if isinstance(v, str) else v for name, v in value.items()}
    )


_NAME_CHARACTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+"
)


def _metadata(_: object, field: attrs.Attribute[Any], value: Mapping[str, bytes]) -> None:
    for name, content in value.items():
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise TypeError(f"{field.name} maps 'X-…' names to bytes or str, not {name!r}")
        if not name.startswith("X-") or len(name) > 255 or not set(name) <= _NAME_CHARACTERS:
            raise _refuse(field, name, "names of the form X-…, of letters, digits and - _ . +")


def _heartbeat_ttl(_: object, field: attrs.Attribute[Any], value: object) -> None:
    _seconds(optional=True)(_, field, value)
    if value is not None and cast("float", value) > 65.5:
        # libzmq multiplies deciseconds by 100 in 16 bits: a longer time wraps there and kills us.
        raise _refuse(field, value, "at most 65.5 seconds: libzmq peers overflow above that")


@attrs.frozen(kw_only=True)
class Limits:
    """What a peer may make us hold or do, beyond the limits that are options of their own.

    The defaults suit ordinary programs and stop every known way to exhaust one; a connection that
    exceeds a limit is closed with an event that names it. `Limits.hardened()` is for sockets that
    face strangers.
    """

    #: Bytes of one frame before the handshake is done.
    max_handshake_frame: int = attrs.field(default=16 * KIB, validator=_count())
    #: Bytes of all metadata properties of a peer together.
    max_metadata_bytes: int = attrs.field(default=8 * KIB, validator=_count())
    #: Number of metadata properties of a peer.
    max_metadata_properties: int = attrs.field(default=64, validator=_count())
    #: Bytes of one metadata value.
    max_metadata_value: int = attrs.field(default=4 * KIB, validator=_count())
    #: Connections of one listener that have not finished their handshake.
    max_half_open: int = attrs.field(default=256, validator=_count())
    #: Unknown but well-formed commands on one connection.
    max_unknown_commands: int = attrs.field(default=100, validator=_count(lowest=0))
    #: Distinct topics of one peer.
    max_subscriptions: int = attrs.field(default=100_000, validator=_count())
    #: Bytes of the distinct topics of one peer together.
    max_subscription_bytes: int = attrs.field(default=8 * MIB, validator=_count())
    #: Bytes of one topic.
    max_topic_length: int = attrs.field(default=8 * KIB, validator=_count(lowest=0))
    #: Subscriptions of all peers of one socket.
    max_subscriptions_total: int = attrs.field(default=1_000_000, validator=_count())
    #: Distinct topic lengths of one socket: each costs every published message one look-up.
    max_topic_lengths: int = attrs.field(default=256, validator=_count())
    #: PINGs a second that a peer may send for long, and how many at once.
    max_pings_per_second: float = attrs.field(default=100.0, validator=_seconds())
    max_ping_burst: int = attrs.field(default=200, validator=_count())
    #: The shortest time to live that a peer's PING can impose on us, in seconds.
    min_remote_ttl: float = attrs.field(default=1.0, validator=_seconds())
    #: Messages on a socket type that never reads them, before the connection is closed.
    max_unexpected_messages: int = attrs.field(default=16, validator=_count(lowest=0))
    #: Seconds without a byte inside an unfinished frame; ``None`` waits for ever.
    frame_progress_timeout: float | None = attrs.field(
        default=None, validator=_seconds(optional=True)
    )

    @classmethod
    def hardened(cls) -> Limits:
        """Return tight limits, for sockets that face strangers."""
        return cls(
            max_handshake_frame=4 * KIB,
            max_metadata_bytes=2 * KIB,
            max_metadata_properties=16,
            max_metadata_value=1 * KIB,
            max_half_open=64,
            max_unknown_commands=0,
            max_subscriptions=1_000,
            max_subscription_bytes=256 * KIB,
            max_topic_length=255,
            max_subscriptions_total=100_000,
            max_topic_lengths=64,
            max_pings_per_second=10.0,
            max_ping_burst=20,
            min_remote_ttl=5.0,
            max_unexpected_messages=0,
            frame_progress_timeout=30.0,
        )


def _limits(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Limits):
        raise TypeError(f"{field.name} is a trio_mq.Limits, not {value!r}")


def _or_default_max_peers(value: int | None) -> int:
    """Leave the program some descriptors of its own, whatever connects to us."""
    if value is not None:
        return value
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 4096
    return max(16, min(4096, soft - 64))


@attrs.frozen(kw_only=True)
class Options:
    """Every option of a socket with its default; the documentation of each is its comment."""

    #: The name under which a Router peer knows us, at most 255 bytes; empty: it invents one.
    routing_id: bytes = attrs.field(default=b"", validator=_routing_id)

    # -- queues, per peer --
    #: Messages that wait to be written before a send waits or drops; ``None`` is unlimited.
    send_hwm: int | None = attrs.field(default=1000, validator=_count(optional=True))
    #: Messages that wait to be received before we stop reading; ``None`` is unlimited.
    receive_hwm: int | None = attrs.field(default=1000, validator=_count(optional=True))
    #: The same in bytes; over by at most one message.
    send_hwm_bytes: int | None = attrs.field(default=64 * MIB, validator=_count(optional=True))
    receive_hwm_bytes: int | None = attrs.field(default=16 * MIB, validator=_count(optional=True))
    #: Keep only the last whole message per peer, in both directions.
    conflate: bool = attrs.field(default=False, validator=_flag)

    # -- sizes of one message --
    #: Bytes of all frames together; a peer that sends more is disconnected.
    max_message_size: int | None = attrs.field(
        default=128 * MIB, validator=_count(optional=True, lowest=0)
    )
    #: Bytes of one frame.
    max_frame_size: int | None = attrs.field(
        default=64 * MIB, validator=_count(optional=True, lowest=0)
    )
    #: Frames of one message.
    max_frames: int | None = attrs.field(default=8192, validator=_count(optional=True))

    # -- connections --
    #: Seconds to write what waits when the socket or an endpoint closes; `math.inf` has no end.
    linger: float = attrs.field(default=10.0, validator=_seconds(zero=True))
    #: Do not count a connected endpoint as a peer before its handshake is done.
    immediate: bool = attrs.field(default=False, validator=_flag)
    #: First and longest upper bound of the random pause before a redial, in seconds.
    reconnect_interval: float = attrs.field(default=0.1, validator=_seconds())
    reconnect_interval_max: float = attrs.field(default=5.0, validator=_seconds())
    #: Seconds for one connection attempt over all addresses of a name; ``None``: the system's.
    connect_timeout: float | None = attrs.field(default=10.0, validator=_seconds(optional=True))
    #: Seconds from a connection to the end of its handshake.
    handshake_timeout: float = attrs.field(default=10.0, validator=_seconds())
    #: Seconds between PINGs; ``None`` sends none.
    heartbeat_interval: float | None = attrs.field(default=None, validator=_seconds(optional=True))
    #: Seconds without a byte after a PING before the connection is dropped; ``None``: the interval.
    heartbeat_timeout: float | None = attrs.field(default=None, validator=_seconds(optional=True))
    #: Seconds of silence after which the peer should drop us, sent with each PING.
    heartbeat_ttl: float | None = attrs.field(default=None, validator=_heartbeat_ttl)
    #: Connections that the kernel keeps for us before we accept them.
    backlog: int = attrs.field(default=1024, validator=_count())
    #: Kernel probes that find a peer whose host vanished; seconds, seconds, number.
    tcp_keepalive: bool = attrs.field(default=True, validator=_flag)
    tcp_keepalive_idle: int = attrs.field(default=60, validator=_count())
    tcp_keepalive_interval: int = attrs.field(default=10, validator=_count())
    tcp_keepalive_count: int = attrs.field(default=5, validator=_count())
    #: Kernel buffer sizes in bytes; ``None`` leaves the system's own tuning in charge.
    send_buffer: int | None = attrs.field(default=None, validator=_count(optional=True))
    receive_buffer: int | None = attrs.field(default=None, validator=_count(optional=True))
    #: Use IPv6 where the host has it.
    ipv6: bool = attrs.field(default=True, validator=_flag)
    #: Let several processes listen on one tcp port and share its connections.
    reuse_port: bool = attrs.field(default=False, validator=_flag)
    #: Handshaken connections at once; ``None``: 4096, or what the descriptor limit leaves.
    max_peers: int = attrs.field(default=None, converter=_or_default_max_peers, validator=_count())
    #: Properties of our own that peers can read, ``{"X-name": value}``.
    metadata: Mapping[str, bytes] = attrs.field(
        factory=dict, converter=_frozen_metadata, validator=_metadata
    )
    #: The security mechanism, such as `trio_mq.zmtp.Null`; ``None`` is NULL.
    mechanism: MechanismFactory | None = None
    #: Further bounds on what a peer may make us hold or do.
    limits: Limits = attrs.field(factory=Limits, validator=_limits)

    # -- patterns --
    #: Router: raise `Unroutable` where it would otherwise drop and count.
    mandatory: bool = attrs.field(default=False, validator=_flag)
    #: Router: a newcomer with a known routing id takes it over at once.
    handover: bool = attrs.field(default=False, validator=_flag)
    #: Req, Dealer, Router: send one empty message on each new connection.
    probe: bool = attrs.field(default=False, validator=_flag)
    #: Pub, XPub, Router: what to do when a peer's queue is full.
    on_full: OnFull = attrs.field(default="drop_newest", validator=_one_of(get_args(OnFull)))
    #: Req: put a request id before the delimiter and accept only the reply that repeats it.
    correlate: bool = attrs.field(default=False, validator=_flag)
    #: Push, Dealer: give what a lost peer did not get to another one.
    requeue: bool = attrs.field(default=True, validator=_flag)
    #: Pub, XPub, Sub: deliver what does not match instead of what does; set it on both ends.
    invert_matching: bool = attrs.field(default=False, validator=_flag)
    #: XPub: which subscriptions are reported.
    verbose: Verbosity = attrs.field(default="none", validator=_one_of(get_args(Verbosity)))
    #: XPub: subscriptions take effect only when the program accepts them.
    manual: bool = attrs.field(default=False, validator=_flag)
    #: XPub: the first message of every new subscriber.
    welcome_message: bytes | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(attrs.validators.instance_of(bytes)),
    )
