"""Frames in the log: each once, whatever the pieces, nothing secret, and nothing unless asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise

import pytest
import trio.testing
from hypothesis import given, strategies as st

from tests.log_lines import LogLines, log_lines
from trio_mq import Pub, Pull, Push, Sub, auth
from trio_mq._connections import writer
from trio_mq._connections.wire_log import FrameLog, overheard
from trio_mq._log import WIRE_IN
from trio_mq._transports.stream import SocketStream
from trio_mq._transports.trio_stream import TrioStream
from trio_mq.zmtp.frames import COMMAND, MORE, encode_frame
from trio_mq.zmtp.greeting import Greeting


def frames_of(lines: LogLines, way: str) -> list[str]:
    """Return what is told of one direction."""
    told = [r.getMessage() for r in lines.records if r.name == "trio_mq.wire"]
    return [line.partition(f" {way} ")[2] for line in told if f" {way} " in line]


SAID = [
    "GREETING 3.1 NULL",
    "FRAME b'' [0 bytes, more]",
    "FRAME b'hello' [5 bytes]",
    f"FRAME {bytes(60)!r}… [70000 bytes]",
    "PING b'\\x00\\x0aok' [9 bytes]".replace("\\x0a", "\\n"),
    "HELLO [11 bytes]",
    "FRAME b'!' [1 byte]",
]
WIRE = b"".join(
    [
        Greeting().encode(),
        encode_frame(MORE, b""),
        encode_frame(0, b"hello"),
        encode_frame(0, bytes(70_000)),
        encode_frame(COMMAND, b"\x04PING\x00\nok"),
        encode_frame(COMMAND, b"\x05HELLOabcde"),
        encode_frame(0, b"!"),
    ]
)


@given(cuts=st.lists(st.integers(0, len(WIRE)), max_size=20))
def test_each_frame_is_told_once_whatever_the_pieces(cuts: list[int]) -> None:
    """Also in the middle of a header."""
    with log_lines(logging.DEBUG) as lines:
        log = FrameLog(WIRE_IN, "peer")
        places = sorted({0, len(WIRE), *cuts})
        for start, end in pairwise(places):
            log.pass_on(WIRE[start:end])
    assert frames_of(lines, "<") == SAID


def test_bytes_one_by_one_are_frames_too() -> None:
    """The smallest pieces that there are."""
    with log_lines(logging.DEBUG) as lines:
        log = FrameLog(WIRE_IN, "peer")
        for byte in WIRE:
            log.pass_on(bytes([byte]))
    assert frames_of(lines, "<") == SAID


class Sender(logging.Handler):
    """Sends a message through a socket when the log tells of a frame that it has written."""

    def __init__(self, push: Push) -> None:
        super().__init__()
        self._push: Push | None = push

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, once."""
        push, self._push = self._push, None
        if push is not None:
            push.send_nowait(b"told")


async def test_a_log_may_be_sent_through_the_socket_that_it_tells_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also by a handler that is called in the middle of a message."""
    long = bytes(200)
    try_write = SocketStream.try_write

    def cut_short(stream: SocketStream, buffers: Sequence[bytes | memoryview]) -> int:
        whole = b"".join(buffers)
        return try_write(stream, (whole[:150],) if whole.endswith(long) else buffers)

    logger = logging.getLogger("trio_mq.wire")
    with log_lines(logging.DEBUG):
        async with Pull() as pull, Push() as push:
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
            monkeypatch.setattr(SocketStream, "try_write", cut_short)
            # So that no earlier write is too near.
            monkeypatch.setattr(writer, "_PAUSE", -1.0)
            logger.addHandler(handler := Sender(push))
            try:
                await push.send(long)
                assert [await pull.receive() for _ in range(2)] == [long, b"told"]
            finally:
                logger.removeHandler(handler)


async def test_both_ends_tell_the_same() -> None:
    """What one writes the other reads, over a kernel socket."""
    with log_lines(logging.DEBUG) as lines:
        async with Pull() as pull, Push() as push:
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
            await push.send([b"one", b"two"])
            await push.send(b"three")
            for _ in range(2):
                await pull.receive()
            (peer,) = pull.peers
            port = peer.address
    out = [r.getMessage() for r in lines.records if r.name == "trio_mq.wire"]
    said = [line.partition(" > ")[2] for line in out if " > FRAME" in line]
    heard = [line.partition(" < ")[2] for line in out if line.startswith(f"{port} < FRAME")]
    assert said == heard
    assert said == [
        "FRAME b'one' [3 bytes, more]",
        "FRAME b'two' [3 bytes]",
        "FRAME b'three' [5 bytes]",
    ]


async def test_subscriptions_are_told() -> None:
    """A command has its name, and what it says."""
    with log_lines(logging.DEBUG) as lines:
        async with Pub() as pub, Sub(topics="weather") as sub:
            await sub.connect(await pub.bind("tcp://127.0.0.1:*"), wait=True)
            await pub.wait_for_subscribers()
    assert any("weather" in line for line in frames_of(lines, ">"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
async def test_no_secret_gets_into_the_log(mechanism: str) -> None:
    """A password passes in the clear under PLAIN, and not here."""
    server, client = auth.CurveKeys.generate(), auth.CurveKeys.generate()
    ours: auth.PlainServer | auth.CurveServer = auth.PlainServer()
    theirs: auth.PlainClient | auth.CurveClient = auth.PlainClient("ada", "s3cret")
    if mechanism == "CURVE":
        ours, theirs = auth.CurveServer(server), auth.CurveClient(client, server=server.public)
    with log_lines(logging.DEBUG) as lines:
        async with (
            Pull(mechanism=ours, authenticator=auth.ALLOW_ANY) as pull,
            Push(mechanism=theirs) as push,
        ):
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
            await push.send(b"sealed, or not")
            await pull.receive()
    told = " ".join(record.getMessage() for record in lines.records)
    assert f"GREETING 3.1 {mechanism}" in told
    assert "HELLO [" in told
    assert "s3cret" not in told
    assert client.secret not in told
    assert server.secret not in told


def test_a_stream_is_left_alone_if_nobody_wants_to_know() -> None:
    """The very same object."""
    ours, _ = trio.testing.memory_stream_pair()
    stream = TrioStream(ours)
    with log_lines(logging.INFO):
        assert overheard(stream) is stream
    with log_lines(logging.DEBUG):
        assert overheard(stream) is not stream
