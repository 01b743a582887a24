"""Names that are loaded when they are asked for: only these, and under the names of users."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trio_mq
import trio_mq.auth
from trio_mq import _exports

PACKAGES = {"_exports.py": _exports.EXPORTS, "auth/__init__.py": trio_mq.auth._EXPORTS}  # type: ignore[attr-defined]  # for Python alone

#: What a program that only pushes has no use for: modules of Python, of others, and of ours.
NOT_FOR_A_PUSH = {
    *("json", "difflib", "secrets", "nacl", "asyncio", "dataclasses_json", "zmq", "pytest"),
    *("trio_mq.testing", "trio_mq.lowlevel", "trio_mq._proxy", "trio_mq._sockets.by_type"),
    *("trio_mq._sockets.publishing", "trio_mq._sockets.requesting", "trio_mq._sockets.zap"),
    *("trio_mq.auth.certificates", "trio_mq.auth.curve", "trio_mq.auth.keys"),
    *("trio_mq.zmtp.curve", "trio_mq.zmtp.plain", "trio_mq.zmtp.boxes"),
}


def run(program: str) -> set[str]:
    """Return the words that a fresh Python prints for a program."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(done.stdout.decode().split())


def test_importing_the_package_loads_nothing() -> None:
    """Neither trio nor a module of ours, until a name is asked for."""
    loaded = run("import sys, trio_mq; print(*sys.modules)")
    assert "trio_mq" in loaded
    assert "trio" not in loaded
    assert not {name for name in loaded if name.startswith("trio_mq.")}


def test_a_push_loads_what_a_push_needs() -> None:
    """What trio itself loads is not ours to count."""
    loaded = run(
        "import sys, trio; before = set(sys.modules)\n"
        "import trio_mq; trio_mq.Push; print(*sys.modules.keys() - before)"
    )
    assert "trio_mq._sockets.pipeline" in loaded
    assert loaded & NOT_FOR_A_PUSH == set()


def test_opening_a_socket_loads_no_more_of_python() -> None:
    """Setting it up asks for nothing that only mistakes need."""
    loaded = run(
        "import sys, trio, trio_mq\n"
        "async def main():\n"
        "    async with trio_mq.Push(bind='tcp://127.0.0.1:*'): print(*sys.modules)\n"
        "trio.run(main)"
    )
    assert loaded & {"difflib", "secrets", "nacl", "trio_mq._sockets.zap"} == set()


def test_what_nobody_asked_for_says_where_users_import_it_too() -> None:
    """An error is raised by a module that was loaded for another name."""
    program = (
        "import trio_mq; trio_mq.Push\n"
        "from trio_mq import _errors, _peer\n"
        "from trio_mq.auth import request\n"
        "print(_errors.PeerLost.__module__, _peer.Peer.__module__, request.Granted.__module__)"
    )
    assert run(program) == {"trio_mq", "trio_mq.auth"}


def test_a_name_of_a_lazy_package_that_is_not_there_is_an_attribute_error() -> None:
    """As for any module; and its names are there for completion."""
    with pytest.raises(AttributeError, match=r"'trio_mq\.auth' has no attribute 'Kees'"):
        getattr(trio_mq.auth, "Kees")  # noqa: B009  # a type checker knows better
    assert "Keys" in dir(trio_mq.auth)


@pytest.mark.parametrize("file", PACKAGES)
def test_python_and_type_checkers_find_each_name_in_the_same_place(file: str) -> None:
    """The imports that a checker reads, and the table that Python looks in, are one list."""
    tree = ast.parse((Path(trio_mq.__file__).parent / file).read_text("utf-8"))
    [block] = [
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node)
    ]
    read = {
        name.asname: f"trio_mq.{name.name}" if node.module == "trio_mq" else node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert read == PACKAGES[file].homes
