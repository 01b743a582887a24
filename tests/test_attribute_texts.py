"""Each attribute that users can see has a text, where editors, Sphinx and `help` find it."""

from __future__ import annotations

import enum
import inspect
import pydoc
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import is_typeddict

import attrs
import pytest

import trio_mq
import trio_mq.auth
import trio_mq.zmtp
from trio_mq import DropReason, Options, Peer, PeerStatistics, SocketStatistics
from trio_mq._attribute_texts import texts_below

PACKAGE = Path(trio_mq.__file__).parent
MODULES: list[types.ModuleType] = [trio_mq, trio_mq.auth, trio_mq.zmtp]


def texts_of_all() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each class of the package that describes attributes, with its texts."""
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text("utf-8")
        for name in re.findall(r"^class (\w+)", source, re.MULTILINE):
            yield name, texts_below(source, name)


TEXTS = {name: texts for name, texts in texts_of_all() if texts}


def public_classes() -> Iterator[type]:
    """Yield each public class once."""
    things = (getattr(module, name) for module in MODULES for name in module.__all__)
    yield from dict.fromkeys(thing for thing in things if inspect.isclass(thing))


def attributes_of(kind: type) -> Iterator[str]:
    """Yield the fields, members, keys or slots that a class defines itself."""
    if issubclass(kind, enum.Enum):
        yield from kind.__members__
    elif attrs.has(kind) or is_typeddict(kind):
        yield from kind.__annotations__.keys() - inherited(kind)
    else:
        yield from vars(kind).get("__slots__", ())


def inherited(kind: type) -> set[str]:
    """Return the keys that a typed dictionary has from another, which it does not remember."""
    parents = (trio_mq.ConnectionOptions, trio_mq.SocketOptions)
    keys = [
        set(each.__annotations__) for each in parents if is_typeddict(kind) and each is not kind
    ]
    return set().union(*(each for each in keys if each <= set(kind.__annotations__)))


def described_in_arguments(kind: type) -> set[str]:
    """Return the names in the section "Args" of a class that users make themselves."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Args:\n")
    lines = textwrap.dedent(section.partition("\n\n")[0]).splitlines()
    return {line.partition(":")[0].lstrip("*") for line in lines if not line.startswith(" ")}


WITH_ATTRIBUTES = [kind for kind in public_classes() if any(attributes_of(kind))]
KEYWORDS = [kind for kind in WITH_ATTRIBUTES if is_typeddict(kind)]


@pytest.mark.parametrize("kind", WITH_ATTRIBUTES, ids=lambda kind: str(kind.__name__))
def test_each_attribute_of_a_public_class_has_a_text(kind: type) -> None:
    """A string literal below it, or a line among the arguments of its class."""
    told = TEXTS.get(kind.__name__, {}).keys() | described_in_arguments(kind)
    assert {name for name in attributes_of(kind) if not name.startswith("_")} - told == set()


def test_the_walk_sees_classes_of_each_kind() -> None:
    """An empty list would pass the test above."""
    assert {Options, DropReason, Peer, trio_mq.PushOptions} <= set(WITH_ATTRIBUTES)


@pytest.mark.parametrize("kind", KEYWORDS, ids=lambda kind: str(kind.__name__))
def test_a_keyword_says_what_its_option_says(kind: type) -> None:
    """Editors show the keyword's text, the reference the option's: both begin alike."""
    for name in set(attributes_of(kind)) - {"listener"}:
        assert TEXTS["Options"][name].startswith(TEXTS[kind.__name__][name])


def test_each_option_is_a_keyword_of_some_socket() -> None:
    """An option that no class takes could not be set."""
    taken = {name for kind in KEYWORDS for name in kind.__annotations__}
    assert taken == attrs.fields_dict(Options).keys() | {"listener"}


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (Options, ["Messages that may wait to be written", "Default: 1000"]),
        (Options, ["Default: {}"]),
        (Peer, ["Where the peer is"]),
        (PeerStatistics, ["The peer.", "Messages that ``send`` accepted for writing."]),
        (SocketStatistics, ["Tasks that wait in ``send``."]),
        (trio_mq.zmtp.Ping, ["Bytes that the `Pong` repeats."]),
        (trio_mq.auth.Request, ["The endpoint of ours"]),
    ],
)
def test_help_shows_the_texts(kind: type, shown: list[str]) -> None:
    """`help` prints what stands below each attribute, and its default."""
    page = pydoc.plain(pydoc.render_doc(kind))
    assert [text for text in shown if text not in page] == []


def test_help_needs_no_source() -> None:
    """Where only compiled files are installed, the names are listed without texts."""
    slots = vars(Options)["__slots__"]
    lonely = type(slots)(Options, ("linger",))
    lonely._file = "/nowhere"
    assert lonely["linger"] == ""


def test_the_texts_cost_nothing_until_they_are_asked_for() -> None:
    """Importing the library reads no source for them."""
    program = "import trio_mq; print(vars(trio_mq.Options)['__slots__']._read)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.strip() == b"False"


def test_a_text_belongs_to_the_attribute_above_it() -> None:
    """In the body of the class and in its constructor; a comment, or a text elsewhere, is none."""
    source = textwrap.dedent(
        '''
        class Thing:
            """The class."""

            one: int
            """First
            of all."""

            two = 2
            # no text

            def __init__(self):
                """Not of an attribute."""
                self.three = 3
                """Third."""
        '''
    )
    assert texts_below(source, "Thing") == {"one": "First of all.", "three": "Third."}
    assert texts_below(source, "Other") == {}
