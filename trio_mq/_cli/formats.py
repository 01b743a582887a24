r"""How messages are written as bytes for a shell, and read again.

========  ======================================  =======================
format    a message ends with                     its frames are parted by
========  ======================================  =======================
lines     a line break                            tabs
nul       a zero byte (``xargs -0``)              tabs
quoted    a line break, others are ``\n``         tabs, others are ``\t``
jsonl     a line break                            a JSON array
hex       a line break                            spaces
raw       the end of the input                    nothing: it is one frame
========  ======================================  =======================

What *lines* and *nul* write is what the frames hold, byte by byte: a frame that holds a line break
or a tab looks like two. The others bring back exactly what went in, except that *raw* joins frames.
"""

from __future__ import annotations

import base64
import enum
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

Frames: TypeAlias = Sequence[bytes]

_ESCAPES: Final = {b"\\\\": b"\\", b"\\n": b"\n", b"\\t": b"\t", b"\\r": b"\r", b"\\0": b"\0"}
_ESCAPED: Final = re.compile(rb"\\x[0-9a-fA-F]{2}|\\.", re.DOTALL)


class Format(enum.Enum):
    """What a message looks like outside."""

    LINES = "lines"
    NUL = "nul"
    QUOTED = "quoted"
    JSONL = "jsonl"
    HEX = "hex"
    RAW = "raw"

    @property
    def end(self) -> bytes:
        """What a message ends with; empty: only the end of the input ends it."""
        return {Format.NUL: b"\0", Format.RAW: b""}.get(self, b"\n")

    def encode(self, frames: Frames) -> bytes:
        """Return a message with its end."""
        text = b"".join(frames)
        match self:
            case Format.LINES | Format.NUL:
                text = b"\t".join(frames)
            case Format.QUOTED:
                text = b"\t".join(map(quote, frames))
            case Format.JSONL:
                text = json.dumps(
                    [_to_json(frame) for frame in frames], ensure_ascii=False
                ).encode()
            case Format.HEX:
                text = b" ".join(frame.hex().encode() or b"-" for frame in frames)
            case Format.RAW:
                pass
        return text + self.end

    def decode(self, text: bytes) -> list[bytes]:
        """Return the frames of a message, given without its end.

        Raises:
            ValueError: It does not have this form.
        """
        match self:
            case Format.LINES | Format.NUL:
                return text.split(b"\t")
            case Format.QUOTED:
                return [unquote(part) for part in text.split(b"\t")]
            case Format.JSONL:
                return _frames_of_json(text)
            case Format.HEX:
                return [_from_hex(part) for part in text.split() or [b"-"]]
            case Format.RAW:
                return [text]


class Splitter:
    """Finds the messages in input that comes in pieces.

    Args:
        format_: Says where a message ends.
    """

    def __init__(self, format_: Format) -> None:
        self._format = format_
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """Yield each message that ends in this piece."""
        end = self._format.end
        if not end:
            self._rest += data
            return
        *whole, rest = data.split(end)
        for part in whole:
            self._rest += part
            text = bytes(self._rest)
            self._rest.clear()
            yield self._decode(text)
        self._rest += rest

    def finish(self) -> Iterator[list[bytes]]:
        """Yield the last message, if the input ended without saying so."""
        if self._rest or not self._format.end:
            text = bytes(self._rest)
            self._rest.clear()
            yield self._decode(text)

    def _decode(self, text: bytes) -> list[bytes]:
        if self._format in {Format.LINES, Format.QUOTED, Format.JSONL, Format.HEX}:
            text = text.removesuffix(b"\r")
        return self._format.decode(text)


def quote(frame: bytes) -> bytes:
    r"""Write a frame as printable text: ``\n``, ``\t``, ``\xff``; UTF-8 stays as it is."""
    try:
        text = frame.decode("utf-8")
    except UnicodeDecodeError:
        return b"".join(_quoted(bytes((byte,)), chr(byte)) for byte in frame)
    return b"".join(_quoted(character.encode(), character) for character in text)


def _quoted(raw: bytes, character: str) -> bytes:
    named = {"\\": b"\\\\", "\n": b"\\n", "\t": b"\\t", "\r": b"\\r"}.get(character)
    if named is not None:
        return named
    if character.isprintable() and (len(raw) > 1 or character.isascii()):
        return raw
    return b"".join(b"\\x%02x" % byte for byte in raw)


def unquote(text: bytes) -> bytes:
    r"""Read what `quote` wrote.

    Raises:
        ValueError: A backslash is followed by something unknown.
    """
    return _ESCAPED.sub(_unquoted, text)


def _unquoted(match: re.Match[bytes]) -> bytes:
    escape = match.group()
    if escape.startswith(b"\\x") and len(escape) == 4:
        return bytes.fromhex(escape[2:].decode("ascii"))
    if escape not in _ESCAPES:
        shown = escape.decode("utf-8", "replace")
        raise ValueError(rf"{shown!r} is not an escape: write \\, \n, \t or \xff")
    return _ESCAPES[escape]


def _to_json(frame: bytes) -> str | dict[str, str]:
    try:
        return frame.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(frame).decode("ascii")}


def _frames_of_json(text: bytes) -> list[bytes]:
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_shortened(text)} is not JSON: {error}") from None
    parts = said if isinstance(said, list) else [said]
    return [_from_json(part) for part in parts] or [b""]


def _from_json(part: object) -> bytes:
    match part:
        case str():
            return part.encode("utf-8", "surrogatepass")
        case {"base64": str(encoded), **others} if not others:
            return base64.b64decode(encoded, validate=True)
        case _:
            return json.dumps(part, ensure_ascii=False).encode()


def _from_hex(part: bytes) -> bytes:
    if part == b"-":
        return b""
    try:
        return bytes.fromhex(part.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise ValueError(f"{_shortened(part)} is not hexadecimal: two digits are a byte") from None


def _shortened(text: bytes) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"
