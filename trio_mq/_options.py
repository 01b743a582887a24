"""Everything that can be set on a socket or on one of its endpoints, checked where it is given.

`Options` is one frozen value per socket. An endpoint may override what concerns a connection
(`ENDPOINT_OPTIONS`) in ``bind`` or ``connect``; nothing changes under a live connection. Times
are seconds, sizes bytes, high-water marks messages per peer. ``None`` means none, unlimited or
never, as the field says.
"""

from __future__ import annotations

import resource
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast, get_args

import attrs

from trio_mq._limits import MIB, Limits, Validator, count, refuse, seconds
from trio_mq._pyzmq_names import remedy
from trio_mq.auth.request import Authenticator
from trio_mq.zmtp import MechanismFactory
from trio_mq.zmtp.metadata import CORRELATE

#: What Pub, XPub and Router do with a message for a peer whose queue is full.
OnFull: TypeAlias = Literal["drop_newest", "drop_oldest", "block", "disconnect"]
#: Which subscriptions an XPub reports: changes of the whole set, every subscribe, or everything.
Verbosity: TypeAlias = Literal["none", "subscribe", "all"]


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{field.name} is True or False, not {value!r}")


def _one_of(choices: tuple[str, ...]) -> Validator:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            raise refuse(field, value, "one of " + ", ".join(map(repr, choices)))

    return check


def _routing_id(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{field.name} is bytes, not {value!r}")
    if len(value) > 255 or value[:1] == b"\x00":
        raise refuse(field, value, "at most 255 bytes that do not start with a zero byte (RFC 28)")


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
            raise refuse(field, name, "names of the form X-…, of letters, digits and - _ . +")
        if name.lower() == CORRELATE.lower():
            raise refuse(field, name, "any other name: this one is the library's own")


def _heartbeat_ttl(_: object, field: attrs.Attribute[Any], value: object) -> None:
    seconds(optional=True)(_, field, value)
    if value is not None and cast("float", value) > 65.5:
        # libzmq multiplies deciseconds by 100 in 16 bits: a longer time wraps there and kills us.
        raise refuse(field, value, "at most 65.5 seconds: libzmq peers overflow above that")


def _mechanism(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, type) or not _is_mechanism(value)):
        raise TypeError(
            f"{field.name} is an object such as auth.CurveServer(keys) or None, not {_named(value)}"
        )


def _is_mechanism(value: object) -> bool:
    return all(hasattr(value, name) for name in ("name", "as_server", "start"))


def _authenticator(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, type) or not callable(value)):
        raise TypeError(
            f"{field.name} is an async function, one of trio_mq.auth such as auth.ALLOW_ANY, "
            f"or None, not {_named(value)}"
        )


def _named(value: object) -> str:
    # Not its repr: who mistakes a key or a password for an option need not see it in the error.
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _zap_domain(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{field.name} is str, not {value!r}")
    if len(value.encode()) > 255:
        raise refuse(field, value, "at most 255 bytes (RFC 27)")


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
    send_hwm: int | None = attrs.field(default=1000, validator=count(optional=True))
    #: Messages that wait to be received before we stop reading; ``None`` is unlimited.
    receive_hwm: int | None = attrs.field(default=1000, validator=count(optional=True))
    #: The same in bytes; over by at most one message.
    send_hwm_bytes: int | None = attrs.field(default=64 * MIB, validator=count(optional=True))
    receive_hwm_bytes: int | None = attrs.field(default=16 * MIB, validator=count(optional=True))
    #: Keep only the last whole message per peer, in both directions.
    conflate: bool = attrs.field(default=False, validator=_flag)

    # -- sizes of one message --
    #: Bytes of all frames together; a peer that sends more is disconnected.
    max_message_size: int | None = attrs.field(
        default=128 * MIB, validator=count(optional=True, lowest=0)
    )
    #: Bytes of one frame.
    max_frame_size: int | None = attrs.field(
        default=64 * MIB, validator=count(optional=True, lowest=0)
    )
    #: Frames of one message.
    max_frames: int | None = attrs.field(default=8192, validator=count(optional=True))

    # -- connections --
    #: Seconds to write what waits when the socket or an endpoint closes; `math.inf` has no end.
    #: What is written needs none of it: the kernel goes on to send it.
    linger: float = attrs.field(default=10.0, validator=seconds(zero=True))
    #: Do not count a connected endpoint as a peer before its handshake is done.
    immediate: bool = attrs.field(default=False, validator=_flag)
    #: First and longest upper bound of the random pause before a redial, in seconds. It grows to
    #: the longest only when trouble has lasted: see :doc:`/explanation/reconnecting`.
    reconnect_interval: float = attrs.field(default=0.1, validator=seconds())
    reconnect_interval_max: float = attrs.field(default=5.0, validator=seconds())
    #: Seconds for one connection attempt over all addresses of a name; ``None``: the system's.
    connect_timeout: float | None = attrs.field(default=10.0, validator=seconds(optional=True))
    #: Seconds from a connection to the end of its handshake.
    handshake_timeout: float = attrs.field(default=10.0, validator=seconds())
    #: Seconds between PINGs; ``None`` sends none.
    heartbeat_interval: float | None = attrs.field(default=None, validator=seconds(optional=True))
    #: Seconds without a sign of life after a PING before the connection is dropped; ``None``: the
    #: interval. A peer that is busy with our messages is left alone (Linux; see "Reconnecting").
    heartbeat_timeout: float | None = attrs.field(default=None, validator=seconds(optional=True))
    #: Seconds of silence after which the peer should drop us, sent with each PING.
    heartbeat_ttl: float | None = attrs.field(default=None, validator=_heartbeat_ttl)
    #: Connections that the kernel keeps for us before we accept them.
    backlog: int = attrs.field(default=1024, validator=count())
    #: Find a peer whose host vanished: after idle + interval * count seconds without an
    #: acknowledgement, also with data on the way (Linux).
    tcp_keepalive: bool = attrs.field(default=True, validator=_flag)
    tcp_keepalive_idle: int = attrs.field(default=60, validator=count())
    tcp_keepalive_interval: int = attrs.field(default=10, validator=count())
    tcp_keepalive_count: int = attrs.field(default=5, validator=count())
    #: Kernel buffer sizes in bytes; ``None`` leaves the system's own tuning in charge.
    send_buffer: int | None = attrs.field(default=None, validator=count(optional=True))
    receive_buffer: int | None = attrs.field(default=None, validator=count(optional=True))
    #: Use IPv6 where the host has it.
    ipv6: bool = attrs.field(default=True, validator=_flag)
    #: Let several processes listen on one tcp port and share its connections.
    reuse_port: bool = attrs.field(default=False, validator=_flag)
    #: Handshaken connections at once; ``None``: 4096, or what the descriptor limit leaves.
    max_peers: int = attrs.field(default=None, converter=_or_default_max_peers, validator=count())
    #: Properties of our own that peers can read, ``{"X-name": value}``.
    metadata: Mapping[str, bytes] = attrs.field(
        factory=dict, converter=_frozen_metadata, validator=_metadata
    )
    #: The security mechanism, such as `auth.CurveServer`; ``None`` is NULL.
    mechanism: MechanismFactory | None = attrs.field(default=None, validator=_mechanism)
    #: Says which peers may come in: an async function, or one of `trio_mq.auth`. It is asked about
    #: peers that bound endpoints accept, and by servers of PLAIN and CURVE.
    authenticator: Authenticator | None = attrs.field(default=None, validator=_authenticator)
    #: A word that the authenticator is told, so that one can serve several sockets (RFC 27).
    zap_domain: str = attrs.field(default="", validator=_zap_domain)
    #: Further bounds on what a peer may make us hold or do.
    limits: Limits = attrs.field(factory=Limits, validator=_limits)

    # -- patterns --
    #: Router: raise `Unroutable` where it would otherwise drop and count.
    mandatory: bool = attrs.field(default=False, validator=_flag)
    #: Router: a newcomer with a known routing id takes it over at once, where it would otherwise be
    #: turned away as long as the holder's program exists.
    handover: bool = attrs.field(default=False, validator=_flag)
    #: Req, Dealer, Router: send one empty message on each new connection.
    probe: bool = attrs.field(default=False, validator=_flag)
    #: Pub, XPub, Router: what to do when a peer's queue is full.
    on_full: OnFull = attrs.field(default="drop_newest", validator=_one_of(get_args(OnFull)))
    #: Req: put a request id before the delimiter and accept only the reply that repeats it; for all
    #: peers, for none, or (``None``) where they say that they repeat it or nothing else is safe.
    correlate: bool | None = attrs.field(default=None, validator=attrs.validators.optional(_flag))
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


class ConnectionOptions(TypedDict, total=False):
    """What concerns a connection: options of every socket, and overrides of an endpoint.

    Each is a field of `trio_mq.Options`, which says what it means.
    """

    send_hwm: int | None
    receive_hwm: int | None
    send_hwm_bytes: int | None
    receive_hwm_bytes: int | None
    max_message_size: int | None
    max_frame_size: int | None
    max_frames: int | None
    linger: float
    immediate: bool
    reconnect_interval: float
    reconnect_interval_max: float
    connect_timeout: float | None
    handshake_timeout: float
    heartbeat_interval: float | None
    heartbeat_timeout: float | None
    heartbeat_ttl: float | None
    backlog: int
    tcp_keepalive: bool
    tcp_keepalive_idle: int
    tcp_keepalive_interval: int
    tcp_keepalive_count: int
    send_buffer: int | None
    receive_buffer: int | None
    ipv6: bool
    reuse_port: bool
    max_peers: int | None
    metadata: Mapping[str, bytes | str]
    mechanism: MechanismFactory | None
    authenticator: Authenticator | None
    zap_domain: str
    limits: Limits


def override(options: Options, endpoint: str, given: Mapping[str, object]) -> Options:
    """Return the options of an endpoint: the socket's, but for what is given.

    Raises:
        TypeError: An option that is no connection's, or a value of a wrong type.
        ValueError: A value that is not allowed.
    """
    if not given:
        return options
    check_names(f"endpoint {endpoint}", option_names(ConnectionOptions), given)
    return attrs.evolve(options, **given)  # type: ignore[arg-type]  # as in make_options


def option_names(options: type) -> frozenset[str]:
    return frozenset(options.__optional_keys__)  # type: ignore[attr-defined]  # of a TypedDict


def check_names(who: str, allowed: frozenset[str], given: Mapping[str, object]) -> None:
    for name in given:
        if name not in allowed:
            instead = remedy(name) if name not in option_fields() else None
            hint = instead or f"it has {', '.join(sorted(allowed))}"
            raise TypeError(f"{who} has no option {name!r}; {hint}")


def option_fields() -> frozenset[str]:
    """Return the names of all options of all kinds of sockets."""
    return frozenset(field.name for field in attrs.fields(Options))
