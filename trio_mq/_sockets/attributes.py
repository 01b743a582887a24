"""Attributes that sockets don't have: refused when read or set, with what to write instead.

Python lets anybody set any attribute, so ``socket.linger = 0`` would be accepted in silence and do
nothing. Reading is refused for each name of pyzmq's, and for what only other types of socket have.

Any other attribute may be set, as on most objects of Python: programs keep with a socket what
belongs to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from trio_mq import _pyzmq_names as pyzmq
from trio_mq._absent import Absent, no_attribute
from trio_mq._options import option_fields
from trio_mq._sockets.keywords import has_option, whose_option

#: Keywords of constructors that are no options of connections.
_OTHER_KEYWORDS: Final = frozenset({"topics"})
_ONLY_RECEIVES: Final = "a socket of this type only receives"
_ONLY_SENDS: Final = "a socket of this type only sends"
#: What some types have, for those that do not.
_OF_OTHER_TYPES: Final = {
    "accept": "it is an XPub that accepts subscriptions",
    "discard": "it is a Rep that answers the last request, or discards it",
    "drain": _ONLY_RECEIVES,
    "receive": _ONLY_SENDS,
    "receive_from": _ONLY_SENDS,
    "receive_many": _ONLY_SENDS,
    "receive_nowait": _ONLY_SENDS,
    "request": "it is a Req that waits for the reply to a request",
    "requests": "it is a Rep or a Router that gets requests",
    "send": _ONLY_RECEIVES,
    "send_many": _ONLY_RECEIVES,
    "send_nowait": _ONLY_RECEIVES,
    "send_to": "it is an XPub or a Router that sends to one peer",
    "serve": "it is a Rep or a Router that serves",
    "subscribe": "it is a Sub or an XSub that subscribes",
    "unsubscribe": "it is a Sub or an XSub that subscribes",
    "wait_for_subscribers": "it is a Pub or an XPub that has subscribers",
    "withdraw": "it is an XPub that accepts subscriptions",
}
#: Words that are at least this alike, from 0 to 1, are taken for misspellings of each other.
_ALIKE: Final = 0.85


class OnlyKnownAttributes:
    """Refuses to read names of pyzmq's, and to set options as attributes, misspelt ones too."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker knows by itself which attributes there are

        def __setattr__(self, name: str, value: object) -> None:
            if name[0] != "_" and _means_option(name):
                raise AttributeError(_refusal(self, name), name=name, obj=self)
            object.__setattr__(self, name, value)

        def __enter__(self) -> NoReturn:
            """Say how a socket is entered: Python's own words would leave that out."""
            kind = type(self).__name__
            raise TypeError(
                f"{kind} is an asynchronous context manager: write 'async with {kind}(…) as name:'"
            )

        def __exit__(self, *_: object) -> None:
            """Never come to this; but Python looks for it before it enters."""

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if hasattr(type(self), name)] + [*vars(self)]


def _means_option(name: str) -> bool:
    return name.lower() in pyzmq.OPTIONS or _meant(name) is not None


def _meant(name: str) -> str | None:
    """Return the keyword that a name is, or nearly is."""
    keywords = option_fields() | _OTHER_KEYWORDS
    if name in keywords:
        return name
    import difflib  # noqa: PLC0415  # who spells names right needs none

    return next(iter(difflib.get_close_matches(name, keywords, 1, _ALIKE)), None)


def _refusal(socket: object, name: str) -> str:
    kind = socket if isinstance(socket, type) else type(socket)
    return no_attribute(socket, name, _instead(kind, name))


def _instead(kind: type, name: str) -> str | None:
    if name in _OF_OTHER_TYPES:
        return _OF_OTHER_TYPES[name]
    if name not in option_fields() and (remedy := pyzmq.remedy(name)) is not None:
        return remedy
    keyword = _meant(name)
    if keyword is None:
        return None
    if keyword in _OTHER_KEYWORDS:
        return "it is a Sub that has topics: Sub(topics=…)"
    if not has_option(kind, keyword):
        return whose_option(keyword)
    return f"options are keywords, {kind.__name__}({keyword}=…), and stay as they are"


for _name in {
    *pyzmq.METHODS,
    *pyzmq.OPTIONS,
    *map(str.upper, pyzmq.OPTIONS),
    *option_fields(),
    *_OF_OTHER_TYPES,
}:
    setattr(OnlyKnownAttributes, _name, Absent(_name, _refusal))
