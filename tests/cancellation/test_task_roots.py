"""Every task that the library starts is protected from Ctrl-C, found by reading the library.

trio raises KeyboardInterrupt in whatever task happens to run, unless the code there is protected.
A task of a socket that died of it would take the socket's engine along, in the middle of the
program's own work: its books would be closed while the program goes on. Protection is not
inherited, so each function that a task begins with must have it, and a new one that has not is
found here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import trio_mq

ROOT: Final = Path(trio_mq.__file__).parent
TREES: Final = [ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))]
#: What starts a task, of trio's and of ours.
STARTERS: Final = {"start_soon", "start", "spawn", "spawn_in_background", "spawn_system_task"}
PROTECTION: Final = "enable_ki_protection"
#: Ends the run with what the debug mode found: a task of trio's, which are protected.
TRIOS_OWN: Final = {"_crash"}


def name_of(node: ast.expr) -> str:
    """Return the last part of a name; of a ``partial``, that of its function."""
    match node:
        case ast.Call(func=ast.Name(id="partial"), args=[function, *_]):
            return name_of(function)
        case ast.Call(func=function):
            return name_of(function)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    raise AssertionError(f"a task begins with {ast.unparse(node)}: teach this test to read that")


def beginnings(trees: list[ast.Module]) -> Iterator[str]:
    """Find the names of the functions that tasks begin with."""
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Attribute(attr=starter), args=[function, *_]):
                if starter in STARTERS:
                    yield name_of(function)


def unprotected(trees: list[ast.Module]) -> Iterator[str]:
    """Find the functions of such a name that a Ctrl-C can interrupt."""
    names = set(beginnings(trees)) - TRIOS_OWN
    for node in (node for tree in trees for node in ast.walk(tree)):
        match node:
            case ast.AsyncFunctionDef(name=name, decorator_list=decorators) if name in names:
                if PROTECTION not in map(name_of, decorators):
                    yield name


def test_no_interrupt_comes_between_the_lines_of_a_task() -> None:
    """Whatever a task begins with is protected, and so is all that it calls."""
    assert not list(unprotected(TREES))


def test_the_reading_finds_what_it_should() -> None:
    """Or the test above would be true of anything."""
    assert {"run", "_engine", "_accept", "_serve", "_keep_vigil"} <= set(beginnings(TREES))
    careless = ast.parse(
        "async def _look(): ...\ndef f(self): self._nursery.start_soon(partial(self._look, 1))"
    )
    assert list(unprotected([careless])) == ["_look"]
