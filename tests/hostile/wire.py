"""Bytes as a peer may put them on the wire, by hand: nothing here comes from the library."""

from __future__ import annotations

import struct

#: What a good peer says first: ZMTP 3.1 and the NULL mechanism.
GREETING = bytes.fromhex("ff00000000000000017f0301") + b"NULL".ljust(20, b"\0") + bytes(32)
SIGNATURE = GREETING[:10]


def greeting(
    *,
    padding: bytes = GREETING[1:9],
    tenth: bytes = b"\x7f",
    version: bytes = b"\3\1",
    mechanism: bytes = b"NULL",
    as_server: bytes = b"\0",
    filler: bytes = bytes(31),
) -> bytes:
    """Return a greeting that differs from the usual one in some of its fields."""
    fields = [b"\xff", padding, tenth, version, mechanism.ljust(20, b"\0"), as_server, filler]
    return b"".join(fields)


def frame(flags: int, body: bytes) -> bytes:
    """Return a frame with exactly these flags; bit 1 (LONG) decides the form of the size."""
    size = struct.pack(">Q", len(body)) if flags & 2 else bytes((len(body),))
    return bytes((flags,)) + size + body


def message(*parts: bytes) -> bytes:
    """Return a message of these frames."""
    *first, last = parts
    return b"".join([*(frame(1 | _long(part), part) for part in first), frame(_long(last), last)])


def command(name: bytes, data: bytes = b"") -> bytes:
    """Return a command frame."""
    body = bytes((len(name),)) + name + data
    return frame(4 | _long(body), body)


def prop(name: bytes, value: bytes) -> bytes:
    """Return a metadata property."""
    return bytes((len(name),)) + name + struct.pack(">I", len(value)) + value


def ready(socket_type: bytes, *more: bytes) -> bytes:
    """Return a READY of this socket type, followed by further properties as they are given."""
    return command(b"READY", prop(b"Socket-Type", socket_type) + b"".join(more))


def hello(socket_type: bytes, *more: bytes) -> bytes:
    """Return all that a good peer says before its messages."""
    return GREETING + ready(socket_type, *more)


def ping(ttl: int = 0, context: bytes = b"") -> bytes:
    """Return a PING; ``ttl`` is in tenths of a second."""
    return command(b"PING", struct.pack(">H", ttl) + context)


def _long(body: bytes) -> int:
    return 2 if len(body) > 255 else 0
