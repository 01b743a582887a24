# Invariant: whatever bytes a peer sends, in whatever pieces, a Connection tells the same events and
# ends in the same way; what ends it is a RemoteProtocolError or a HandshakeError and nothing else;
# it never keeps more than was sent to it; and its messages are no longer than its limits.
"""Feeds chance to `trio_mq.zmtp.Connection`: ``python -m fuzz.connection``.

With atheris installed the chance is guided by what the code does with it, and arguments are those
of libFuzzer (a folder for the corpus, ``-max_total_time=600``). Without it, it is mutated from
good sessions; the argument is then the number of inputs.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from typing import Final, TypeAlias

from fuzz.guided import main as guided, run as run_inputs
from tests.hostile.wire import command, frame, hello, message, ping
from trio_mq import HandshakeError, Limits, SocketType
from trio_mq.zmtp import Connection, Messages, PeerReady, RemoteProtocolError, Role

MAX_MESSAGE: Final = 5_000
MAX_FRAMES: Final = 20
LIMITS: Final = Limits(max_unknown_commands=2, max_topic_length=100, max_handshake_frame=1_000)
#: What was told, and what ended it.
Story: TypeAlias = tuple[list[object], str]

TYPES: Final = tuple(SocketType)


def check(data: bytes) -> None:
    """Try one input: its first two bytes choose the socket and the pieces, the rest is said."""
    choice, size = (*data[:2], 0, 0)[:2]
    said = data[2:]
    whole = _story(choice, [said])
    pieces = [said[at : at + size + 1] for at in range(0, len(said), size + 1)]
    assert _story(choice, pieces) == whole  # this is the invariant
    assert _story(choice, [said[:1], said[1:]]) == whole


def _chosen(choice: int) -> SocketType:
    return TYPES[choice % len(TYPES)]


def _story(choice: int, pieces: list[bytes]) -> Story:
    connection = Connection(
        _chosen(choice),
        Role.ACCEPTING if choice & 0x80 else Role.CONNECTING,
        limits=LIMITS,
        max_frame_size=MAX_MESSAGE,
        max_message_size=MAX_MESSAGE,
        max_frames=MAX_FRAMES,
    )
    told: list[object] = []
    fed = 0
    try:
        for piece in pieces:
            fed += len(piece)
            connection.receive_data(piece)
            told += _events(connection)
            assert connection.buffered <= fed
    except (RemoteProtocolError, HandshakeError) as error:
        # Not its text: that may show as much of the input as there was.
        return told, str(getattr(error, "fault", type(error)))
    return told, "waits for more"


def _events(connection: Connection) -> Iterator[object]:
    for event in iter(connection.next_event, None):
        if isinstance(event, PeerReady):
            connection.accept()
        if isinstance(event, Messages):
            # How many come at a time depends on the pieces, and says nothing.
            for each in event.messages:
                assert sum(map(len, each)) <= MAX_MESSAGE
                assert len(each) <= MAX_FRAMES
                yield each
        else:
            yield event


# -- chance without a guide ----------------------------------------------------------------------

FOLLOWS: Final = (
    message(b"a"),
    message(b"", b"b" * 300),
    message(*[b"c"] * MAX_FRAMES),
    frame(2, b"short"),
    ping(7, b"context"),
    command(b"PONG"),
    command(b"SUBSCRIBE", b"topic"),
    command(b"CANCEL", b"topic"),
    command(b"UNKNOWN"),
    message(b"\1old form"),
)


def sessions(rng: random.Random) -> Iterator[bytes]:
    """Yield inputs without end: good sessions, damaged in a few places."""
    while True:
        choice = rng.randrange(256)
        peer = rng.choice([peer for peer in TYPES if peer.may_talk_to(_chosen(choice))])
        follows = rng.choices(FOLLOWS, k=rng.randrange(8))
        said = hello(peer.value.encode()) + b"".join(follows)
        data = bytearray(bytes((choice, rng.randrange(256))) + said)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 8))):
            data[rng.randrange(2, len(data))] = rng.randrange(256)
        yield bytes(data[: rng.choice((len(data), len(data), rng.randrange(2, len(data))))])


def run(count: int, seed: int = 0) -> None:
    """Try that number of them."""
    run_inputs(check, sessions(random.Random(seed)), count)


def main() -> None:
    """Run with atheris, or without."""
    if importlib.util.find_spec("atheris") is None:
        run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    else:
        guided("connection", check)


if __name__ == "__main__":
    main()
