"""A socket whose type comes as data: from a configuration, a command line, a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Unpack, overload

from trio_mq._sockets.keywords import (
    DealerKeywords,
    PubKeywords,
    PullKeywords,
    PushKeywords,
    ReqKeywords,
    RouterKeywords,
    SocketKeywords,
    SubKeywords,
    Topic,
    XPubKeywords,
)
from trio_mq._sockets.pair import Pair
from trio_mq._sockets.pipeline import Pull, Push
from trio_mq._sockets.publishing import Pub, XPub
from trio_mq._sockets.replying import Rep
from trio_mq._sockets.requesting import Req
from trio_mq._sockets.routing import Dealer, Router
from trio_mq._sockets.socket import Socket
from trio_mq._sockets.subscribing import Sub, XSub
from trio_mq.zmtp import SocketType

_CLASSES: Final = {
    socket_class.socket_type: socket_class
    for socket_class in (Req, Rep, Dealer, Router, Pub, Sub, XPub, XSub, Push, Pull, Pair)
}


# A type checker that sees which type it is knows the class, and so what the socket can do.
@overload
def open_socket(
    socket_type: Literal[SocketType.REQ, "REQ", "req"],
    **keywords: Unpack[ReqKeywords],
) -> Req: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.REP, "REP", "rep"],
    **keywords: Unpack[SocketKeywords],
) -> Rep: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.DEALER, "DEALER", "dealer"],
    **keywords: Unpack[DealerKeywords],
) -> Dealer: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.ROUTER, "ROUTER", "router"],
    **keywords: Unpack[RouterKeywords],
) -> Router: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.PUB, "PUB", "pub"],
    **keywords: Unpack[PubKeywords],
) -> Pub: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.SUB, "SUB", "sub"],
    *,
    topics: Topic | Iterable[Topic] = (),
    **keywords: Unpack[SubKeywords],
) -> Sub: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.XPUB, "XPUB", "xpub"],
    **keywords: Unpack[XPubKeywords],
) -> XPub: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.XSUB, "XSUB", "xsub"],
    **keywords: Unpack[SocketKeywords],
) -> XSub: ...
@overload
def open_socket(
    socket_type: Literal[
        SocketType.PUSH, "PUSH", "push", SocketType.DOWNSTREAM, "DOWNSTREAM", "downstream"
    ],
    **keywords: Unpack[PushKeywords],
) -> Push: ...
@overload
def open_socket(
    socket_type: Literal[
        SocketType.PULL, "PULL", "pull", SocketType.UPSTREAM, "UPSTREAM", "upstream"
    ],
    **keywords: Unpack[PullKeywords],
) -> Pull: ...
@overload
def open_socket(
    socket_type: Literal[SocketType.PAIR, "PAIR", "pair"],
    **keywords: Unpack[SocketKeywords],
) -> Pair: ...
@overload
def open_socket(socket_type: SocketType | str, **options: object) -> Socket: ...
def open_socket(socket_type: SocketType | str, **options: object) -> Socket:
    """Return a new socket of a type that is only known when the program runs.

    Use the class itself where the type is known: then a wrong option, too, is found by a type
    checker. For a type that is a literal, such as ``"PUSH"``, it knows the class that is returned.

    Args:
        socket_type: A `SocketType`, or its name in any case: ``"PUSH"``, also ``"DOWNSTREAM"`` and
            ``"UPSTREAM"`` as in 0MQ 2.0.
        **options: As for the class.

    Raises:
        ValueError: There is no such type (``EINVAL`` in zmq_socket(3)).
        TypeError: The type has no such option.
    """
    return _CLASSES[_known_type(socket_type)](**options)  # type: ignore[arg-type]  # checked there


def _known_type(socket_type: SocketType | str) -> SocketType:
    if isinstance(socket_type, SocketType):
        return socket_type
    try:
        return SocketType[socket_type.upper()]
    except (KeyError, AttributeError):
        known = ", ".join(SocketType.__members__)
        raise ValueError(f"there is no socket type {socket_type!r}; known are {known}") from None
