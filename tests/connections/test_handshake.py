"""What is said before it is known who the peer is, and in how many writes, by kernel sockets.

They are sockets for ipc: what one end has written is there for the other at once.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.hostile.wire import GREETING, hello
from tests.writes import note_writes
from trio_mq import HandshakeFailed, Pull


@contextmanager
def stranger(path: Path, *said: bytes) -> Iterator[socket.socket]:
    """Connect and say something, before any task of ours can run."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(path))
        for data in said:
            sock.sendall(data)
        yield sock


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what streams write, in a list."""
    return note_writes(monkeypatch)


async def test_who_says_all_at_once_is_answered_in_one_write(
    written: list[bytes], tmp_path: Path
) -> None:
    """With our greeting, and READY behind it: nothing that we could wait for is missing."""
    async with Pull(bind=f"ipc://{tmp_path}/s") as pull:
        with stranger(tmp_path / "s", hello(b"PUSH")):
            await pull.wait_for_peers(1)
            (answer,) = written
    assert answer[:10] == GREETING[:10]
    assert answer[64:72] == b"\x04\x1a\x05READY"


async def test_who_says_nothing_gets_our_signature_at_once(
    written: list[bytes], tmp_path: Path
) -> None:
    """It may be waiting for that, as we are for its own."""
    async with Pull(bind=f"ipc://{tmp_path}/s") as pull:
        with stranger(tmp_path / "s") as sock:
            while not written:
                await trio.lowlevel.checkpoint()
            assert written == [GREETING[:10]]
            sock.sendall(hello(b"PUSH"))
            await pull.wait_for_peers(1)
    assert b"".join(written)[64:72] == b"\x04\x1a\x05READY"


async def test_who_has_left_again_is_not_written_to(written: list[bytes], tmp_path: Path) -> None:
    """Its end is all that it has said."""
    async with Pull(bind=f"ipc://{tmp_path}/s") as pull:
        with pull.events() as events:
            with stranger(tmp_path / "s"):
                pass
            while not isinstance(event := await events.receive(), HandshakeFailed):
                pass
    assert event.reason == "eof"
    assert written == []


async def test_who_is_refused_has_our_greeting(tmp_path: Path) -> None:
    """Though it is refused in the moment in which it has said all: it spoke to a peer of 0MQ."""
    async with Pull(bind=f"ipc://{tmp_path}/s", max_peers=1) as pull:
        with stranger(tmp_path / "s", hello(b"PUSH")):
            await pull.wait_for_peers(1)
            with pull.events() as events, stranger(tmp_path / "s", hello(b"PUSH")) as second:
                while not isinstance(event := await events.receive(), HandshakeFailed):
                    pass
                assert event.reason == "max-peers"
                assert second.recv(1000)[10:] == GREETING[10:]
