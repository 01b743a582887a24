"""What a peer may make us hold or do, and the checks of numbers that options share."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import attrs

KIB: Final = 1024
MIB: Final = 1024 * KIB

# `Any`, because one validator serves fields of several types, and attrs.Attribute is invariant.
Validator: TypeAlias = Callable[[object, "attrs.Attribute[Any]", object], None]


def refuse(field: attrs.Attribute[Any], value: object, allowed: str) -> ValueError:
    return ValueError(f"{field.name}={value!r} is not allowed: give {allowed}")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def rate(*, optional: bool = False) -> Validator:
    """Check how often in a second something may happen: above zero, possibly ``None``."""
    allowed = "a number a second, above 0" + (", or None for unlimited" if optional else "")

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not is_number(value):
            raise TypeError(f"{field.name} is {allowed}, not {value!r}")
        if not cast("float", value) > 0:
            raise refuse(field, value, allowed)

    return check


def seconds(*, zero: bool = False, optional: bool = False) -> Validator:
    """Check a duration: above zero (or from zero on), possibly ``None``, never NaN."""
    never = " or None" if optional else ", math.inf for no end"
    allowed = f"seconds {'from' if zero else 'above'} 0{never}"

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not is_number(value):
            raise TypeError(f"{field.name} is {allowed}, not {value!r}")
        number = cast("float", value)
        if math.isnan(number) or number < 0 or (number == 0 and not zero):
            raise refuse(field, value, allowed)

    return check


def count(*, lowest: int = 1, optional: bool = False) -> Validator:
    """Check a whole number from ``lowest`` on, possibly ``None``."""
    allowed = f"a whole number from {lowest} on" + (", or None for unlimited" if optional else "")

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{field.name} is {allowed}, not {value!r}")
        if value < lowest:
            raise refuse(field, value, allowed)
        if value > sys.maxsize:
            raise refuse(field, value, f"at most {sys.maxsize}, as far as this machine counts")

    return check


@attrs.frozen(kw_only=True)
class Limits:
    """What a peer may make us hold or do, beyond the limits that are options of their own.

    The defaults suit ordinary programs and stop every known way to exhaust one; a connection that
    exceeds a limit is closed with an event that names it. `Limits.hardened()` is for sockets that
    face strangers.
    """

    max_handshake_frame: int = attrs.field(default=16 * KIB, validator=count())
    """Bytes of one frame before the handshake is done."""

    max_metadata_bytes: int = attrs.field(default=8 * KIB, validator=count())
    """Bytes of all metadata properties of a peer together."""

    max_metadata_properties: int = attrs.field(default=64, validator=count())
    """Number of metadata properties of a peer."""

    max_metadata_value: int = attrs.field(default=4 * KIB, validator=count())
    """Bytes of one metadata value."""

    auth_timeout: float = attrs.field(default=5.0, validator=seconds())
    """Seconds that an authenticator may take over one peer, which is then refused."""

    max_authentications: int = attrs.field(default=64, validator=count())
    """Peers of one endpoint about whom the authenticator is asked at the same time. More wait, and
    are refused for now (status 300) when they have waited for ``auth_timeout``."""

    max_auth_failures_per_minute: int | None = attrs.field(
        default=None, validator=count(optional=True)
    )
    """Bad credentials from one address outside this machine, before it is turned away for a
    minute."""

    max_accepts_per_second: float | None = attrs.field(default=None, validator=rate(optional=True))
    """Connections that one endpoint may go on accepting per second; more wait in the kernel."""

    max_accept_burst: int = attrs.field(default=400, validator=count())
    """Connections that one endpoint accepts at once after a rest."""

    max_handshakes_per_second: float = attrs.field(default=500.0, validator=rate())
    """Handshakes of CURVE and TLS that one endpoint may go on computing per second; more wait. One
    that takes longer than 0.2 ms of the processor, as TLS with an RSA key does, counts as several:
    so all together take a tenth of a processor at most, with the default."""

    max_handshake_burst: int = attrs.field(default=500, validator=count())
    """Handshakes of CURVE and TLS that one endpoint computes at once after a rest."""

    max_half_open: int = attrs.field(default=256, validator=count())
    """Connections of one listener that have not finished their handshake."""

    max_half_open_per_address: int | None = attrs.field(default=64, validator=count(optional=True))
    """The same for one address (of IPv6: one /64) outside this machine; more are closed at once."""

    max_peers_per_address: int | None = attrs.field(default=None, validator=count(optional=True))
    """Connections from one such address, handshaken or not; more are closed at once."""

    max_unknown_commands: int = attrs.field(default=100, validator=count(lowest=0))
    """Unknown but well-formed commands on one connection."""

    max_subscriptions: int = attrs.field(default=100_000, validator=count())
    """Distinct topics of one peer."""

    max_subscription_bytes: int = attrs.field(default=8 * MIB, validator=count())
    """Bytes of the distinct topics of one peer together."""

    max_topic_length: int = attrs.field(default=8 * KIB, validator=count(lowest=0))
    """Bytes of one topic."""

    max_subscriptions_total: int = attrs.field(default=1_000_000, validator=count())
    """Subscriptions of all peers of one socket. An `XPub` also keeps at most this many
    subscriptions and cancellations for a program that does not receive them."""

    max_subscription_bytes_total: int = attrs.field(default=256 * MIB, validator=count())
    """Bytes of the topics of all peers of one socket together, and of those that an `XPub`
    keeps."""

    max_topic_lengths: int = attrs.field(default=256, validator=count())
    """Distinct lengths of topics at one socket: each costs every published message a look-up."""

    max_pings_per_second: float = attrs.field(default=100.0, validator=seconds())
    """PINGs per second that a peer may go on sending."""

    max_ping_burst: int = attrs.field(default=200, validator=count())
    """PINGs that a peer may send at once."""

    min_remote_ttl: float = attrs.field(default=1.0, validator=seconds())
    """The shortest time to live that a peer's PING can impose on us, in seconds."""

    max_unexpected_messages: int = attrs.field(default=16, validator=count(lowest=0))
    """Messages on a socket type that never reads them, before the connection is closed."""

    receive_budget: int | None = attrs.field(default=256 * MIB, validator=count(optional=True))
    """Bytes that may wait to be received in one socket: from all peers together, those that have
    left and subscriptions at an `XPub` included. Beyond it we read no more, and accept nobody.
    ``None`` is unlimited. Where few peers may come (`max_peers`), it is no more than twice what
    they can fill up to their marks, or 8 MiB.
    """

    frame_progress_timeout: float | None = attrs.field(
        default=None, validator=seconds(optional=True)
    )
    """Seconds without a byte inside an unfinished frame; ``None`` waits for ever."""

    @classmethod
    def hardened(cls) -> Limits:
        """Return tight limits, for sockets that face strangers."""
        return cls(
            max_handshake_frame=4 * KIB,
            max_metadata_bytes=2 * KIB,
            max_metadata_properties=16,
            max_metadata_value=1 * KIB,
            auth_timeout=2.0,
            max_authentications=32,
            max_auth_failures_per_minute=10,
            max_accepts_per_second=200.0,
            max_accept_burst=400,
            max_handshakes_per_second=100.0,
            max_handshake_burst=200,
            max_half_open=64,
            max_half_open_per_address=8,
            max_peers_per_address=64,
            max_unknown_commands=0,
            max_subscriptions=1_000,
            max_subscription_bytes=256 * KIB,
            max_topic_length=255,
            max_subscriptions_total=100_000,
            max_subscription_bytes_total=8 * MIB,
            max_topic_lengths=64,
            max_pings_per_second=10.0,
            max_ping_burst=20,
            min_remote_ttl=5.0,
            max_unexpected_messages=0,
            receive_budget=64 * MIB,
            frame_progress_timeout=30.0,
        )
