"""Public names that are loaded when somebody asks for them.

A program that only pushes need not wait until publishing, certificates and TLS are loaded. So the
packages that users import from hold a table of their names (`Exports`), and Python asks the table
when a name is missing (PEP 562).

A thing says that it lives where users import it from: tracebacks, representations and documentation
then name that place. So a table doesn't only see to the name that is asked for, but to every thing
in its modules that has been loaded by then, whoever loaded it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Final

from trio_mq._attribute_texts import describe


class Exports:
    """The public names of one package.

    Args:
        package: Its full name, under which users import.
        homes: The names that live in each module, given by its full name. A module of the package
            is at home in itself.
        instead: Returns what to write instead of a name that is not there, if that is known.
    """

    def __init__(
        self,
        package: str,
        homes: Mapping[str, Sequence[str]],
        instead: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._package = package
        self._instead = instead
        #: Which module each name lives in.
        self.homes: dict[str, str] = {name: home for home, names in homes.items() for name in names}
        #: Modules whose things still say that they live there.
        self._unsettled = {home: list(names) for home, names in homes.items()}
        self.names: list[str] = sorted(self.homes)
        _TABLES.append(self)

    def load(self, name: str) -> object:
        """Return what has that name, and keep it in the package.

        Raises:
            AttributeError: There is no such name.
        """
        package = sys.modules[self._package]
        if name == "__all__":
            return self.names
        if name not in self.homes:
            instead = self._instead(name)
            hint = f": {instead}" if instead else ""
            raise AttributeError(f"module {self._package!r} has no attribute {name!r}{hint}")
        home = importlib.import_module(self.homes[name])
        for table in _TABLES:
            table.settle()
        thing: object = home if home.__name__ == f"{self._package}.{name}" else getattr(home, name)
        setattr(package, name, thing)
        return thing

    def settle(self) -> None:
        """Let the things that are loaded say that they live in this package."""
        for home in [home for home in self._unsettled if home in sys.modules]:
            module = sys.modules[home]
            names = self._unsettled[home]
            # Another thread may be in the midst of loading it.
            names[:] = [name for name in names if not self._settled(module, name)]
            if not names:
                self._unsettled.pop(home, None)

    def _settled(self, module: ModuleType, name: str) -> bool:
        thing = vars(module).get(name)
        if getattr(thing, "__module__", "") == module.__name__:
            if isinstance(thing, type):
                describe(thing)
            thing.__module__ = self._package
        return thing is not None


_TABLES: Final[list[Exports]] = []
