"""Which options each kind of socket takes, for type checkers and for the error messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypedDict

from trio_mq._context import Context
from trio_mq._options import (
    Balance,
    ConnectionOptions,
    OnFull,
    Options,
    Verbosity,
    check_names,
    option_names,
)
from trio_mq._transports.listener import AnyListener

Topic: TypeAlias = bytes | str
"""A topic: bytes, or text that is encoded as UTF-8."""

Endpoints: TypeAlias = str | Iterable[str]
"""One endpoint, or several."""


class BindOptions(ConnectionOptions, total=False):
    """What ``bind`` takes in addition to the endpoint."""

    listener: AnyListener | Sequence[AnyListener]
    """A listener of trio's, or several, that is open already: the socket accepts from it."""


class SocketOptions(ConnectionOptions, total=False):
    """What every socket takes."""

    routing_id: bytes
    """The name by which a Router peer knows us, at most 255 bytes; empty: it invents one."""


class PullOptions(SocketOptions, total=False):
    """What Pull takes."""

    conflate: bool
    """Keep only the newest whole message per peer, in both directions."""


class PushOptions(SocketOptions, total=False):
    """What Push takes."""

    conflate: bool
    """Keep only the newest whole message per peer, in both directions."""

    requeue: bool
    """Push, Dealer: give what a lost peer did not get to another one."""

    balance: Balance
    """Push, Dealer: who gets the next message: each in turn, or the one with the shortest queue,
    which looks at all of them."""


class DealerOptions(SocketOptions, total=False):
    """What Dealer takes."""

    conflate: bool
    """Keep only the newest whole message per peer, in both directions."""

    requeue: bool
    """Push, Dealer: give what a lost peer did not get to another one."""

    balance: Balance
    """Push, Dealer: who gets the next message: each in turn, or the one with the shortest queue,
    which looks at all of them."""

    probe: bool
    """Req, Dealer, Router: send one empty message on each new connection."""

    hello_message: bytes | None
    """Dealer, Router: the first message on each new connection, so that a login, say, is made again
    after each reconnection."""


class RouterOptions(SocketOptions, total=False):
    """What Router takes."""

    mandatory: bool
    """Router: raise `Unroutable` where it would otherwise drop and count."""

    handover: bool
    """Router: a newcomer takes over a routing id that is in use at once; otherwise it is turned
    away as long as the holder's program exists."""

    probe: bool
    """Req, Dealer, Router: send one empty message on each new connection."""

    on_full: OnFull
    """Pub, XPub, Router: what to do when a peer's queue is full."""

    hello_message: bytes | None
    """Dealer, Router: the first message on each new connection, so that a login, say, is made again
    after each reconnection."""

    disconnect_message: bytes | None
    """Router: what is received in the name of a peer that has connected to us and is gone, after
    all that it sent."""


class ReqOptions(SocketOptions, total=False):
    """What Req takes."""

    correlate: bool | None
    """Req: put a request id before the delimiter, and accept only the reply that repeats it."""

    probe: bool
    """Req, Dealer, Router: send one empty message on each new connection."""


class PubOptions(SocketOptions, total=False):
    """What Pub takes."""

    conflate: bool
    """Keep only the newest whole message per peer, in both directions."""

    on_full: OnFull
    """Pub, XPub, Router: what to do when a peer's queue is full."""

    invert_matching: bool
    """Pub, XPub, Sub: deliver what does not match instead of what does; set it on both ends."""


class XPubOptions(SocketOptions, total=False):
    """What XPub takes."""

    on_full: OnFull
    """Pub, XPub, Router: what to do when a peer's queue is full."""

    invert_matching: bool
    """Pub, XPub, Sub: deliver what does not match instead of what does; set it on both ends."""

    verbose: Verbosity
    """XPub: which subscriptions are reported."""

    manual: bool
    """XPub: subscriptions take effect only when the program accepts them."""

    welcome_message: bytes | None
    """XPub: the first message that every new subscriber gets."""


class SubOptions(SocketOptions, total=False):
    """What Sub takes."""

    conflate: bool
    """Keep only the newest whole message per peer, in both directions."""

    invert_matching: bool
    """Pub, XPub, Sub: deliver what does not match instead of what does; set it on both ends."""


class _Places(TypedDict, total=False):
    """What a constructor takes in addition to options."""

    bind: Endpoints
    """An endpoint, or several, to listen on."""

    connect: Endpoints
    """An endpoint, or several, to connect to."""

    context: Context | None
    """Shares inproc names and limits; by default that of this trio run."""


class SocketKeywords(SocketOptions, _Places, total=False):
    """All keywords of Rep, XSub and Pair."""


class PushKeywords(PushOptions, _Places, total=False):
    """All keywords of Push."""


class PullKeywords(PullOptions, _Places, total=False):
    """All keywords of Pull."""


class DealerKeywords(DealerOptions, _Places, total=False):
    """All keywords of Dealer."""


class RouterKeywords(RouterOptions, _Places, total=False):
    """All keywords of Router."""


class ReqKeywords(ReqOptions, _Places, total=False):
    """All keywords of Req."""


class PubKeywords(PubOptions, _Places, total=False):
    """All keywords of Pub."""


class XPubKeywords(XPubOptions, _Places, total=False):
    """All keywords of XPub."""


class SubKeywords(SubOptions, _Places, total=False):
    """All keywords of Sub, but for its topics."""


#: What each type takes.
_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    kind: option_names(options)
    for kind, options in {
        "Push": PushOptions,
        "Pull": PullOptions,
        "Dealer": DealerOptions,
        "Router": RouterOptions,
        "Req": ReqOptions,
        "Rep": SocketOptions,
        "Pub": PubOptions,
        "Sub": SubOptions,
        "XPub": XPubOptions,
        "XSub": SocketOptions,
        "Pair": SocketOptions,
    }.items()
}


def has_option(kind: type, name: str) -> bool:
    """Tell whether a class of sockets takes an option; what several have in common may."""
    allowed: type | None = getattr(kind, "_known_options", None)
    return allowed is None or name in option_names(allowed)


def _options_of(kind: type) -> frozenset[str]:
    allowed: type | None = getattr(kind, "_known_options", None)
    if allowed is None:
        raise TypeError(
            f"{kind.__name__} is what several types of socket have in common: "
            "make one of a type, such as Push or Pull"
        )
    return option_names(allowed)


def whose_option(name: str) -> str:
    """Say which types take an option, for the others."""
    *kinds, last = (kind for kind, names in _TAKEN.items() if name in names)
    return f"it is an option of {', '.join(kinds)}{' and ' if kinds else ''}{last}"


def make_options(kind: type, given: Mapping[str, object]) -> Options:
    """Return the options of a socket.

    Raises:
        TypeError: An option that this kind of socket does not have, or a value of a wrong type; or
            the class is what sockets of several types have in common.
        ValueError: A value that is not allowed.
    """
    check_names(kind.__name__, _options_of(kind), given, whose_option)
    return Options(**given)  # type: ignore[arg-type]  # the validators check every value


def endpoints_of(keyword: str, given: Endpoints, parse: Callable[[str], object]) -> tuple[str, ...]:
    """Return the endpoints that were given, once their grammar is checked: a string is one.

    Raises:
        TypeError: It is neither text nor a collection of texts.
        ValueError: One of them breaks the grammar.
    """
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable):
        raise TypeError(
            f"{keyword} is an endpoint such as 'tcp://127.0.0.1:5555', or several in a list, "
            f"not {given!r}"
        )
    endpoints = tuple(given)
    for endpoint in endpoints:
        parse(endpoint)
    return endpoints


def topics_of(given: Topic | Iterable[Topic]) -> tuple[bytes, ...]:
    """Return the topics that were given: a text is one topic, and so are bytes.

    Raises:
        TypeError: It is neither a topic nor a collection of topics.
    """
    if isinstance(given, (str, bytes)):
        return (topic_of(given),)
    if isinstance(given, (bytearray, memoryview)) or not isinstance(given, Iterable):
        raise TypeError(
            f"topics is bytes or text, or several of them in a list, not {given!r}; "
            "'' is everything, and [] nothing"
        )
    return tuple(topic_of(topic) for topic in given)


def topic_of(given: Topic) -> bytes:
    """Return a topic as bytes: text is UTF-8.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(given, str):
        return given.encode()
    if isinstance(given, bytes):
        return given
    raise TypeError(f"a topic is bytes or text, not {given!r}")


def number_of(name: str, given: object, lowest: int | None = None) -> None:
    """Refuse what is not a whole number, or a lower one than may be.

    Raises:
        TypeError: It is something else.
        ValueError: It is too low.
    """
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{name} is a whole number, not {given!r}")
    if lowest is not None and given < lowest:
        raise ValueError(f"{name}={given} is not allowed: give at least {lowest}")
