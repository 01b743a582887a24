"""What a message looks like in a shell, and that it comes back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from trio_mq._cli.formats import Format, Splitter, quote, unquote

FRAMES = st.lists(st.binary(max_size=20), min_size=1, max_size=4)
EXACT = [Format.QUOTED, Format.JSONL, Format.HEX]


def through(format_: Format, messages: list[list[bytes]], cut: int) -> list[list[bytes]]:
    """Write messages, and read them again in pieces of some size."""
    data = b"".join(map(format_.encode, messages))
    splitter = Splitter(format_)
    found: list[list[bytes]] = []
    for start in range(0, len(data), cut):
        found += splitter.feed(data[start : start + cut])
    return [*found, *splitter.finish()]


@pytest.mark.parametrize("format_", EXACT)
@given(messages=st.lists(FRAMES, min_size=1, max_size=4), cut=st.integers(1, 30))
def test_whatever_is_written_is_read_again(
    format_: Format, messages: list[list[bytes]], cut: int
) -> None:
    """Any bytes, in any pieces."""
    assert through(format_, messages, cut) == messages


@pytest.mark.parametrize("format_", [Format.LINES, Format.NUL])
@given(
    messages=st.lists(
        st.lists(st.binary(max_size=9).map(lambda b: b.translate(None, b"\n\t\r\0")), min_size=1),
        min_size=1,
        max_size=4,
    ),
    cut=st.integers(1, 30),
)
def test_plain_text_is_read_again(format_: Format, messages: list[list[bytes]], cut: int) -> None:
    """What holds neither the end of a message nor that of a frame."""
    assert through(format_, messages, cut) == messages


def test_raw_is_one_message_of_all_that_comes() -> None:
    """Also of nothing."""
    assert through(Format.RAW, [[b"a\n"], [b"b\0", b"c"]], 2) == [[b"a\nb\0c"]]
    assert list(Splitter(Format.RAW).finish()) == [[b""]]


@pytest.mark.parametrize(
    ("format_", "text", "frames"),
    [
        (Format.LINES, b"a\tb", [b"a", b"b"]),
        (Format.QUOTED, rb"tab\tnew\nbyte\xff\\", [b"tab\tnew\nbyte\xff\\"]),
        (Format.JSONL, b'"one"', [b"one"]),
        (
            Format.JSONL,
            b'["a", {"base64": "/w=="}, {"x": [1]}, 5]',
            [b"a", b"\xff", b'{"x": [1]}', b"5"],
        ),
        (Format.JSONL, b"[]", [b""]),
        (Format.HEX, b"00ff - 2A", [b"\x00\xff", b"", b"*"]),
        (Format.HEX, b"", [b""]),
    ],
)
def test_a_text_means_these_frames(format_: Format, text: bytes, frames: list[bytes]) -> None:
    """As people write it by hand."""
    assert format_.decode(text) == frames


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (Format.QUOTED, rb"\q"),
        (Format.QUOTED, rb"\x4"),
        (Format.JSONL, b"{"),
        (Format.JSONL, b"[" * 100_000),
        (Format.HEX, b"0"),
        (Format.HEX, "ü".encode()),
    ],
)
def test_nonsense_is_refused_in_words(format_: Format, text: bytes) -> None:
    """With a part of it."""
    with pytest.raises(ValueError, match=r"is not "):
        format_.decode(text)


@given(frame=st.binary(max_size=40))
def test_what_is_quoted_harms_no_terminal(frame: bytes) -> None:
    """It can be printed, and read again."""
    quoted = quote(frame)
    assert quoted.decode("utf-8").isprintable()
    assert unquote(quoted) == frame


def test_json_is_one_line_that_other_programs_read() -> None:
    """An array of texts, and of what is none."""
    line = Format.JSONL.encode(["Zoë".encode(), b"\xff\n"])
    assert line.endswith(b"\n")
    assert json.loads(line) == ["Zoë", {"base64": "/wo="}]


def test_line_breaks_of_other_systems_are_line_breaks() -> None:
    """A file from elsewhere."""
    assert list(Splitter(Format.LINES).feed(b"a\r\nb\n")) == [[b"a"], [b"b"]]
