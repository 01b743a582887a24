"""What stands below an attribute in the source, for `help`, which could not see it otherwise.

A string literal below an attribute describes it. Editors and Sphinx show it, but Python throws it
away, so ``help(trio_mq.Options)`` would list bare names. `help` does look at ``__slots__``: if that
is a mapping, it takes its values for the texts of the slots. So every public class that has slots
gets such a mapping here. It reads the source only when a text is asked for, so importing the
library costs nothing for it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import attrs


def texts_below(source: str, class_name: str) -> dict[str, str]:
    """Return the text below each attribute of a class, in its body and in its ``__init__``."""
    texts: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for block in _blocks(node):
                texts.update(_texts_in(block))
    return texts


def describe(kind: type) -> None:
    """Let `help` show the texts of a class, which must still know the module that it is from."""
    slots = vars(kind).get("__slots__")
    if isinstance(slots, tuple):
        kind.__slots__ = _SlotTexts(kind, slots)  # type: ignore[attr-defined]  # nearly all have none


class _SlotTexts(dict[str, str]):
    """Names of slots and their texts, which are read from the source when one is asked for."""

    def __init__(self, kind: type, slots: tuple[str, ...]) -> None:
        super().__init__(dict.fromkeys(slots, ""))
        self._kind = kind
        self._file = sys.modules[kind.__module__].__file__
        self._read = False

    def __getitem__(self, name: str) -> str:
        if not self._read:
            self._read = True
            self.update(self._texts())
        return super().__getitem__(name)

    def _texts(self) -> dict[str, str]:
        try:
            source = Path(self._file or "").read_text("utf-8")
        except OSError:
            return {}  # installed without its source
        texts = texts_below(source, self._kind.__name__)
        for field in attrs.fields(self._kind) if attrs.has(self._kind) else ():
            if field.name in texts and field.default is not attrs.NOTHING:
                texts[field.name] += f"\n\nDefault: {_shown(field.default)}"
        return {name: text for name, text in texts.items() if name in self}


def _blocks(node: ast.ClassDef) -> Iterator[list[ast.stmt]]:
    yield node.body
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            yield inner.body


def _texts_in(block: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(block):
        match statement, below:
            case (
                ast.AnnAssign(target=target) | ast.Assign(targets=[target]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
                yield name, " ".join(text.split())


def _shown(default: object) -> str:
    # A factory of attrs makes a new default for each object: show what it makes.
    return repr(getattr(default, "factory", lambda: default)())
