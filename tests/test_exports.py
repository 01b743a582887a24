"""The public names: all there, none by accident, each documented where users look for it.

What is public is asked of the modules themselves, so that a new name is held to the same rules.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import trio_mq
import trio_mq.admin
import trio_mq.auth
import trio_mq.lowlevel
import trio_mq.opentelemetry
import trio_mq.prometheus
import trio_mq.testing
import trio_mq.zmtp

MODULES = [
    trio_mq,
    trio_mq.admin,
    trio_mq.auth,
    trio_mq.lowlevel,
    trio_mq.opentelemetry,
    trio_mq.prometheus,
    trio_mq.testing,
    trio_mq.zmtp,
]
REFERENCE = Path(__file__).parent.parent / "docs" / "reference"

#: A future statement leaves its name, and submodules theirs once anybody imports them.
INCIDENTAL = {"annotations", "testing"}

PROMISED = """
    Req Rep Dealer Router Pub Sub XPub XSub Push Pull Pair Downstream Upstream
    open_socket proxy SocketType Message Sendable Options Limits Context
    Peer EventStream SocketStatistics PeerStatistics DropReason
    MQError StateError Unroutable PeerLost MessageTooLarge TooManySockets TooManyThreads
    InternalError HandshakeError IncompatiblePeer MechanismMismatch AuthenticationFailed
    zmtp lowlevel auth UnencryptedWarning
""".split()  # noqa: SIM905  # reads better than forty pairs of quotes


def public(module: types.ModuleType) -> list[str]:
    """List the names that a module offers: ``__all__``, or what has no underscore."""
    offered = getattr(module, "__all__", None)
    if offered is not None:
        return list(offered)
    return [name for name in vars(module) if not name.startswith("_") and name not in INCIDENTAL]


def everything_public() -> Iterator[tuple[str, object]]:
    """Yield each public name with its module in front, and the thing itself."""
    for module in MODULES:
        for name in public(module):
            yield f"{module.__name__}.{name}", getattr(module, name)


THINGS = [
    pytest.param(name, thing, id=name)
    for name, thing in everything_public()
    if inspect.isclass(thing) or inspect.isroutine(thing)
]


def methods(thing: object) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties that a class defines itself."""
    members = vars(thing) if inspect.isclass(thing) else {}
    for name, member in members.items():
        plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not name.startswith("_") and isinstance(plain, (types.FunctionType, property)):
            yield name, plain


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_is_there(name: str) -> None:
    """The names of the first release stay."""
    assert name in public(trio_mq)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_no_name_is_public_by_accident(module: types.ModuleType) -> None:
    """What a module imports for its own use is not what it offers."""
    visible = {name for name in vars(module) if not name.startswith("_")}
    ours = {name for name in visible if not inspect.ismodule(getattr(module, name))}
    assert set(public(module)) - visible == set()
    assert ours - set(public(module)) <= INCIDENTAL


@pytest.mark.parametrize(("name", "thing"), THINGS)
def test_a_public_thing_says_that_it_lives_where_users_import_it(name: str, thing: object) -> None:
    """Tracebacks and representations name a place that users may import from."""
    home = str(thing.__module__)
    assert "._" not in home, name
    assert thing in vars(sys.modules[home]).values()


@pytest.mark.parametrize(("name", "thing"), THINGS)
def test_a_public_thing_has_a_docstring_with_a_first_sentence(name: str, thing: object) -> None:
    """The docstring is the thing's own, and its first line ends as a sentence does."""
    text = thing.__doc__ or ""
    assert text.strip(), f"{name} has no docstring"
    assert text.strip().splitlines()[0].rstrip().endswith((".", ":", "?")), name


@pytest.mark.parametrize(("name", "thing"), THINGS)
def test_the_methods_of_a_public_class_have_docstrings(name: str, thing: object) -> None:
    """Every public method and property is explained."""
    bare = [method for method, member in methods(thing) if not inspect.getdoc(member)]
    assert bare == [], f"of {name}"


def test_type_checkers_may_trust_the_annotations() -> None:
    """The marker that says so is installed with the package."""
    assert Path(trio_mq.__file__).with_name("py.typed").is_file()


def documented() -> set[str]:
    """Collect the names that the reference has a directive for."""
    text = "\n".join(path.read_text("utf-8") for path in REFERENCE.glob("*.rst"))
    return set(re.findall(r"^ *\.\. (?:py:)?(?:auto)?\w+:: ([\w.]+)", text, re.MULTILINE))


@pytest.mark.parametrize(("name", "thing"), list(everything_public()))
def test_a_public_name_is_in_the_reference(name: str, thing: object) -> None:
    """The reference has an entry for each public name, or for another name of the same thing."""
    names = {name} | {other for other, twin in everything_public() if twin is thing}
    assert names & documented()


ROOT = Path(__file__).parent.parent
PROGRAMS = [
    path
    for folder in ("tests", "fuzz", "chaos", "benchmarks", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def private_imports(source: str) -> Iterator[tuple[str, str]]:
    """Yield the modules that users don't import from, with the names that a source takes there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and re.match(
            r"trio_mq\.(_|auth\.|zmtp\.)", node.module or ""
        ):
            yield from ((str(node.module), name.name) for name in node.names)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_takes_public_names_from_where_users_do(path: Path) -> None:
    """Only what is private is imported from where it lives."""
    public_things = {id(thing) for _, thing in everything_public()}
    for module, name in private_imports(path.read_text("utf-8")):
        thing = getattr(importlib.import_module(module), name, None)
        assert inspect.ismodule(thing) or id(thing) not in public_things, f"{module}.{name}"


def test_the_protocol_alone_loads_no_event_loop() -> None:
    """`trio_mq.zmtp` is for any event loop, or none: importing it brings in neither trio nor us."""
    program = "import sys, trio_mq.zmtp; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    modules = set(loaded.stdout.decode().split())
    assert "trio_mq.zmtp.connection" in modules
    assert not modules & {"trio", "trio_mq._sockets", "trio_mq._transports"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """Names are loaded when asked for; asking for a wrong one says so, as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Posh'"):
        getattr(trio_mq, "Posh")  # noqa: B009  # a type checker knows better
    assert "Push" in dir(trio_mq)
