"""What the documentation says in tables and pictures is complete, and drawn as it should be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import generated
import pytest
import zmq
from drawing import draw

import trio_mq
from trio_mq import DropReason, ProtocolFault, _contract
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
