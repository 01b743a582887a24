"""What the hot paths append by themselves is what the pipe would have admitted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from hypothesis import example, given, settings, strategies as st

import trio_mq
from tests.property.pipes import Books, assert_adds_up, lend, new_pipe, write
from trio_mq._pipes import outbound
from trio_mq._pipes.outbound import SMALL
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.shared import SharedOutbound

#: What decides about room, or takes it: who writes these, or reads them to decide, is a copy.
INVARIANT: Final = {"append_below", "hwm", "hwm_bytes"}
#: What an outbound half is called where it is used, and what of it is as much of a giveaway there.
HALVES: Final = {"outbound", "_outbound", "sole"}
OF_A_HALF: Final = {"size"}
#: The copies, as the comment in ``_pipes/outbound.py`` lists them, and who only looks.
COPIES: Final = {
    "Sender.send": "appends",
    "SharedOutbound.append_small": "appends",
    "SharedOutbound.join_round": "appends",
    "Fanout.lacking_room": "asks, before `Pipe.has_room`",
    "Fanout._require_room": "asks, before `Pipe.has_room`",
    "LoadBalance.send": "asks, before `choose` does",
    "ReqPattern.begin": "appends",
    "LoadBalance.choose": "asks, before `Pipe.has_room`",
    "_has_plain_room": "asks, for the debug mode",
    "SharedOutbound.room_for_edition": "asks for the room of many",
    "SharedOutbound.room_for_round": "tells",
    "SharedOutbound.faults": "compares, for the debug mode",
    "Pipe.waiting": "tells",
    "Outbox.load": "knows the size of a batch that is all there is",
    "Writer._grows": "looks whether a batch grows",
}


def test_the_copies_of_admission_stand_where_the_comment_says() -> None:
    """Whoever adds one has to hold it to the pipe as well."""
    found = set()
    root = Path(trio_mq.__file__).parent
    for path in root.rglob("*.py"):
        if path.name not in ("outbound.py", "_options.py") and "zmtp" not in path.parts:
            found |= {name for name, body in functions(path) if touches_admission(body)}
    assert found == COPIES.keys()
    listed = outbound.__doc__ or ""
    copies = [name for name, what in COPIES.items() if what.startswith(("appends", "asks"))]
    assert [name for name in copies if f"`{name}`" not in listed] == []


def functions(path: Path) -> list[tuple[str, ast.AST]]:
    """Return the functions of a module, with their names as users of the class say them."""
    tree = ast.parse(path.read_text("utf-8"))
    found: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append((node.name, node))
        elif isinstance(node, ast.ClassDef):
            found += [
                (f"{node.name}.{member.name}", member)
                for member in node.body
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef))
            ]
    return found


def touches_admission(body: ast.AST) -> bool:
    """Tell whether something in it uses what admission is decided by."""
    used = [node for node in ast.walk(body) if isinstance(node, ast.Attribute)]
    return any(
        node.attr in INVARIANT or (node.attr in OF_A_HALF and name_of(node.value) in HALVES)
        for node in used
    )


def name_of(node: ast.expr) -> str:
    """Return the last word of what is used, as ``outbound`` of ``pipe.outbound``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def append_as_senders_do(pipe: Pipe, message: bytes) -> bool:
    """Take the short way of `Sender.send`; False if it is closed."""
    if len(message) > SMALL or len(pipe.outbound.queue) >= pipe.outbound.append_below:
        return False
    pipe.outbound.queue.append(message)
    pipe.outbound.size += len(message)
    return True


def many_small_ones(pipe: Pipe) -> int:
    """Return how many small messages would be admitted, if each is as large as a small one may be.

    That is what `Outbound.has_room` would say before each of them.
    """
    count, size = len(pipe.outbound.queue), pipe.outbound.size
    number = 0
    while count + number < pipe.outbound.hwm and size + number * SMALL < pipe.outbound.hwm_bytes:
        number += 1
    return number


@settings(max_examples=4 * settings().max_examples)
@example(marks=(2, 512), conflate=False, steps=[("put", 1), ("put", 0)])
@given(
    marks=st.tuples(st.integers(1, 9), st.integers(1, 8).map(lambda halves: halves * SMALL // 2)),
    conflate=st.booleans(),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "batch", "busy", "idle", "write"]),
            st.sampled_from([0, 1, 2, 3]),
        ),
        min_size=5,
        max_size=40,
    ),
)
def test_the_short_way_in_admits_nothing_that_the_long_way_would_not(
    marks: tuple[int, int],
    conflate: bool,  # noqa: FBT001  # hypothesis passes it
    steps: list[tuple[str, int]],
) -> None:
    """Whatever the writer is doing; nor does a batch."""
    books = Books(sends_to_many=True)
    pipe = new_pipe(books, send_hwm=marks[0], send_hwm_bytes=marks[1], conflate=conflate)
    assert isinstance(pipe.outbound, SharedOutbound)
    lend(pipe)
    pipe.outbound.writer_is_busy()
    for step, number in steps:
        size = (0, SMALL // 2, SMALL, SMALL + 1)[number]
        admitted = pipe.outbound.has_room()
        for_edition = pipe.outbound.room_for_edition()
        assert for_edition <= (0 if conflate else many_small_ones(pipe))
        match step:
            case "put":
                if append_as_senders_do(pipe, bytes(size)):
                    assert admitted
                    assert not conflate
                elif admitted:
                    pipe.outbound.put((bytes(size),))
            case "batch":
                batch = [bytes(size)] * (number + 1)
                count = pipe.outbound.append_what_fits(batch, 1)
                assert not count or (pipe.outbound.announced and not conflate)
                assert not count or pipe.outbound.size < pipe.outbound.hwm_bytes
            case "busy":
                pipe.outbound.writer_is_busy()
            case "idle":
                pipe.outbound.writer_is_idle()
            case _:
                write(pipe, number)
        assert len(pipe.outbound.queue) <= pipe.outbound.hwm
        assert pipe.outbound.size < pipe.outbound.hwm_bytes + 2 * SMALL
        assert_adds_up(pipe)
