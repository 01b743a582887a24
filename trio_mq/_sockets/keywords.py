"""Which options each kind of socket takes, for type checkers and for the error messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypedDict

import attrs
import trio

from trio_mq._options import Limits, OnFull, Options, Verbosity
from trio_mq.zmtp import MechanismFactory

#: One endpoint, or several.
Endpoints: TypeAlias = str | Iterable[str]


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
    mechanism: MechanismFactory
    limits: Limits


class BindOptions(ConnectionOptions, total=False):
    """What ``bind`` takes beside the endpoint."""

    listener: trio.abc.Listener[trio.abc.Stream]


class SocketOptions(ConnectionOptions, total=False):
    """What every socket takes."""

    routing_id: bytes


class PullOptions(SocketOptions, total=False):
    """What Pull takes."""

    conflate: bool


class PushOptions(SocketOptions, total=False):
    """What Push takes."""

    conflate: bool
    requeue: bool


class DealerOptions(SocketOptions, total=False):
    """What Dealer takes."""

    conflate: bool
    requeue: bool
    probe: bool


class RouterOptions(SocketOptions, total=False):
    """What Router takes."""

    mandatory: bool
    handover: bool
    probe: bool
    on_full: OnFull


class ReqOptions(SocketOptions, total=False):
    """What Req takes."""

    correlate: bool
    probe: bool


class PubOptions(SocketOptions, total=False):
    """What Pub takes."""

    conflate: bool
    on_full: OnFull
    invert_matching: bool


class XPubOptions(SocketOptions, total=False):
    """What XPub takes."""

    on_full: OnFull
    invert_matching: bool
    verbose: Verbosity
    manual: bool
    welcome_message: bytes | None


class SubOptions(SocketOptions, total=False):
    """What Sub takes."""

    conflate: bool
    invert_matching: bool


def make_options(kind: str, allowed: type, given: Mapping[str, object]) -> Options:
    """Return the options of a socket.

    Raises:
        TypeError: An option that this kind of socket does not have, or a value of a wrong type.
        ValueError: A value that is not allowed.
    """
    _check_names(kind, _names(allowed), given)
    return Options(**given)  # type: ignore[arg-type]  # the validators check every value


def override(options: Options, endpoint: str, given: Mapping[str, object]) -> Options:
    """Return the options of an endpoint: the socket's, but for what is given.

    Raises:
        TypeError: An option that is no connection's, or a value of a wrong type.
        ValueError: A value that is not allowed.
    """
    if not given:
        return options
    _check_names(f"endpoint {endpoint}", _names(ConnectionOptions), given)
    return attrs.evolve(options, **given)  # type: ignore[arg-type]  # as in make_options


def _names(options: type) -> frozenset[str]:
    return frozenset(options.__optional_keys__)  # type: ignore[attr-defined]  # of a TypedDict


def _check_names(who: str, allowed: frozenset[str], given: Mapping[str, object]) -> None:
    for name in given:
        if name not in allowed:
            raise TypeError(f"{who} has no option {name!r}; it has {', '.join(sorted(allowed))}")


def endpoints_of(given: Endpoints) -> tuple[str, ...]:
    """Return the endpoints that were given: a string is one."""
    return (given,) if isinstance(given, str) else tuple(given)
