"""Frames on the wire: the form of headers, and encoding in bulk."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from trio_mq.zmtp import encode_message
from trio_mq.zmtp.frames import (
    COMMAND,
    LARGE,
    MORE,
    count_frames,
    encode_each,
    encode_frame,
    encode_messages,
    frame_header,
    wire_size,
)

#: Sizes about every edge of the format and of our ways to encode it.
EDGES = [0, 1, 2, 16, 254, 255, 256, 257, LARGE - 1, LARGE, LARGE + 1]
MESSAGES = st.lists(
    st.lists(
        st.sampled_from(EDGES).map(bytes) | st.binary(max_size=300), min_size=1, max_size=4
    ).map(tuple),
    max_size=20,
)

#: Rows of flags, size and header.
HEADERS = [
    (0, 0, b"\0\0"),
    (MORE, 0, b"\1\0"),
    (0, 255, b"\0\xff"),
    (MORE, 255, b"\1\xff"),
    (COMMAND, 255, b"\4\xff"),
    (0, 256, b"\2\0\0\0\0\0\0\1\0"),
    (MORE, 256, b"\3\0\0\0\0\0\0\1\0"),
    (COMMAND, 256, b"\6\0\0\0\0\0\0\1\0"),
    (0, 2**34, b"\2\0\0\0\4\0\0\0\0"),
]


def by_the_book(message: tuple[bytes, ...]) -> bytes:
    """Encode frame by frame, with no haste."""
    more = b"".join(encode_frame(MORE, frame) for frame in message[:-1])
    return more + encode_frame(0, message[-1])


@pytest.mark.parametrize(("flags", "size", "header"), HEADERS)
def test_a_header_is_long_only_from_256_bytes_on(flags: int, size: int, header: bytes) -> None:
    """The size of the whole body decides, and LONG says so."""
    assert frame_header(flags, size) == header


@given(MESSAGES)
def test_every_way_to_encode_gives_the_same_bytes(messages: list[tuple[bytes, ...]]) -> None:
    """One by one, in bulk, and by the book."""
    expected = [by_the_book(message) for message in messages]
    assert [encode_message(message) for message in messages] == expected
    assert encode_each(messages) == expected
    assert b"".join(encode_messages(messages)) == b"".join(expected)


@given(MESSAGES)
def test_a_message_of_one_frame_may_be_given_as_that_frame(
    messages: list[tuple[bytes, ...]],
) -> None:
    """Alone, among others, and when all are so."""
    bare = [message[0] if len(message) == 1 else message for message in messages]
    lone = [message[0] for message in messages]
    assert list(map(encode_message, bare)) == list(map(by_the_book, messages))
    assert b"".join(encode_messages(bare)) == b"".join(map(by_the_book, messages))
    assert b"".join(encode_messages(lone)) == b"".join(by_the_book((frame,)) for frame in lone)


@pytest.mark.parametrize("size", EDGES)
def test_many_messages_of_one_size_are_encoded_right(size: int) -> None:
    """They have a way of their own."""
    messages = [(bytes([index]) * size,) for index in range(20)]
    assert b"".join(encode_messages(messages)) == b"".join(map(by_the_book, messages))


def test_large_frames_are_not_copied() -> None:
    """They are among the buffers as they are, between the joined small ones."""
    large = bytes(LARGE)
    buffers = encode_messages([(b"a",), (b"b", large, b"c"), (large,), (b"d",)])
    assert [buffer is large for buffer in buffers] == [False, True, False, True, False]


def test_nothing_to_encode_gives_no_buffers() -> None:
    """A writer has nothing to write then."""
    assert encode_messages([]) == []


def test_no_buffer_is_empty() -> None:
    """Also where large frames stand at the ends, or next to each other."""
    large = bytes(LARGE)
    assert all(encode_messages([(large, large), (large,)]))


@given(MESSAGES)
def test_the_size_on_the_wire_is_known_beforehand(messages: list[tuple[bytes, ...]]) -> None:
    """Partial writes are accounted with it."""
    for message in messages:
        assert wire_size(message) == len(encode_message(message))


def test_the_size_on_the_wire_counts_what_a_seal_adds() -> None:
    """33 bytes for each frame make a short frame long."""
    assert wire_size((bytes(222), bytes(223)), 33) == (2 + 255) + (9 + 256)


@pytest.mark.parametrize("sizes", [(), (0,), (255, 256), (1, 70_000, 0)])
def test_whole_frames_are_counted(sizes: tuple[int, ...]) -> None:
    """With headers of both lengths, and whatever the bodies are."""
    assert count_frames(b"".join(encode_frame(0, b"\2" * size) for size in sizes)) == len(sizes)
