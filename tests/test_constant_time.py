"""No secret is compared in a time that tells where it differs.

``==`` and a look-up stop where two texts differ, so whoever measures how long a server takes to
refuse finds out a secret bit by bit. What could be one is compared by `hmac.compare_digest`. All
other comparisons of the security code stand here, each for a reason.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

import trio_mq.auth
import trio_mq.zmtp

PACKAGE: Final = Path(trio_mq.__file__).parent
PARTS: Final = ("zmtp", "auth")
#: What takes frames apart and puts them together. It has no secret to compare one with, and its
#: comparisons, of sizes and flags, change with every quicker way.
FRAMES_ONLY: Final = {
    *("zmtp/bulk.py", "zmtp/decoder.py", "zmtp/frames.py"),
    *("zmtp/torn_frame.py", "zmtp/traffic.py", "zmtp/whole.py"),
}
#: Words without which no secret is there.
SECRETS: Final = re.compile("cookie|credential|digest|password|secret|vouch", re.IGNORECASE)
#: Methods that compare what they are given with what they have.
COMPARING: Final = {
    *("__contains__", "__eq__", "__getitem__", "__ne__", "get", "pop", "setdefault"),
    *("count", "discard", "find", "index", "remove", "rfind", "rindex"),
    *("endswith", "partition", "removeprefix", "removesuffix", "rpartition", "startswith"),
}
#: What may be compared in any way, by the reason, and where.
REVIEWED: Final[dict[str, dict[str, set[str]]]] = {
    "a number: a position, a size, a count or a flag": {
        "zmtp/metadata.py": {"data[start]", "name_end == start + 1"},
        "zmtp/sealed.py": {"number != self._next"},
        "zmtp/terms.py": {"self._traffic.get(overhead)"},
        "auth/combine.py": {"(300, 500, 400).index(each.status)"},
        "auth/request.py": {"value not in _STATUSES"},
    },
    "a state, a type or a role": {
        "zmtp/connection.py": {"self._handshake.state not in _OUR_TURN"},
        "zmtp/handshake.py": {
            "_WHY_LEFT.get(self.state, '')",
            "self.table.get(self.state, {})",
            "self.table.get(self.state, {}).get(step)",
        },
        "zmtp/mechanism.py": {"NULL_TABLES[role]"},
        "zmtp/metadata.py": {"LEGAL_PEERS[ours]"},
        "zmtp/socket_types.py": {
            *("LEGAL_PEERS[ours]", "LEGAL_PEERS[self]", "other in LEGAL_PEERS[self]"),
        },
    },
    "a word of the protocol, which everybody knows": {
        "zmtp/__init__.py": {"globals()[_name]"},
        "zmtp/commands.py": {"reason in _STATUSES", "reason == wrong_type(theirs, ours.value)"},
        "zmtp/curve.py": {"data.startswith(_VERSION + _PADDING)"},
        "zmtp/greeting.py": {"self._received[_MECHANISM]", "self._theirs != self._ours"},
        "zmtp/metadata.py": {
            *("by_name.get(CORRELATE.lower())", "candidate.value.encode('ascii') == name"),
            *("name.lower() in seen", "name.lower() not in hidden"),
        },
        "zmtp/sealed.py": {"body[:len(_MESSAGE)] != _MESSAGE"},
        "auth/request.py": {"name.lower() in _RESERVED"},
        "auth/zap.py": {"version != _VERSION"},
    },
    "what a peer says of itself to everybody, looked up whole": {
        "zmtp/terms.py": {"self._known.get((introduction, version))"},
    },
    "a public key or the name of a user: neither lets anybody in": {
        "auth/keys.py": {
            *("owners.setdefault(key, owner)", "owners[key]", "public in users", "users[public]"),
            "self._roll.find(request.public_key)",
            "self._users.get(request.public_key)",
        },
        "auth/passwords.py": {"roll.find(request.username)"},
        "auth/roll.py": {
            *("before.get(shown)", "self._known.get(shown)", "self._known[shown]"),
        },
    },
    "an address, or a file and when it was written": {
        "auth/addresses.py": {"address in network"},
        "auth/keys.py": {
            *("before.stamp == stamp", "self._files.get(name)"),
            *("path.name.endswith(_SUFFIX)", "path.name.removesuffix(_SUFFIX)"),
            "self._path.stat().st_mtime_ns == self._changed",
        },
        "auth/passwords.py": {"stamp != self._stamp"},
    },
    "what the program gives, and no peer has a part in": {
        "auth/certificates.py": {"match[2] != value"},
        "auth/curve.py": {"key_bytes('public', public) != derived"},
        "auth/pyzmq.py": {"self._replies.pop(request_id, [])"},
        "auth/request.py": {"self._listeners.pop(listener, None)"},
        # Digests too, under a key of this process: those of a file before and after a change.
        "auth/roll.py": {"old[0] == about"},
        "auth/zap.py": {"answered != request_id"},
        "zmtp/z85.py": {"_ALPHABET[number // power % 85]", "_DIGITS.get(character)"},
    },
}
#: Classes that are compared field by field, and have a secret that their `repr` hides: programs
#: have them, and nothing of ours compares two.
COMPARED_WHOLE: Final = {
    "Certificate",
    "CredentialsReceived",
    "CurveKeys",
    "PlainClient",
    "Request",
}
#: Of what `repr` hides, these are no secrets.
ONLY_HIDDEN: Final = {"random_bytes", "revocations"}


def found_in(source: str) -> set[str]:
    """Return the comparisons of a file between things of which neither is known to everybody."""
    tree = ast.parse(source)
    types = {id(part) for each in ast.walk(tree) for part in _parts_of_types(each)}
    return {
        ast.unparse(each) for each in ast.walk(tree) if id(each) not in types and compares(each)
    }


def compares(node: ast.AST) -> bool:
    """Tell whether it compares, and could compare a secret."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip(ops, itertools.pairwise([left, *others]), strict=True)
            by_content = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
            return any(
                isinstance(how, by_content) and not any(map(everybody_knows, pair))
                for how, pair in pairs
            )
        case ast.Call(func=ast.Attribute(attr=method), args=arguments):
            return method in COMPARING and not all(map(everybody_knows, arguments))
        case ast.Subscript(ctx=ast.Load(), slice=index):
            return not (isinstance(index, ast.Slice) or everybody_knows(index))
        case ast.MatchValue(value=value):
            return not everybody_knows(value)
    return False


def everybody_knows(node: ast.AST) -> bool:
    """Tell whether it is a literal, a size, or a member of an enumeration."""
    match node:
        case ast.Constant() | ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.List(elts=parts):
            return all(map(everybody_knows, parts))
        case ast.Attribute(value=ast.Name(id=name)):
            return names_a_class(name)
        case ast.Attribute(value=member, attr="value"):
            return everybody_knows(member)
    return False


def names_a_class(name: str) -> bool:
    """Tell whether it is written as a class is, and not as a constant."""
    return name[0].isupper() and (len(name) == 1 or not name.isupper())


def _parts_of_types(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of annotations, and of what is subscripted as a type wherever it stands."""
    types = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        name = node.value.id
        types.append(node if names_a_class(name) or name in {"dict", "list", "tuple"} else None)
    for each in filter(None, types):
        yield from ast.walk(each)


def files() -> dict[str, set[str]]:
    """Return what was found, by file."""
    found = {name: found_in(source) for name, source in sources().items()}
    return {name: each for name, each in found.items() if each and name not in FRAMES_ONLY}


def sources() -> dict[str, str]:
    """Return the text of each file of the security code."""
    paths = [path for part in PARTS for path in sorted((PACKAGE / part).glob("*.py"))]
    return {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in paths}


def test_every_comparison_of_the_security_code_was_reviewed() -> None:
    """Whoever adds one uses `hmac.compare_digest`, or writes here why it need not be."""
    reviewed: dict[str, set[str]] = {}
    for places in REVIEWED.values():
        for file, comparisons in places.items():
            reviewed.setdefault(file, set()).update(comparisons)
    assert files() == reviewed


@pytest.mark.parametrize("file", sorted(FRAMES_ONLY))
def test_what_need_not_be_reviewed_has_no_secret(file: str) -> None:
    """Not even by name."""
    assert SECRETS.findall(sources()[file]) == []


@pytest.mark.parametrize(
    "comparison",
    [
        "data == self._cookie",
        "self._cookie != data[:96]",
        "1 < size == tag",
        "password in self._passwords",
        "password not in (known, other)",
        "self._passwords[password]",
        "self._passwords.get(password)",
        "data.startswith(self._cookie)",
        "_NOBODYS == digest",
        "PASSWORDS[name] == PASSWORDS.default",
    ],
)
def test_a_comparison_of_secrets_is_found(comparison: str) -> None:
    """In each of its forms, wherever it stands."""
    assert comparison in found_in(f"def read(self, data):\n    return len(data) and {comparison}")


def test_a_secret_that_is_matched_is_found() -> None:
    """A case with a dotted name compares too."""
    assert found_in("match data:\n    case self.cookie:\n        pass") == {"self.cookie"}


@pytest.mark.parametrize(
    "comparison",
    [
        "hmac.compare_digest(data, self._cookie)",
        "data == b'literal'",
        "len(data) == _SIZE",
        "command == Command.READY",
        "name in (b'one', b'two')",
        "data[:10]",
        "dict[str, bytes]()",
    ],
)
def test_what_everybody_knows_may_be_compared(comparison: str) -> None:
    """It need not be listed."""
    assert found_in(comparison) == set()


def test_nobody_compares_objects_with_secrets_unseen() -> None:
    """Whoever writes a class of attrs gets a comparison of all that is in it."""
    modules = [
        importlib.import_module(f"{package.__name__}.{name}")
        for package in (trio_mq.zmtp, trio_mq.auth)
        for _, name, _ in pkgutil.iter_modules(package.__path__)
        if name != "__main__"
    ]
    found = {
        kind.__name__
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and attrs.has(kind) and kind.__eq__ is not object.__eq__
        if {each.name for each in attrs.fields(kind) if not each.repr and each.eq} - ONLY_HIDDEN
    }
    assert found == COMPARED_WHOLE
