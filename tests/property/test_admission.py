"""What the hot paths append by themselves is what the pipe would have admitted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from hypothesis import example, given, settings, strategies as st

import trio_mq
from tests.property.pipes import Books, assert_adds_up, new_pipe, no_peer, write
from trio_mq._pipes.pipe import SMALL, Pipe

#: What decides about room, or takes it: who writes these, or reads them to decide, is a copy.
INVARIANT: Final = {"outgoing_bytes", "send_hwm", "send_hwm_bytes", "append_below"}
#: The copies, as the comment in ``_pipes/pipe.py`` lists them, and who only looks.
COPIES: Final = {
    "Sender.send": "appends",
    "Fanout.send": "appends, and takes back",
    "Fanout.lacking_room": "asks, before `Pipe.has_room`",
    "Fanout._require_room": "asks, before `Pipe.has_room`",
    "LoadBalance.send": "asks, before `choose` does",
    "_has_plain_room": "asks, for the debug mode",
    "_books_of": "compares, for the debug mode",
    "Outbox.load": "knows the size of a batch that is all there is",
    "Outbox.write_lone": "knows the size of the only message",
    "Writer._grows": "looks whether a batch grows",
}


def test_the_copies_of_admission_stand_where_the_comment_says() -> None:
    """Whoever adds one has to hold it to the pipe as well."""
    found = set()
    root = Path(trio_mq.__file__).parent
    for path in root.rglob("*.py"):
        if path.name not in ("pipe.py", "_options.py") and "zmtp" not in path.parts:
            found |= {name for name, body in functions(path) if INVARIANT & attributes_of(body)}
    assert found == COPIES.keys()


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


def attributes_of(body: ast.AST) -> set[str]:
    """Return the names of the attributes that are used somewhere in it."""
    return {node.attr for node in ast.walk(body) if isinstance(node, ast.Attribute)}


def append_as_senders_do(pipe: Pipe, message: bytes) -> bool:
    """Take the short way of `Sender.send` and `Fanout.send`; False if it is closed."""
    if len(message) > SMALL or len(pipe.outgoing) >= pipe.append_below:
        return False
    pipe.outgoing.append(message)
    pipe.outgoing_bytes += len(message)
    return True


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
    pipe = new_pipe(Books(), send_hwm=marks[0], send_hwm_bytes=marks[1], conflate=conflate)
    pipe.lend(no_peer())
    pipe.writer_is_busy()
    for step, number in steps:
        size = (0, SMALL // 2, SMALL, SMALL + 1)[number]
        admitted = pipe.has_room()
        match step:
            case "put":
                if append_as_senders_do(pipe, bytes(size)):
                    assert admitted
                    assert not conflate
                elif admitted:
                    pipe.put((bytes(size),))
            case "batch":
                batch = [bytes(size)] * (number + 1)
                count = pipe.append_what_fits(batch, 1)
                assert not count or (pipe.announced and not conflate)
                assert not count or pipe.outgoing_bytes < pipe.send_hwm_bytes
            case "busy":
                pipe.writer_is_busy()
            case "idle":
                pipe.writer_is_idle()
            case _:
                write(pipe, number)
        assert len(pipe.outgoing) <= pipe.send_hwm
        assert pipe.outgoing_bytes < pipe.send_hwm_bytes + 2 * SMALL
        assert_adds_up(pipe)
