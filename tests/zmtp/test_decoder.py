"""The decoder: any bytes in any pieces, one frame at a time or in bulk, within exact limits."""

from __future__ import annotations

import tracemalloc
from itertools import chain

import pytest
from hypothesis import given, strategies as st

from trio_mq import Message
from trio_mq.zmtp import ProtocolFault, RemoteProtocolError, encode_message
from trio_mq.zmtp.decoder import FrameDecoder, FrameLimits, handshake_limits
from trio_mq.zmtp.frames import COMMAND, encode_frame

SIZES = [0, 1, 255, 256, 65536]

FRAMES = st.binary(max_size=40) | st.sampled_from([bytes(255), bytes(256), bytes(1000)])
MULTIPART = st.lists(FRAMES, min_size=1, max_size=4).map(tuple)
# Many alike, since those are decoded in another way than a mixture.
ALIKE = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda t: [(b"x" * t[0],)] * t[1])
MESSAGES = st.lists(ALIKE | st.lists(MULTIPART, max_size=5), max_size=8).map(lambda x: [*chain(*x)])


def decoder(
    frame: int | None = None, message: int | None = None, frames: int | None = None
) -> FrameDecoder:
    """Return a decoder with these limits."""
    return FrameDecoder(FrameLimits(frame=frame, command=300, message=message, frames=frames))


def take(
    source: FrameDecoder, max_messages: int = 10**9, max_bytes: int = 10**9
) -> tuple[list[Message], int]:
    """Return one run of messages and its payload; raise what ends it."""
    run: list[Message] = []
    payload, error = source.next_messages(run, max_messages, max_bytes)
    if error is not None and not run:
        raise error
    return run, payload


@given(MESSAGES, st.data())
def test_messages_come_out_whatever_the_chunks(
    messages: list[Message], data: st.DataObject
) -> None:
    """Each as it went in, with the payload counted."""
    wire, out, payload, source = b"".join(map(encode_message, messages)), [], 0, decoder()
    while wire:
        size = data.draw(st.integers(1, len(wire)) | st.integers(1, min(30, len(wire))))
        source.receive(wire[:size])
        wire = wire[size:]
        run, size = take(source)
        out += run
        payload += size
    assert out == messages
    assert payload == sum(len(frame) for message in messages for frame in message)
    assert source.buffered == 0


@given(MESSAGES, st.integers(1, 9), st.integers(1, 200))
def test_a_run_ends_exactly_at_its_limits(
    messages: list[tuple[bytes, ...]], max_messages: int, max_bytes: int
) -> None:
    """A message is taken while fewer messages and fewer bytes than allowed are before it."""
    source = decoder()
    source.receive(b"".join(map(encode_message, messages)))
    rest = [*messages]
    while rest:
        expected: list[tuple[bytes, ...]] = []
        while rest and len(expected) < max_messages and size_of(expected) < max_bytes:
            expected.append(rest.pop(0))
        assert take(source, max_messages, max_bytes) == (expected, size_of(expected))


def size_of(messages: list[tuple[bytes, ...]]) -> int:
    """Return the payload of messages."""
    return sum(len(frame) for message in messages for frame in message)


@given(MESSAGES)
def test_chunks_that_wait_are_one_run(messages: list[tuple[bytes, ...]]) -> None:
    """Where the reads were cut does not show in the events."""
    source, wire = decoder(), b"".join(map(encode_message, messages))
    for at in range(0, len(wire), 50):
        source.receive(wire[at : at + 50])
    assert take(source)[0] == messages


def test_messages_are_messages() -> None:
    """However they were decoded."""
    source = decoder()
    source.receive(encode_message((b"x",)) * 100 + encode_message((b"x", b"y")))
    source.receive(encode_message((b"x" * 1000,)) + encode_message((b"x" * 10,)))
    assert {type(message) for message in take(source)[0]} == {Message}


def test_a_command_ends_a_run_and_leaves_a_message_intact() -> None:
    """It may even come between the frames of one."""
    source = decoder()
    source.receive(b"\1\1a" + encode_frame(COMMAND, b"\4PONG") + b"\0\1b")
    assert take(source) == ([], 0)
    assert source.at_command
    assert source.next_frame() == (COMMAND, b"\4PONG")
    assert take(source) == ([(b"a", b"b")], 2)


def test_a_long_header_with_a_small_size_is_accepted() -> None:
    """Nobody should send it, but it says clearly what it means."""
    source = decoder()
    source.receive(b"\2" + bytes(7) + b"\3abc" + b"\2" + bytes(8))
    assert take(source)[0] == [(b"abc",), (b"",)]


@pytest.mark.parametrize("flags", [0x08, 0x80, 0xF8, 0x05, 0x07, 0x0C])
def test_flags_that_nobody_has_are_refused(flags: int) -> None:
    """At the byte itself, without a size after it."""
    source = decoder()
    source.receive(bytes([flags]))
    with pytest.raises(RemoteProtocolError) as caught:
        source.next_frame()
    assert caught.value.fault is ProtocolFault.RESERVED_FLAGS


@pytest.mark.parametrize("limit", SIZES)
@pytest.mark.parametrize("repeats", [1, 20])
def test_the_limit_of_a_frame_is_exact(limit: int, repeats: int) -> None:
    """The limit passes, also in bulk; one more is refused before a byte of it is here."""
    source = decoder(frame=limit)
    source.receive(encode_message((bytes(limit),)) * repeats)
    assert len(take(source)[0]) == repeats
    source.receive(encode_message((bytes(limit + 1),))[: 2 if limit < 255 else 9])
    with pytest.raises(RemoteProtocolError) as caught:
        take(source)
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


@pytest.mark.parametrize("limit", SIZES)
def test_the_limit_of_a_message_is_exact(limit: int) -> None:
    """It counts all frames of a message, and each message anew."""
    source, first = decoder(message=limit), bytes(limit // 2)
    fits = encode_message((first, bytes(limit - len(first))))
    source.receive(fits * 2)
    assert len(take(source)[0]) == 2
    source.receive(encode_message((first, bytes(limit - len(first) + 1))))
    with pytest.raises(RemoteProtocolError) as caught:
        take(source)
    assert caught.value.fault is ProtocolFault.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("limit", [1, 2, 8, 255])
def test_the_limit_of_frames_is_exact(limit: int) -> None:
    """One more frame is refused, even an empty one."""
    source = decoder(frames=limit)
    source.receive(encode_message((b"",) * limit) * 2)
    assert len(take(source)[0]) == 2
    source.receive(encode_message((b"",) * (limit + 1)))
    with pytest.raises(RemoteProtocolError) as caught:
        take(source)
    assert caught.value.fault is ProtocolFault.TOO_MANY_FRAMES


def test_the_limit_of_a_command_is_its_own() -> None:
    """Whatever messages may measure."""
    source = decoder(frame=10**6)
    source.receive(encode_frame(COMMAND, bytes(300)) + encode_frame(COMMAND, bytes(301))[:9])
    assert source.next_frame() == (COMMAND, bytes(300))
    with pytest.raises(RemoteProtocolError, match="at most 300"):
        source.next_frame()


@pytest.mark.parametrize("size", [2**48, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_absurd_size_is_refused_at_once(size: int) -> None:
    """Up to 64 bits of it."""
    source = decoder(frame=64 * 2**20)
    source.receive(b"\2" + size.to_bytes(8, "big"))
    with pytest.raises(RemoteProtocolError) as caught:
        source.next_frame()
    assert caught.value.fault is ProtocolFault.FRAME_TOO_LARGE


def test_a_size_of_64_bits_is_refused_even_without_a_limit() -> None:
    """RFC 37 reserves the highest bit."""
    source = decoder()
    source.receive(b"\2\x80" + bytes(7))
    with pytest.raises(RemoteProtocolError):
        take(source)


def test_good_messages_before_a_bad_frame_come_out_first() -> None:
    """And what is wrong is told beside them."""
    source, run = decoder(frame=10), list[Message]()
    source.receive(encode_message((b"good",)) * 5 + encode_message((bytes(11),)))
    payload, error = source.next_messages(run, 100, 100)
    assert (run, payload) == ([(b"good",)] * 5, 20)
    assert error is not None


def test_a_huge_promise_costs_next_to_nothing() -> None:
    """16 GiB announced, without a limit: what arrived is what is held."""
    source = decoder()
    tracemalloc.start()
    try:
        source.receive(b"\2" + (2**34).to_bytes(8, "big") + b"x" * 1000)
        assert take(source) == ([], 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**17
    assert source.missing == 2**34 - 1000


@pytest.mark.parametrize("piece", [1, 1000, 4095, 4096, 70_000, 2**20])
def test_a_large_frame_comes_whole_out_of_pieces_of_any_size(piece: int) -> None:
    """And with it a message that ends in its last piece."""
    body = bytes(range(256)) * 400
    wire, source, out = encode_message((body,)) + encode_message((b"next",)), decoder(), []
    for start in range(0, len(wire), piece):
        source.receive(wire[start : start + piece])
        out += take(source)[0]
    assert out == [(body,), (b"next",)]
    assert source.missing == 0


def test_a_frame_that_comes_byte_by_byte_costs_no_object_for_each() -> None:
    """Small pieces are gathered."""
    source = decoder()
    source.receive(b"\2" + (2**20).to_bytes(8, "big"))
    tracemalloc.start()
    try:
        for _ in range(20_000):
            source.receive(b"x")
            take(source)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4 * 20_000


def test_what_is_buffered_and_begun_is_known() -> None:
    """Chunks, torn frames and unfinished messages all count."""
    source = decoder()
    assert (source.buffered, source.mid_frame) == (0, False)
    source.receive(b"\1\3abc")
    take(source)
    assert (source.buffered, source.mid_frame) == (3, True)
    source.receive(b"\0\4de")
    take(source)
    assert (source.buffered, source.mid_frame) == (5, True)
    source.receive(b"fg")
    assert (take(source), source.buffered, source.mid_frame) == (([(b"abc", b"defg")], 7), 0, False)


def test_a_message_before_the_handshake_is_refused_at_its_first_byte() -> None:
    """Only commands may come then."""
    source = FrameDecoder(handshake_limits(100))
    source.receive(b"\0")
    with pytest.raises(RemoteProtocolError) as caught:
        source.next_frame()
    assert caught.value.fault is ProtocolFault.UNEXPECTED_MESSAGE


@given(st.binary(max_size=300), st.integers(1, 300))
def test_any_bytes_are_frames_or_refused(data: bytes, size: int) -> None:
    """And nothing but `RemoteProtocolError` is raised."""
    source = decoder(frame=100, message=150, frames=3)
    try:
        for at in range(0, len(data), size):
            source.receive(data[at : at + size])
            take(source)
            while source.at_command and source.next_frame() is not None:
                take(source)
    except RemoteProtocolError:
        return
    assert source.buffered <= 300


def test_nothing_that_arrives_changes_nothing() -> None:
    """Also while something waits."""
    source = decoder()
    source.receive(b"\0\1a")
    source.receive(b"")
    source.receive(b"\0\1b")
    assert take(source) == ([(b"a",), (b"b",)], 2)


def test_a_torn_message_may_be_the_last_that_is_wanted() -> None:
    """What follows it waits for the next call."""
    source = decoder()
    source.receive(b"\0\2a")
    out: list[Message] = []
    assert source.next_messages(out, 1, 100) == (0, None)
    source.receive(b"b\0\1c")
    assert source.next_messages(out, 1, 100) == (2, None)
    assert out == [(b"ab",)]
