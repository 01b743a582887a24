"""The bodies of command frames: a short name, then data that the name explains.

::

    command = length-of-name (1 byte)  name  data

RFC 37 gives the grammar; some of its prose, and that of RFC 24 to 26, describes names padded to
eight characters. No implementation has ever sent those.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Mapping
from typing import Final

from trio_mq._errors import (
    AuthenticationFailed,
    IncompatiblePeer,
    ProtocolFault,
    RemoteProtocolError,
)

from .events import Cancel, Ping, Pong, Subscribe
from .socket_types import SocketType, incompatible

MAX_REASON: Final = 255
MAX_CONTEXT: Final = 16
MAX_GROUP: Final = 255
MAX_TTL: Final = 6553.5
"""The longest TTL that two bytes of tenths of a second can say, in seconds."""

_STATUSES: Final = frozenset({"300", "400", "500"})
"""The reasons of an ERROR that are the statuses of an authenticator (RFC 27)."""

_TTL: Final = struct.Struct(">H")


class Command(enum.Enum):
    """The commands of the handshakes; the value is the name on the wire."""

    HELLO = b"HELLO"
    WELCOME = b"WELCOME"
    INITIATE = b"INITIATE"
    READY = b"READY"
    ERROR = b"ERROR"


def join_command(name: bytes, data: bytes) -> bytes:
    """Return the body of a command frame."""
    return bytes((len(name),)) + name + data


def split_command(body: bytes) -> tuple[bytes, bytes]:
    """Return the name and the data of a command frame's body.

    Raises:
        RemoteProtocolError: The body is empty, or its name is empty or runs over the end.
    """
    # libzmq's PLAIN server sends "\x5eRROR" for "\x05ERROR": its C literal lets the hexadecimal
    # escape swallow the E. The length 94 fits no command, so this cannot hide another one.
    if body.startswith(b"^RROR"):
        return Command.ERROR.value, body[5:]
    end = 1 + body[0] if body else 0
    if end < 2 or end > len(body) or not body[1:end].isalpha():
        raise malformed(f"a command's name is missing or runs over its end: {body[:16]!r}")
    return body[1:end], body[end:]


def malformed(what: str) -> RemoteProtocolError:
    """Return the error for a command that does not follow its grammar."""
    return RemoteProtocolError(ProtocolFault.MALFORMED_COMMAND, what)


def unexpected(name: bytes) -> RemoteProtocolError:
    """Return the error for a command that has no place where it came."""
    return RemoteProtocolError(
        ProtocolFault.UNEXPECTED_COMMAND, f"the peer sent {name[:32]!r} where it has no place"
    )


def peer_error(reason: str) -> RemoteProtocolError:
    """Return the error for an ERROR command of the peer."""
    return RemoteProtocolError(
        ProtocolFault.PEER_ERROR, f"the peer ended the connection with ERROR: {reason or 'unsaid'}"
    )


def wrong_type(speaker: SocketType, listener: str) -> str:
    """Return the reason of an ERROR to a peer whose type does not go with the speaker's.

    A peer of our own kind reads it back (`read_wrong_type`): both ends raise the same error.
    """
    return f"invalid socket type: {speaker.value} cannot talk to {listener}"


def read_wrong_type(reason: str, ours: SocketType) -> IncompatiblePeer | None:
    """Return the error that both ends raise, if `wrong_type` made the reason."""
    for theirs in SocketType:
        if not ours.may_talk_to(theirs) and reason == wrong_type(theirs, ours.value):
            return incompatible(ours, theirs.value)
    return None


def refusal(reason: str) -> RemoteProtocolError | AuthenticationFailed:
    """Return the error for an ERROR command during the handshake."""
    if reason in _STATUSES:
        return AuthenticationFailed(f"the peer refused us with status {reason}", reason)
    return peer_error(reason)


def printable(text: bytes) -> str:
    r"""Return a peer's text as printable ASCII, the rest as ``\xNN``, at most 255 characters."""
    shown = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}"
        for byte in text[:MAX_REASON]
    )
    return shown[:MAX_REASON]


def error_data(reason: str) -> bytes:
    """Return the data of an ERROR command.

    Raises:
        ValueError: The reason is not printable ASCII of at most 255 characters.
    """
    if len(reason) > MAX_REASON or not reason.isascii() or not reason.isprintable():
        raise ValueError(
            f"reason={reason!r} is not allowed: give at most 255 printable ASCII characters"
        )
    return bytes((len(reason),)) + reason.encode("ascii")


def parse_error(data: bytes) -> str:
    """Return the printable reason of an ERROR command; JeroMQ leaves even its length out."""
    if data and 1 + data[0] != len(data):
        raise malformed(f"an ERROR's reason of {data[0]} bytes does not fill its {len(data) - 1}")
    return printable(data[1:])


def ping_data(ttl: float, context: bytes) -> bytes:
    """Return the data of a PING command; ``ttl`` is in seconds, 0 to say none.

    Raises:
        ValueError: The time or the context does not fit.
    """
    if not 0 <= ttl <= MAX_TTL:
        raise ValueError(f"ttl={ttl!r} is not allowed: give seconds from 0 to {MAX_TTL}")
    # A short time must not round down to 0, which says "for ever".
    return _TTL.pack(max(round(ttl * 10), 1 if ttl else 0)) + pong_data(context)


def pong_data(context: bytes) -> bytes:
    """Return the data of a PONG command.

    Raises:
        ValueError: The context is longer than 16 bytes.
    """
    if len(context) > MAX_CONTEXT:
        raise ValueError(f"context={context!r} is not allowed: give at most {MAX_CONTEXT} bytes")
    return context


def _parse_ping(data: bytes) -> Ping:
    if len(data) < _TTL.size:
        raise malformed(f"a PING of {len(data)} bytes has no room for its time to live")
    return Ping(_TTL.unpack_from(data)[0] / 10, _context(data[_TTL.size :]))


def _parse_pong(data: bytes) -> Pong:
    return Pong(_context(data))


def _context(data: bytes) -> bytes:
    if len(data) > MAX_CONTEXT:
        raise malformed(f"a ping context of {len(data)} bytes: at most {MAX_CONTEXT} are allowed")
    return data


def _parse_group(data: bytes) -> None:
    if len(data) > MAX_GROUP or b"\x00" in data:
        raise malformed(f"a group of {len(data)} bytes: at most {MAX_GROUP}, none of them zero")


TRAFFIC: Final[Mapping[bytes, Callable[[bytes], Ping | Pong | Subscribe | Cancel | None]]] = {
    b"PING": _parse_ping,
    b"PONG": _parse_pong,
    b"SUBSCRIBE": Subscribe,
    b"CANCEL": Cancel,
    b"JOIN": _parse_group,
    b"LEAVE": _parse_group,
}
"""The commands of established connections; JOIN and LEAVE concern no type of ours."""
