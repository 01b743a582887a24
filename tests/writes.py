"""What is written to tcp streams, write by write."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from trio_mq._transports.stream import SocketStream


def note_writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets what each write to a tcp stream took, after the handshakes."""
    writes: list[bytes] = []
    write = SocketStream.try_write

    def noted(self: SocketStream, buffers: Sequence[bytes | memoryview]) -> int | None:
        taken = write(self, buffers)
        if buffers and taken:
            writes.append(b"".join(buffers)[:taken])
        return taken

    write_now = SocketStream.write_now

    def noted_alone(self: SocketStream, data: bytes) -> int:
        taken = write_now(self, data)
        if taken:
            writes.append(data[:taken])
        return taken

    monkeypatch.setattr(SocketStream, "try_write", noted)
    monkeypatch.setattr(SocketStream, "write_now", noted_alone)
    return writes
