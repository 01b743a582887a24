"""Attributes that sockets don't have: refused when read or set, with what to write instead.

Python lets anybody set any attribute, so ``socket.linger = 0`` would be accepted in silence and do
nothing. For reading, each name of pyzmq's is a descriptor that raises `AttributeError` and says
what to write. A ``__getattr__`` would be shorter, but it makes every attribute of a socket slower
to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from trio_mq import _pyzmq_names as pyzmq
from trio_mq._options import option_fields

#: Where our classes say that they live; those of users live elsewhere.
_PACKAGE: Final = __name__.partition(".")[0]


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
    """Refuses to read names of pyzmq's, and to set options as attributes.

    Classes that users derive may have attributes of their own, but none that is called as an
    option: that would be taken for one.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # a checker knows what there is to set

        def __setattr__(self, name: str, value: object) -> None:
            if name[0] != "_" and (_is_option(name) or type(self).__module__ == _PACKAGE):
                raise AttributeError(_refusal(self, name), name=name, obj=self)
            object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if hasattr(type(self), name)] + [*vars(self)]


for _name in {*pyzmq.METHODS, *pyzmq.OPTIONS, *option_fields()}:
    setattr(OnlyKnownAttributes, _name, _Absent(_name))


def _is_option(name: str) -> bool:
    return name in option_fields() or name.lower() in pyzmq.OPTIONS


def _refusal(socket: object, name: str) -> str:
    kind = type(socket).__name__
    text = f"{kind!r} object has no attribute {name!r}"
    if name in option_fields():
        return f"{text}: options are keywords, {kind}({name}=…), and stay as they are"
    instead = pyzmq.remedy(name)
    return f"{text}: {instead}" if instead else text
