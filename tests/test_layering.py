"""The floors of the package, read from the picture in its docstring, and what may import what.

A floor's modules import from the floors below it, and never from their neighbours: a folder counts
as one module. Imports for annotations alone count too, for a reader has to follow them all the
same. A file that stands on no floor fails: whoever adds one decides where it belongs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import trio_mq

PACKAGE = Path(trio_mq.__file__).parent


def floors(picture: str) -> list[list[str]]:
    """Return the modules of each floor, from the top down, of an indented picture."""
    rows = re.findall(r"^    (\S.*)$", picture, re.MULTILINE)
    return [re.split(r"\s{2,}", row)[0].split() for row in rows]


FLOORS = floors(trio_mq.__doc__ or "")
#: How far above the ground each module stands.
HEIGHT: Mapping[str, int] = {
    module: height for height, floor in enumerate(reversed(FLOORS)) for module in floor
}

#: Sans-I/O means that time, chance and the outside world come in as arguments, or not at all.
SANS_IO = {"_errors", "_message", "_limits", "zmtp"}
OUTSIDE_WORLD = {"asyncio", "multiprocessing", "random", "secrets", "select", "selectors"}
OUTSIDE_WORLD |= {"signal", "socket", "ssl", "subprocess", "threading", "time", "trio"}
JUNK_DRAWERS = {"utils", "util", "common", "helpers", "base", "core", "misc"}
LINES_IN_A_FILE = 400
#: What a file says in its head when one idea needs more lines than that.
ONE_IDEA = "This file is longer than most"


def layer_of(module: str) -> str:
    """Return the layer of a dotted name below the package: its folder, or the file itself."""
    layer = module.partition(".")[0]
    return layer if layer in HEIGHT else "__init__"


def imports(source: str, package: str) -> Iterator[str]:
    """Yield each full name that a source imports, module or not."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{origin}.{name.name}" for name in node.names)


def breaches(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Say what a module, named below the package, imports and may not."""
    full = f"trio_mq.{module}".removesuffix(".")
    layer = layer_of(module)
    if module and layer == "__init__":
        return [f"{full} stands on no floor: give it a place in the docstring of trio_mq"]
    found = []
    for name in imports(source, full if is_package else full.rpartition(".")[0]):
        top, _, below = name.partition(".")
        target = layer_of(below)
        if top == "trio_mq" and target != layer and HEIGHT[target] >= HEIGHT[layer]:
            found.append(f"{full} imports {target}, which is not below {layer}")
        if top in OUTSIDE_WORLD and layer in SANS_IO:
            found.append(f"{full} is sans-I/O and imports {top}")
    return found


def modules() -> list[Path]:
    """List every source file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def short(path: Path) -> str:
    """Name a file as the reader of a test's name knows it."""
    return str(path.relative_to(PACKAGE))


def dotted(path: Path) -> str:
    """Return the full name of the module in a file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def graph() -> dict[str, set[str]]:
    """Return what each module of the package imports, as full names of modules."""
    known = {dotted(path): path for path in modules()}
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names = set(imports(path.read_text("utf-8"), package))
        # ``from a import b`` names a module b, or what is defined in a module a.
        targets = {name if name in known else name.rpartition(".")[0] for name in names}
        found[module] = targets & set(known) - {module}
    return found


def circle(imported: Mapping[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; none is the empty list."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Every module can be understood before those that use it."""
    assert circle(graph()) == []


def test_a_circle_is_found() -> None:
    """A circle through three modules is reported."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_module_imports_only_what_is_below_it(path: Path) -> None:
    """Every import of the package goes down in the picture."""
    relative = path.relative_to(PACKAGE).with_suffix("")
    is_package = relative.name == "__init__"
    parts = relative.parts[:-1] if is_package else relative.parts
    assert breaches(".".join(parts), path.read_text("utf-8"), is_package=is_package) == []


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    """A file says one thing; a longer one says in its head why. Theory headers are free."""
    source = path.read_text("utf-8")
    header = ast.get_docstring(ast.parse(source), clean=False) or ""
    lines = source.count("\n") - header.count("\n")
    assert lines <= LINES_IN_A_FILE or ONE_IDEA in header


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_file_is_named_for_what_is_in_it(path: Path) -> None:
    """No junk drawers, and no folders inside folders."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    assert not {part.strip("_") for part in parts} & JUNK_DRAWERS
    assert len(parts) <= 2


def test_the_walk_sees_the_package() -> None:
    """An empty list of files would pass every test above."""
    assert {"_errors.py", "zmtp/__init__.py"} <= {short(path) for path in modules()}


def test_the_picture_names_only_what_there_is() -> None:
    """A module that has gone leaves the picture too."""
    here = {path.stem for path in PACKAGE.glob("*.py")}
    here |= {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert set(HEIGHT) == here


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zmtp.frames", "import trio"),
        ("zmtp.frames", "from trio.lowlevel import checkpoint"),
        ("zmtp.handshake", "from time import monotonic"),
        ("zmtp.frames", "from .. import _pipes"),
        ("_message", "import random"),
        ("_errors", "from trio_mq._message import Message"),
        ("_pipes.pipe", "from .._connections.link import Link"),
        ("_strategies.fanout", "from .._connections import link"),
        ("_strategies.fanout", "from .._contract import Ending"),
        ("_connections.link", "from .._patterns.pattern import Pattern"),
        ("_patterns.push", "from .._connections.link import Link"),
        ("_connections.link", "def late():\n    from trio_mq._sockets import socket"),
        ("_sockets.pubsub", "from trio_mq import Push"),
        ("_sockets.pubsub", "from .._proxy import proxy"),
        ("zmtp.frames", "if TYPE_CHECKING:\n    from .._events import Event"),
        ("_novelty", "import attrs"),
    ],
)
def test_a_reach_upwards_is_found(module: str, source: str) -> None:
    """Each of these sources breaks the layering, and the reader of imports says so."""
    assert breaches(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zmtp.frames", "import enum, attrs\nfrom .._errors import RemoteProtocolError"),
        ("zmtp.connection", "from . import frames\nfrom .greeting import Greeting"),
        ("_connections.link", "import trio\nfrom trio_mq.zmtp.connection import Connection"),
        ("_strategies.fanout", "from .._pipes.pipe import Pipe"),
        ("_patterns.push", "from .._contract import AnyLink"),
        ("_sockets.pubsub", "from .._strategies.fanout import Fanout\nfrom . import socket"),
        ("", "from ._sockets.pubsub import Pub as Pub\nfrom . import zmtp as zmtp"),
    ],
)
def test_a_reach_downwards_is_allowed(module: str, source: str) -> None:
    """What the picture allows raises no alarm."""
    assert breaches(module, source, is_package=not module) == []
