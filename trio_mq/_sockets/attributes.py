"""Attributes that sockets don't have: refused when read or set, with what to write instead.

Python lets anybody set any attribute, so ``socket.linger = 0`` would be accepted in silence and do
nothing. For reading, each name of pyzmq's is a descriptor that raises `AttributeError` and says
what to write. A ``__getattr__`` would be shorter, but it makes every attribute of a socket slower
to read.

Any other attribute may be set, as on most objects of Python: programs keep with a socket what
belongs to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from trio_mq import _pyzmq_names as pyzmq
from trio_mq._options import option_fields

#: Keywords of constructors that are no options of connections.
_OTHER_KEYWORDS: Final = frozenset({"topics"})
#: Words that are at least this alike, from 0 to 1, are taken for misspellings of each other.
_ALIKE: Final = 0.85


class _Absent:
    """An attribute that is not there: reading it says what to write instead."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, thing: object, owner: type) -> NoReturn:
        if thing is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}")
        raise AttributeError(_refusal(thing, self._name), name=self._name, obj=thing)


class OnlyKnownAttributes:
    """Refuses to read names of pyzmq's, and to set options as attributes, misspelt ones too."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker knows by itself which attributes there are

        def __setattr__(self, name: str, value: object) -> None:
            if name[0] != "_" and _means_option(name):
                raise AttributeError(_refusal(self, name), name=name, obj=self)
            object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if hasattr(type(self), name)] + [*vars(self)]


for _name in {*pyzmq.METHODS, *pyzmq.OPTIONS, *option_fields()}:
    setattr(OnlyKnownAttributes, _name, _Absent(_name))


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
    kind = type(socket).__name__
    text = f"{kind!r} object has no attribute {name!r}"
    instead = pyzmq.remedy(name) if name not in option_fields() else None
    if instead is None and (keyword := _meant(name)) is not None:
        instead = f"options are keywords, {kind}({keyword}=…), and stay as they are"
    return f"{text}: {instead}" if instead else text
