"""Which options each kind of socket takes, for type checkers and for the error messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import trio

from trio_mq._options import (
    ConnectionOptions,
    OnFull,
    Options,
    Verbosity,
    check_names,
    option_names,
)

#: One endpoint, or several.
Endpoints: TypeAlias = str | Iterable[str]


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
    check_names(kind, option_names(allowed), given)
    return Options(**given)  # type: ignore[arg-type]  # the validators check every value


def endpoints_of(given: Endpoints) -> tuple[str, ...]:
    """Return the endpoints that were given: a string is one."""
    return (given,) if isinstance(given, str) else tuple(given)
