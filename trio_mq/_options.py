"""Everything that can be set on a socket or on one of its endpoints, checked where it is given.

`Options` is one frozen value per socket. An endpoint may override what concerns a connection
(`ConnectionOptions`) in ``bind`` or ``connect``; nothing changes under a live connection. Times
are seconds, sizes bytes, high-water marks messages per peer. ``None`` means none, unlimited or
never, as the field says.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias, TypedDict, get_args

import attrs

from trio_mq import _option_checks as checks
from trio_mq._hardened import HardenedOptions, hardened
from trio_mq._limits import MIB, Limits, count, seconds
from trio_mq._pyzmq_names import remedy
from trio_mq.auth.request import Authenticator
from trio_mq.zmtp import MechanismFactory

OnFull: TypeAlias = Literal["drop_newest", "drop_oldest", "block", "disconnect"]
"""What Pub, XPub and Router do with a message for a peer whose queue is full."""

Balance: TypeAlias = Literal["turns", "least_queued"]
"""Which peer gets the next message of a Push or Dealer, among those with room."""

Verbosity: TypeAlias = Literal["none", "subscribe", "all"]
"""Which subscriptions an XPub reports: changes of the whole set, every subscribe, or everything."""


@attrs.frozen(kw_only=True)
class Options:
    """Every option of a socket, with its default.

    Give options as keywords of a socket class, such as ``Push(send_hwm=10)``; ``bind`` and
    ``connect`` take those that concern a connection. Each kind of socket takes the options that it
    has a use for, and refuses the others by name.
    """

    routing_id: bytes = attrs.field(default=b"", validator=checks.routing_id)
    """The name by which a Router peer knows us, at most 255 bytes; empty: it invents one."""

    # -- queues, per peer --

    send_hwm: int | None = attrs.field(default=1000, validator=count(optional=True))
    """Messages that may wait to be written before a send waits or drops; ``None`` is unlimited."""

    receive_hwm: int | None = attrs.field(default=1000, validator=count(optional=True))
    """Messages that may wait to be received before we stop reading; ``None`` is unlimited."""

    send_hwm_bytes: int | None = attrs.field(default=64 * MIB, validator=count(optional=True))
    """As ``send_hwm``, in bytes: the last message may exceed it. ``None`` is unlimited."""

    receive_hwm_bytes: int | None = attrs.field(default=16 * MIB, validator=count(optional=True))
    """As ``receive_hwm``, in bytes: the last message may exceed it. ``None`` is unlimited."""

    message_lifetime: float | None = attrs.field(default=None, validator=seconds(optional=True))
    """Seconds that an accepted message may wait to be written; ``None`` is unlimited. What waits
    longer is dropped, as `DropReason.EXPIRED`.

    The time runs from the ``send`` that accepted the message, and goes on while it moves from a
    lost peer to another; a message that waits for no peer has the socket's own limit. It ends when
    the kernel takes the first byte, however many frames there are; over inproc, when the other
    side's queue has room. What is written may still wait in the kernel and at the peer. Under
    encryption one message is sealed in advance and counts as begun. A request that is dropped so
    raises `RequestExpired`."""

    conflate: bool = attrs.field(default=False, validator=checks.flag)
    """Keep only the newest whole message per peer, in both directions."""

    # -- the size of one message --

    max_message_size: int | None = attrs.field(
        default=128 * MIB, validator=count(optional=True, lowest=0)
    )
    """Bytes of all frames together. A peer that sends more is disconnected; a send raises
    `MessageTooLarge`. ``None`` is unlimited."""

    max_frame_size: int | None = attrs.field(
        default=64 * MIB, validator=count(optional=True, lowest=0)
    )
    """Bytes of one frame, otherwise as ``max_message_size``."""

    max_frames: int | None = attrs.field(default=8192, validator=count(optional=True))
    """Frames of one message, otherwise as ``max_message_size``."""

    # -- connections --

    linger: float = attrs.field(default=10.0, validator=seconds(zero=True))
    """Seconds to write what waits when the socket or an endpoint closes; `math.inf` has no end.
    What the kernel has taken needs no time here: the kernel goes on sending it."""

    immediate: bool = attrs.field(default=False, validator=checks.flag)
    """Queue messages for a connected endpoint only when its handshake is done."""

    reconnect_interval: float = attrs.field(default=0.1, validator=seconds())
    """Seconds: the upper bound of the first random pause before an endpoint dials again."""

    reconnect_interval_max: float = attrs.field(default=5.0, validator=seconds())
    """Seconds: the upper bound of every such pause. Pauses grow to it only when trouble has lasted;
    see :doc:`/explanation/reconnecting`."""

    connect_timeout: float | None = attrs.field(default=10.0, validator=seconds(optional=True))
    """Seconds for one attempt to connect, over all addresses of a name; ``None``: the system's."""

    handshake_timeout: float = attrs.field(default=10.0, validator=seconds())
    """Seconds from a new connection to the end of its handshake."""

    heartbeat_interval: float | None = attrs.field(default=None, validator=seconds(optional=True))
    """Seconds between PINGs; ``None`` sends none."""

    heartbeat_timeout: float | None = attrs.field(default=None, validator=seconds(optional=True))
    """Seconds without a sign of life after a PING until the connection is dropped; ``None``: as
    ``heartbeat_interval``. A peer that is busy with our messages is left alone (on Linux; see
    :doc:`/explanation/reconnecting`)."""

    heartbeat_ttl: float | None = attrs.field(default=None, validator=checks.heartbeat_ttl)
    """Seconds of our silence after which the peer should drop us, sent with each PING; at most
    65.5. ``None`` asks for nothing."""

    backlog: int = attrs.field(default=1024, validator=count())
    """Connections that the kernel keeps for us until we accept them."""

    tcp_keepalive: bool = attrs.field(default=True, validator=checks.flag)
    """Let the kernel find a peer whose host vanished: after ``tcp_keepalive_idle`` +
    ``tcp_keepalive_interval`` * ``tcp_keepalive_count`` seconds without an acknowledgement, also
    with data on the way (on Linux)."""

    tcp_keepalive_idle: int = attrs.field(default=60, validator=count())
    """Seconds of silence before the kernel's first probe."""

    tcp_keepalive_interval: int = attrs.field(default=10, validator=count())
    """Seconds between the kernel's probes."""

    tcp_keepalive_count: int = attrs.field(default=5, validator=count())
    """Probes without an answer after which the kernel gives the connection up."""

    send_buffer: int | None = attrs.field(default=None, validator=count(optional=True))
    """Bytes of the kernel's buffer for sending; ``None`` leaves it to the system's own tuning."""

    receive_buffer: int | None = attrs.field(default=None, validator=count(optional=True))
    """Bytes of the kernel's buffer for receiving; ``None`` leaves it to the system's own tuning."""

    ipv6: bool = attrs.field(default=True, validator=checks.flag)
    """Use IPv6 where the host has it."""

    reuse_port: bool = attrs.field(default=False, validator=checks.flag)
    """Let several processes listen on one tcp port and share its connections."""

    ipc_mode: int | None = attrs.field(default=None, validator=checks.file_mode)
    """Who may connect to the file of a bound ``ipc://`` endpoint, as a mode for `os.chmod`.
    ``0o600`` is our own user, ``0o660`` its group too; ``None`` leaves it to the umask."""

    max_peers: int = attrs.field(
        default=None, converter=checks.or_default_max_peers, validator=count()
    )
    """Handshaken connections at once; ``None``: 4096, or what the limit on descriptors leaves."""

    metadata: Mapping[str, bytes] = attrs.field(
        factory=dict, converter=checks.frozen_metadata, validator=checks.metadata
    )
    """Properties of our own that peers can read, such as ``{"X-name": "value"}``."""

    mechanism: MechanismFactory | None = attrs.field(default=None, validator=checks.mechanism)
    """The security mechanism, such as `auth.CurveServer`; ``None`` is NULL."""

    authenticator: Authenticator | None = attrs.field(default=None, validator=checks.authenticator)
    """Says which peers may come in: an async function, or one of `trio_mq.auth`. It is asked about
    peers that bound endpoints accept, and by servers of PLAIN and CURVE."""

    zap_domain: str = attrs.field(default="", validator=checks.zap_domain)
    """A word that the authenticator is told, so that one can serve several sockets (RFC 27)."""

    tls_context: ssl.SSLContext | None = attrs.field(default=None, validator=checks.tls_context)
    """For ``tls://``: our certificate, and whom to trust. ``None`` trusts whom the system does, and
    can't listen."""

    limits: Limits = attrs.field(factory=Limits, validator=checks.limits)
    """Further bounds on what a peer may make us hold or do."""

    # -- patterns --

    mandatory: bool = attrs.field(default=False, validator=checks.flag)
    """Router: raise `Unroutable` where it would otherwise drop and count."""

    handover: bool = attrs.field(default=False, validator=checks.flag)
    """Router: a newcomer takes over a routing id that is in use at once; otherwise it is turned
    away as long as the holder's program exists."""

    probe: bool = attrs.field(default=False, validator=checks.flag)
    """Req, Dealer, Router: send one empty message on each new connection."""

    on_full: OnFull = attrs.field(default="drop_newest", validator=checks.one_of(get_args(OnFull)))
    """Pub, XPub, Router: what to do when a peer's queue is full. ``"drop_newest"`` drops and counts
    the message, ``"drop_oldest"`` makes room by dropping the oldest one, ``"block"`` lets the
    sender wait, and ``"disconnect"`` ends the connection with that peer."""

    correlate: bool | None = attrs.field(
        default=None, validator=attrs.validators.optional(checks.flag)
    )
    """Req: put a request id before the delimiter, and accept only the reply that repeats it. True
    is for all peers, False for none; ``None`` is for peers that say that they repeat it, and where
    nothing else is safe."""

    requeue: bool = attrs.field(default=True, validator=checks.flag)
    """Push, Dealer: give what a lost peer did not get to another one."""

    balance: Balance = attrs.field(default="turns", validator=checks.one_of(get_args(Balance)))
    """Push, Dealer: who gets the next message: each in turn, or the one with the shortest queue,
    which looks at all of them. What the kernel has taken is not in the queue; ``send_buffer`` and
    the peer's ``receive_hwm`` bound that."""

    invert_matching: bool = attrs.field(default=False, validator=checks.flag)
    """Pub, XPub, Sub: deliver what does not match instead of what does; set it on both ends."""

    verbose: Verbosity = attrs.field(default="none", validator=checks.one_of(get_args(Verbosity)))
    """XPub: which subscriptions are reported. ``"none"``: the first one of a topic, and the end
    of its last. ``"subscribe"``: each new one, but no end before the last. ``"all"``: each, and the
    end of each. A peer that leaves ends all of its own."""

    manual: bool = attrs.field(default=False, validator=checks.flag)
    """XPub: subscriptions take effect only when the program accepts them."""

    welcome_message: bytes | None = attrs.field(default=None, validator=checks.own_message)
    """XPub: the first message that every new subscriber gets."""

    hello_message: bytes | None = attrs.field(default=None, validator=checks.hello_message)
    """Dealer, Router: the first message on each new connection, so that a login, say, is made again
    after each reconnection. It can't be combined with ``probe``, which is such a message too."""

    disconnect_message: bytes | None = attrs.field(default=None, validator=checks.own_message)
    """Router: what is received in the name of a peer that has connected to us and is gone, after
    all that it sent. It counts as a message of that peer."""

    @staticmethod
    def hardened() -> HardenedOptions:
        """Return tight options for sockets that face strangers, to give as keywords.

        ``Pull(bind=…, **Options.hardened())`` bounds all that a peer may make us hold, do or wait
        for. They contain `Limits.hardened`, which has the bounds that few programs choose
        otherwise. Change what does not suit you: ``**Options.hardened() | {"max_frames": 8}``.
        """
        return hardened()


class ConnectionOptions(TypedDict, total=False):
    """What concerns a connection: options of every socket, and overrides of an endpoint.

    Each is a field of `trio_mq.Options`, which says more about it.
    """

    send_hwm: int | None
    """Messages that may wait to be written before a send waits or drops; ``None`` is unlimited."""

    receive_hwm: int | None
    """Messages that may wait to be received before we stop reading; ``None`` is unlimited."""

    send_hwm_bytes: int | None
    """As ``send_hwm``, in bytes: the last message may exceed it."""

    receive_hwm_bytes: int | None
    """As ``receive_hwm``, in bytes: the last message may exceed it."""

    message_lifetime: float | None
    """Seconds that an accepted message may wait to be written; ``None`` is unlimited."""

    max_message_size: int | None
    """Bytes of all frames together."""

    max_frame_size: int | None
    """Bytes of one frame, otherwise as ``max_message_size``."""

    max_frames: int | None
    """Frames of one message, otherwise as ``max_message_size``."""

    linger: float
    """Seconds to write what waits when the socket or an endpoint closes; `math.inf` has no end."""

    immediate: bool
    """Queue messages for a connected endpoint only when its handshake is done."""

    reconnect_interval: float
    """Seconds: the upper bound of the first random pause before an endpoint dials again."""

    reconnect_interval_max: float
    """Seconds: the upper bound of every such pause."""

    connect_timeout: float | None
    """Seconds for one attempt to connect, over all addresses of a name; ``None``: the system's."""

    handshake_timeout: float
    """Seconds from a new connection to the end of its handshake."""

    heartbeat_interval: float | None
    """Seconds between PINGs; ``None`` sends none."""

    heartbeat_timeout: float | None
    """Seconds without a sign of life after a PING until the connection is dropped; ``None``: as
    ``heartbeat_interval``."""

    heartbeat_ttl: float | None
    """Seconds of our silence after which the peer should drop us, sent with each PING; at most
    65.5."""

    backlog: int
    """Connections that the kernel keeps for us until we accept them."""

    tcp_keepalive: bool
    """Let the kernel find a peer whose host vanished: after ``tcp_keepalive_idle`` +
    ``tcp_keepalive_interval`` * ``tcp_keepalive_count`` seconds without an acknowledgement, also
    with data on the way (on Linux)."""

    tcp_keepalive_idle: int
    """Seconds of silence before the kernel's first probe."""

    tcp_keepalive_interval: int
    """Seconds between the kernel's probes."""

    tcp_keepalive_count: int
    """Probes without an answer after which the kernel gives the connection up."""

    send_buffer: int | None
    """Bytes of the kernel's buffer for sending; ``None`` leaves it to the system's own tuning."""

    receive_buffer: int | None
    """Bytes of the kernel's buffer for receiving; ``None`` leaves it to the system's own tuning."""

    ipv6: bool
    """Use IPv6 where the host has it."""

    reuse_port: bool
    """Let several processes listen on one tcp port and share its connections."""

    ipc_mode: int | None
    """Who may connect to the file of a bound ``ipc://`` endpoint, as a mode for `os.chmod`."""

    max_peers: int | None
    """Handshaken connections at once; ``None``: 4096, or what the limit on descriptors leaves."""

    metadata: Mapping[str, bytes | str]
    """Properties of our own that peers can read, such as ``{"X-name": "value"}``."""

    mechanism: MechanismFactory | None
    """The security mechanism, such as `auth.CurveServer`; ``None`` is NULL."""

    authenticator: Authenticator | None
    """Says which peers may come in: an async function, or one of `trio_mq.auth`."""

    zap_domain: str
    """A word that the authenticator is told, so that one can serve several sockets (RFC 27)."""

    tls_context: ssl.SSLContext | None
    """For ``tls://``: our certificate, and whom to trust."""

    limits: Limits
    """Further bounds on what a peer may make us hold or do."""


def override(options: Options, endpoint: str, given: Mapping[str, object]) -> Options:
    """Return the options of an endpoint: the socket's, but for what is given.

    Raises:
        TypeError: An option that does not concern a connection, or a value of a wrong type.
        ValueError: A value that is not allowed.
    """
    if not given:
        return options
    names = option_names(ConnectionOptions)
    check_names(f"endpoint {endpoint}", names, given, lambda _: _OF_SOCKETS)
    return attrs.evolve(options, **given)  # type: ignore[arg-type]  # as in make_options


def option_names(options: type) -> frozenset[str]:
    return frozenset(options.__optional_keys__)  # type: ignore[attr-defined]  # of a TypedDict


_OF_SOCKETS: Final = "the whole socket has it: give it to the constructor"


def check_names(
    who: str, allowed: frozenset[str], given: Mapping[str, object], whose: Callable[[str], str]
) -> None:
    """Refuse names that are no option of ``who``; ``whose`` says who has an option instead."""
    for name in given.keys() - allowed:
        instead = (
            whose(name) if name in option_fields() else remedy(name) or checks.near(name, allowed)
        )
        hint = instead or f"it has {', '.join(sorted(allowed))}"
        raise TypeError(f"{who} has no option {name!r}; {hint}")


def option_fields() -> frozenset[str]:
    """Return the names of all options of all kinds of sockets."""
    return frozenset(field.name for field in attrs.fields(Options))
