"""What the documentation says in tables and pictures is complete, and drawn as it should be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import attrs
import generated
import pytest
import zmq
from drawing import draw

import trio_mq
from trio_mq import DropReason, Options, ProtocolFault, _contract
from trio_mq._pyzmq_names import METHODS, OPTIONS

ROOT: Final = Path(__file__).parent.parent
REASONS: Final = (ROOT / "docs" / "reference" / "reasons.rst").read_text("utf-8")

# -- from pyzmq --


@pytest.mark.interop
@pytest.mark.parametrize("name", [option.name for option in zmq.SocketOption])
def test_each_socket_option_of_pyzmq_has_an_answer(name: str) -> None:
    """Also those that this library has no use for."""
    assert OPTIONS[name.lower()]


@pytest.mark.interop
@pytest.mark.parametrize("name", [name for name in dir(zmq.Socket) if re.match("[a-z]", name)])
def test_each_method_of_a_pyzmq_socket_has_an_answer(name: str) -> None:
    """What both have is linked, and everything else says what to write instead."""
    assert name in {*METHODS, *OPTIONS, *generated.SHARED}


@pytest.mark.parametrize("path", generated.SHARED.values())
def test_what_both_have_is_here(path: str) -> None:
    """By the name that the table links."""
    thing: object = trio_mq
    for name in path.split("."):
        thing = getattr(thing, name)


# -- reasons --


def words() -> Iterator[str]:
    """Yield each word that the library may give for the end of a connection."""
    yield from (word for _, word in _contract._WORDS)
    yield from (fault.value for fault in ProtocolFault)
    for path in Path(trio_mq.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="hang_up" | "redial" | "disconnect")
                    | ast.Name(id="Refusal" | "hang_up"),
                    args=[ast.Constant(value=str(word)), *_],
                ):
                    yield word
                case ast.FunctionDef(name="turns_away"):
                    yield from (
                        str(each.value.value)
                        for each in ast.walk(node)
                        if isinstance(each, ast.Return)
                        and isinstance(each.value, ast.Constant)
                        and each.value.value is not None
                    )


@pytest.mark.parametrize("word", sorted({*words(), *(r.value for r in DropReason)}))
def test_each_reason_is_explained(word: str) -> None:
    """What it means, and what to do."""
    assert f"``{word}``" in REASONS


def test_reasons_were_found() -> None:
    """Of each kind at least one."""
    expected = {"eof", "closed", "max-peers", "too-many-half-open", "refused-too-often", "version"}
    assert expected <= set(words())


# -- options --


def test_the_matrix_has_each_option_and_somebody_who_takes_it() -> None:
    """An option that no type takes would be a mistake of the table."""
    rows = "\n".join(generated.options_matrix()).split("   * - ")[2:]
    for row in rows:
        cells = re.split("\n     -", row)
        assert len(cells) == 2 + len(generated.TYPES)
        assert any("●" in cell for cell in cells[2:]), row


# -- pictures --

PICTURE: Final = """
    boss / Push
    one | two

    boss -> one: a <task>
    one <-> two
    boss ~> two
""".splitlines()


def test_a_picture_has_a_box_for_each_name_and_a_line_for_each_arrow() -> None:
    """And the sentence for those who don't see it."""
    svg = ET.fromstring(draw(PICTURE, "a boss & two"))  # noqa: S314  # it is our own
    assert svg.get("aria-label") == "a boss & two"
    assert len(svg.findall("rect[@rx]")) == 3
    assert len(svg.findall("path")) == 3
    assert [text.text for text in svg.findall("text")] == [
        *("a <task>", "boss", "Push", "one", "two")
    ]


def test_boxes_do_not_overlap_and_lie_within_the_picture() -> None:
    """Whatever their names are."""
    svg = ET.fromstring(draw(["a very long name indeed | b", "c"], ""))  # noqa: S314  # our own
    left, _, width, height = map(float, (svg.get("viewBox") or "").split())
    boxes = [
        {k: float(box.get(k) or 0) for k in ("x", "y", "width", "height")}
        for box in svg.findall("rect")
    ]
    for box in boxes:
        assert left <= box["x"]
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    first, second, _third = boxes
    assert first["x"] + first["width"] < second["x"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a\n\na -> b", "names 'b'"), ("a\n\nto b", "no arrow"), ("", "not 0 parts")],
)
def test_what_cannot_be_drawn_is_named(text: str, says: str) -> None:
    """The build of the documentation shows it with its line."""
    with pytest.raises(ValueError, match=says):
        draw(text.splitlines(), "")


# -- errors, and the cheat sheet --


def shape(text: str) -> str:
    """Return a text with ``#`` for its numbers, for a command's name, and for what is filled in."""
    return re.sub(r"\{[^{}]*\}|\d+|READY", "#", " ".join(text.split()))


def texts() -> Iterator[str]:
    """Yield every text in the source of the library."""
    for path in Path(trio_mq.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Constant(value=str(text)):
                    yield shape(text)
                case ast.JoinedStr(values=parts):
                    pieces = [part.value if isinstance(part, ast.Constant) else 0 for part in parts]
                    yield shape("".join(map(str, pieces)))


ERRORS: Final = (ROOT / "docs" / "reference" / "errors.rst").read_text("utf-8")
REMEDIES: Final = ERRORS[ERRORS.index("What to do about it") :]


def test_what_the_page_of_errors_quotes_is_what_errors_say() -> None:
    """Somebody who looks for a text has to find it there."""
    quoted = [shape(text) for text in re.findall(r'"([^"]+)"', REMEDIES)]
    said = list(texts())
    assert len(quoted) > 12
    assert [text for text in quoted if not any(text in each for each in said)] == []


CHEAT_SHEET: Final = (ROOT / "docs" / "start" / "cheat_sheet.rst").read_text("utf-8")
#: What the names in the cheat sheet are.
ACTORS: Final = {
    "push": trio_mq.Push,
    "pull": trio_mq.Pull,
    "req": trio_mq.Req,
    "rep": trio_mq.Rep,
    "pub": trio_mq.Pub,
    "sub": trio_mq.Sub,
    "router": trio_mq.Router,
    "sock": trio_mq.Pair,
    "peer": trio_mq.Peer,
    "message": trio_mq.Message,
    "trio_mq": trio_mq,
}


def test_the_cheat_sheet_names_what_there_is() -> None:
    """Each attribute of each name in it exists, and so does each option with a value."""
    code = " ".join(re.findall(r"``([^`]+)``", CHEAT_SHEET))
    named = {(who, what) for who, what in re.findall(r"\b([a-z_]+)\.(\w+)", code) if who in ACTORS}
    assert len(named) > 30
    assert [(who, what) for who, what in named if not hasattr(ACTORS[who], what)] == []
    _, _, used = CHEAT_SHEET.partition("Options that are used most")
    options = re.findall(r"``(\w+)=", used)
    assert len(options) >= 9
    assert [name for name in options if name not in attrs.fields_dict(Options)] == []


def test_pictures_are_drawn_and_not_typed() -> None:
    """What is typed is clipped on a narrow page."""
    pages = [path for path in (ROOT / "docs").rglob("*.rst") if path.parent.name != "_generated"]
    typed = [path.name for path in pages if re.search(r"[─│┌┐└┘╭╮]|\+--", path.read_text("utf-8"))]
    assert (len(pages) > 60, typed) == (True, [])


def test_the_front_page_shows_code_a_picture_the_reasons_and_the_speed() -> None:
    """What somebody wants to know within a minute."""
    front = (ROOT / "docs" / "index.rst").read_text("utf-8")
    for shown in ("examples/hello.py", ".. diagram::", "push-pull-tcp-16.svg", "pip install"):
        assert shown in front
    assert len(re.findall(r"^\* \*\*", front, re.MULTILINE)) == 4
