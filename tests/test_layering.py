"""The layers of the package, as data, and a reader of imports that holds the package to them.

::

    bytes -> zmtp -> _connections -> _pipe -> _strategies -> _sockets -> your code

A layer may import what stands beside its name below, and itself. A file that belongs to no layer
fails too: whoever adds one decides where it stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import trio_mq

PACKAGE = Path(trio_mq.__file__).parent

WORDS = {"_errors", "_message", "_options"}
WAITING = WORDS | {"_inbound", "_outgoing", "_pipe", "_pipe_owner", "_waiting", "_watched"}
WAITING |= {"_statistics"}
ENGINE = WAITING | {"_connections", "_transports", "zmtp", "_peer", "_events", "_context"}
#: What each layer may import of the package: a layer is a folder or a file beside it.
MAY_IMPORT: Mapping[str, set[str]] = {
    **dict.fromkeys(WORDS, WORDS),
    "zmtp": WORDS,
    "_transports": WORDS,
    "_statistics": WORDS,
    "_waiting": WORDS,
    "_outgoing": WORDS,
    "_watched": set(),
    "_pipe_owner": WAITING,
    "_inbound": WAITING,
    "_pipe": WAITING,
    "lowlevel": {"_waiting"},
    "auth": WORDS | {"zmtp"},
    "_peer": WAITING,
    "_events": WAITING | {"_peer"},
    "_strategies": WAITING,
    "_connections": WAITING | {"_transports", "zmtp", "_peer", "_events"},
    "_context": WAITING | {"_transports"},
    "_sockets": ENGINE | {"_strategies"},
    "_proxy": ENGINE | {"_strategies", "_sockets"},
    "testing": ENGINE | {"_strategies", "_sockets", "_proxy"},
}
MAY_IMPORT = {**MAY_IMPORT, "__init__": {*MAY_IMPORT, "__init__"}}
#: What a layer may name in annotations besides, under ``if TYPE_CHECKING``: things that pass
#: through its hands unopened.
MAY_NAME: Mapping[str, set[str]] = {
    "_options": {"zmtp"},
    "_peer": {"zmtp"},
    "_context": {"_connections"},
    "_statistics": {"_peer"},
    "_pipe": {"_peer"},
    "_inbound": {"_peer", "_pipe"},
    "_pipe_owner": {"_peer"},
    "_strategies": {"_peer"},
}

#: Sans-I/O means that time, chance and the outside world come in as arguments, or not at all.
SANS_IO = WORDS | {"zmtp"}
OUTSIDE_WORLD = {"asyncio", "multiprocessing", "random", "secrets", "select", "selectors"}
OUTSIDE_WORLD |= {"signal", "socket", "ssl", "subprocess", "threading", "time", "trio"}
JUNK_DRAWERS = {"utils", "util", "common", "helpers", "base", "core", "misc"}
LINES_IN_A_FILE = 400


def layer_of(module: str) -> str:
    """Return the layer of a dotted name below the package: its folder, or the file itself."""
    layer = module.partition(".")[0]
    return layer if layer in MAY_IMPORT else "__init__"


def for_annotations_only(tree: ast.AST) -> set[ast.AST]:
    """Collect what stands under ``if TYPE_CHECKING``, and is never run."""
    guarded = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    ]
    return {inner for guard in guarded for child in guard.body for inner in ast.walk(child)}


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """Yield each full name that a source imports, module or not, and whether it is ever run."""
    tree = ast.parse(source)
    unrun = for_annotations_only(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node not in unrun) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from ((f"{origin}.{name.name}", node not in unrun) for name in node.names)


def breaches(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Say what a module, named below the package, imports and may not."""
    full = f"trio_mq.{module}".removesuffix(".")
    layer = layer_of(module)
    if module and layer == "__init__":
        return [f"{full} belongs to no layer: give it a line in MAY_IMPORT"]
    found = []
    for name, run in imports(source, full if is_package else full.rpartition(".")[0]):
        top, _, below = name.partition(".")
        target = layer_of(below)
        allowed = MAY_IMPORT[layer] | (set() if run else MAY_NAME.get(layer, set()))
        if top == "trio_mq" and target not in {layer, *allowed}:
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


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_module_imports_only_what_is_below_it(path: Path) -> None:
    """Every import of the package follows the picture in the design."""
    relative = path.relative_to(PACKAGE).with_suffix("")
    is_package = relative.name == "__init__"
    parts = relative.parts[:-1] if is_package else relative.parts
    assert breaches(".".join(parts), path.read_text("utf-8"), is_package=is_package) == []


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    """A file says one thing; one that grows past the limit says two. Theory headers are free."""
    source = path.read_text("utf-8")
    header = ast.get_docstring(ast.parse(source), clean=False) or ""
    lines = source.count("\n") - header.count("\n")
    assert lines <= LINES_IN_A_FILE


@pytest.mark.parametrize("path", modules(), ids=short)
def test_a_file_is_named_for_what_is_in_it(path: Path) -> None:
    """No junk drawers, and no folders inside folders."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    assert not {part.strip("_") for part in parts} & JUNK_DRAWERS
    assert len(parts) <= 2


def test_the_walk_sees_the_package() -> None:
    """An empty list of files would pass every test above."""
    assert {"_errors.py", "zmtp/__init__.py"} <= {short(path) for path in modules()}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zmtp.frames", "import trio"),
        ("zmtp.frames", "from trio.lowlevel import checkpoint"),
        ("zmtp.handshake", "from time import monotonic"),
        ("zmtp.frames", "from .. import _pipe"),
        ("_message", "import random"),
        ("_transports.tcp", "from trio_mq.zmtp import frames"),
        ("_pipe", "from ._connections.link import Link"),
        ("_strategies.fanout", "from .._connections import link"),
        ("_strategies.fanout", "import trio_mq._transports.tcp"),
        ("_connections.link", "from .._strategies.fanout import Fanout"),
        ("_connections.link", "def late():\n    from trio_mq._sockets import socket"),
        ("_sockets.pubsub", "from trio_mq import Push"),
        ("_sockets.pubsub", "from .._proxy import proxy"),
        ("zmtp.frames", "if TYPE_CHECKING:\n    from .._events import Event"),
        ("_pipe", "from trio_mq._peer import Peer"),
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
        ("_strategies.fanout", "from .._pipe import Pipe"),
        ("_pipe", "if TYPE_CHECKING:\n    from trio_mq._peer import Peer"),
        ("_sockets.pubsub", "from .._strategies.fanout import Fanout\nfrom . import socket"),
        ("testing", "from ._sockets.pubsub import Pub"),
        ("", "from ._sockets.pubsub import Pub as Pub\nfrom . import zmtp as zmtp"),
    ],
)
def test_a_reach_downwards_is_allowed(module: str, source: str) -> None:
    """What the picture allows raises no alarm."""
    assert breaches(module, source, is_package=not module) == []
