"""Names that are not there, and what to write instead of each.

Whoever comes from another library writes its names first. Python's own error only says that there
is no such attribute, so each of these names is a descriptor that raises `AttributeError` and says
what to write. A ``__getattr__`` would be shorter, but it makes every attribute of an object slower
to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn


class Absent:
    """An attribute that is not there: reading it says what to write instead.

    Args:
        name: What people write.
        refusal: Returns the text of the error, given the thing, or its class, and the name.
    """

    __slots__ = ("_name", "_refusal")

    def __init__(self, name: str, refusal: Callable[[object, str], str]) -> None:
        self._name = name
        self._refusal = refusal

    def __get__(self, thing: object, owner: type) -> NoReturn:
        """Raise `AttributeError`, as Python does for any name that is not there."""
        asked = owner if thing is None else thing
        raise AttributeError(self._refusal(asked, self._name), name=self._name, obj=asked)


def no_attribute(thing: object, name: str, instead: str | None = None) -> str:
    """Return what Python says of a name that is not there, and what to write instead."""
    if isinstance(thing, type):
        text = f"type object {thing.__name__!r} has no attribute {name!r}"
    else:
        text = f"{type(thing).__name__!r} object has no attribute {name!r}"
    return f"{text}: {instead}" if instead else text


def refuse_names(owner: type, remedies: Mapping[str, str]) -> None:
    """Let a class say what to write instead of some names; it has none of them."""

    def refusal(thing: object, name: str) -> str:
        return no_attribute(thing, name, remedies[name])

    for name in remedies:
        setattr(owner, name, Absent(name, refusal))
