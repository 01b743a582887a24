"""Messages in a file, each a line of JSON with the time at which it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from trio_mq import Receiver, Socket, SocketType, Sub, XSub, open_socket
from trio_mq._cli.formats import Format, Frames

_VERSION: Final = 1


@attrs.frozen
class Recorded:
    """One message of a recording."""

    #: Seconds since the beginning.
    time: float
    frames: Frames

    def line(self) -> bytes:
        """Write it."""
        frames = Format.JSONL.encode(self.frames).decode().rstrip("\n")
        return f'{{"t": {self.time:.6f}, "frames": {frames}}}\n'.encode()

    @classmethod
    def read(cls, line: bytes) -> Recorded:
        """Read it again.

        Raises:
            ValueError: It is not a line of a recording.
        """
        try:
            said = json.loads(line)
            time, frames = float(said["t"]), said["frames"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError(f"{line[:60]!r} is not a line of a recording") from None
        return cls(time, Format.JSONL.decode(json.dumps(frames).encode()))


def read_all(path: Path) -> Iterator[Recorded]:
    """Yield the messages of a file.

    Raises:
        ValueError: It is not a recording.
    """
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield Recorded.read(line)


@trio.lowlevel.enable_ki_protection
async def record_into(
    path: str,
    kind: SocketType,
    *,
    binds: Sequence[str] = (),
    connects: Sequence[str] = (),
    count: int | None = None,
    topics: Sequence[bytes] = (b"",),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write every message that comes into a file, until ``count`` have come or it is cancelled.

    Args:
        path: The file; an existing one is replaced.
        kind: Of the socket that receives.
        binds: Where it listens.
        connects: Where it connects.
        count: Messages after which it ends.
        topics: What a subscriber subscribes to.
        task_status: Is told when the socket is open.
    """
    socket: Socket = open_socket(kind, bind=binds, connect=connects)
    async with socket, await trio.open_file(path, "wb") as file:
        if isinstance(socket, (Sub, XSub)):
            for topic in topics:
                socket.subscribe(topic)
        assert isinstance(socket, Receiver)  # noqa: S101  # the command offers no other
        task_status.started()
        begun: float | None = None
        left = count
        while left is None or left > 0:
            batch = await socket.receive_many(1000 if left is None else min(1000, left))
            now = trio.current_time()
            begun = now if begun is None else begun
            elapsed = now - begun
            await file.write(b"".join(Recorded(elapsed, frames).line() for frames in batch))
            await file.flush()
            if left is not None:
                left -= len(batch)
