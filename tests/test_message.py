"""Messages: what can be sent, and what receivers hold in their hands."""

from __future__ import annotations

import array
import ctypes
import mmap
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from trio_mq import Message
from trio_mq._message import size_of, to_frames, to_message

frames = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


@given(frames=frames)
def test_a_message_is_the_tuple_of_its_frames(frames: list[bytes]) -> None:
    """It compares, unpacks and slices as one, and hashes as what it is compared with."""
    message = Message(frames)
    assert message == tuple(frames)
    assert not message != tuple(frames)  # noqa: SIM202  # the other operator
    assert (len(message), [*message]) == (len(frames), frames)
    assert hash(message) == hash(frames[0] if len(frames) == 1 else tuple(frames))
    assert size_of(message) == sum(map(len, frames))


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_one_bytes_like_is_one_frame(make: type[bytes]) -> None:
    """Of any of the kinds that hold bytes."""
    assert to_frames(make(b"hello")) == (b"hello",)
    assert to_frames([make(b"a"), make(b"b")]) == (b"a", b"b")


def test_mutable_buffers_are_copied_at_the_call() -> None:
    """What its sender does to the buffer afterwards is not sent."""
    buffer = bytearray(b"before")
    whole, part = Message(buffer), Message([memoryview(buffer)[:2]])
    buffer[:] = b"after!"
    assert (whole, part) == ((b"before",), (b"be",))


def test_a_message_is_sent_as_it_is() -> None:
    """Forwarding costs nothing."""
    message = Message(b"hello")
    assert to_frames(message) is message
    assert to_message(message) is message


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("text", "encode 'text' first"),
        (["text"], "frame 0 is str"),
        ([b"a", 7], "frame 1 is int"),
        (7, "not int"),
        ({b"a"}, "not set"),
        (None, "not NoneType"),
        ((b"a", None), "frame 1 is NoneType"),
    ],
)
def test_what_is_not_bytes_is_refused_by_name(given_: object, says: str) -> None:
    """Which frame, which type, and what to do."""
    with pytest.raises(TypeError, match=says):
        to_frames(given_)  # type: ignore[arg-type]


def test_no_frames_are_no_message() -> None:
    """But one empty frame is."""
    with pytest.raises(ValueError, match="at least one frame"):
        Message([])
    assert Message(b"") == (b"",)


def test_bytes_text_and_json_are_of_the_only_frame() -> None:
    """Several frames have no single answer."""
    message = Message('{"é": [1, 2]}'.encode())
    assert bytes(message) == message[0]
    assert message.text == '{"é": [1, 2]}'
    assert message.json() == {"é": [1, 2]}
    with pytest.raises(ValueError, match="this one has 2"):
        bytes(Message([b"a", b"b"]))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Message(b"\x01topic"), (True, b"topic")),
        (Message(b"\x00"), (False, b"")),
        (Message(b"\x02topic"), None),
        (Message(b""), None),
        (Message([b"\x01topic", b""]), None),
    ],
)
def test_a_subscription_is_one_frame_with_its_sign(
    message: Message, expected: tuple[bool, bytes] | None
) -> None:
    """Everything else is none."""
    assert message.subscription == expected


def test_repr_shows_frames_shortened() -> None:
    """A message may hold megabytes, and thousands of frames."""
    shown = repr(Message([b"short", bytes(1_000_000), *[b"x"] * 1000]))
    assert "b'short'" in shown
    assert "1000000 bytes" in shown
    assert "996 more frames" in shown
    assert len(shown) < 300


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_a_message_of_one_frame_equals_its_bytes(make: type[bytes]) -> None:
    """So that a program which compared what pyzmq returned goes on to work."""
    message = Message(b"stop")
    assert message == make(b"stop")
    assert make(b"stop") == message
    assert message != make(b"go")
    assert make(b"go") != message
    assert Message([b"st", b"op"]) != make(b"stop")
    assert message != "stop"


def test_a_message_equals_the_list_of_its_frames() -> None:
    """Which is what pyzmq's ``recv_multipart`` returns: a ported comparison stays true."""
    message = Message([b"to", b"stop"])
    assert message == [b"to", b"stop"]
    assert message == [b"to", b"stop"]
    assert message != [b"to"]
    assert message != [b"to"]
    assert Message(b"stop") == [b"stop"]


def test_python_warns_of_a_comparison_with_text_where_it_would_of_bytes() -> None:
    """Under ``python -b``: it is never true, and easily written."""
    program = "import trio_mq; trio_mq.Message(b'stop') == 'stop'"
    done = subprocess.run(
        [sys.executable, "-b", "-W", "error", "-c", program], capture_output=True, check=False
    )
    assert b"BytesWarning" in done.stderr


def test_as_a_key_a_message_of_one_frame_is_its_bytes() -> None:
    """In sets and dictionaries, both ways."""
    keys: set[object] = {b"stop", (b"a", b"b")}
    assert Message(b"stop") in keys
    assert Message([b"a", b"b"]) in keys
    assert b"stop" in {Message(b"stop"), Message(b"go")}


class Buffers:
    """Things that Python can look into, by name."""

    array = array.array("H", [1, 2])
    cells = (ctypes.c_uint16 * 2)(1, 2)
    square = memoryview(bytes([1, 0, 2, 0])).cast("B", (2, 2))
    every_second = memoryview(bytes([1, 9, 0, 9, 2, 9, 0, 9]))[::2]


@pytest.mark.parametrize("name", ["array", "cells", "square", "every_second"])
def test_every_buffer_is_bytes_like(name: str) -> None:
    """With its elements in order, whatever they are; alone or as a frame."""
    buffer = getattr(Buffers, name)
    expected = array.array("H", [1, 2]).tobytes()
    assert to_frames(buffer) == (expected,)
    assert to_frames([b"head", buffer]) == (b"head", expected)


def test_a_mapped_file_is_bytes_like(tmp_path: Path) -> None:
    """And is copied: the file may change before the message is written."""
    (path := tmp_path / "file").write_bytes(b"before")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        frames = to_frames(mapped)
        mapped[:] = b"after!"
    assert frames == (b"before",)
    with pytest.raises(ValueError, match=r"a mmap, gives no bytes .* while it is open"):
        to_frames(mapped)


def test_a_buffer_of_references_is_refused() -> None:
    """Addresses in this process are nothing to send."""
    with pytest.raises(TypeError, match=r"frame 0, a py_object_Array_1, holds references"):
        to_frames([(ctypes.py_object * 1)()])


def test_text_and_json_of_several_frames_are_refused_by_name() -> None:
    """The error says what was asked for, not how it is made."""
    message = Message([b"1", b"2"])
    with pytest.raises(ValueError, match=r"\.text of a message needs one frame, this one has 2"):
        _ = message.text
    with pytest.raises(ValueError, match=r"\.json\(\) of a message needs one frame"):
        message.json()
