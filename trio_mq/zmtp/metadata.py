"""The properties by which an end introduces itself in the handshake.

::

    property = length-of-name (1 byte)  name  length-of-value (4 bytes)  value

Names are compared without regard to case (RFC 23, "Metadata") and always sent in the usual
spelling, since libzmq compares them byte by byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._limits import Limits

from .events import PeerProperties
from .socket_types import LEGAL_PEERS, SocketType, incompatible

MAX_ROUTING_ID: Final = 255
_NAME_CHARACTERS: Final = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+"
)
CORRELATE: Final = "X-Correlate"
"""By this property a socket says that its replies repeat the ids of their requests. The name is of
the kind that RFC 23 leaves to applications, and libzmq looks at none of these."""

_RESERVED: Final = frozenset({"user-id", "peer-address", "__fd"})
"""Names that only an authenticator or we ourselves may fill: a peer's claim to them is dropped."""

_VALUE_LENGTH: Final = struct.Struct(">I")


def encode_metadata(properties: Mapping[str, bytes]) -> bytes:
    """Return the wire form of the properties, in their order.

    Raises:
        ValueError: A name is empty, too long, or has characters that RFC 23 does not allow.
    """
    return b"".join(_encode_property(name, value) for name, value in properties.items())


def our_metadata(
    socket_type: SocketType, routing_id: bytes, metadata: Mapping[str, bytes]
) -> bytes:
    """Return how a socket introduces itself: type, routing id where it has one, the rest.

    Raises:
        ValueError: The routing id or a name is not allowed.
    """
    if len(routing_id) > MAX_ROUTING_ID or routing_id[:1] == b"\x00":
        raise ValueError(
            f"routing_id={routing_id!r} is not allowed: "
            "give at most 255 bytes that do not start with a zero byte"
        )
    own = {"Socket-Type": socket_type.value.encode("ascii")}
    if socket_type.announces_routing_id:
        own["Identity"] = routing_id
    return encode_metadata({**own, **metadata})


def parse_metadata(data: bytes, limits: Limits) -> dict[str, bytes]:
    """Return the properties as the peer spelled them.

    Raises:
        RemoteProtocolError: They break the grammar, repeat a name, or exceed a limit.
    """
    if len(data) > limits.max_metadata_bytes:
        raise _invalid(f"{len(data)} bytes, more than max_metadata_bytes")
    properties: dict[str, bytes] = {}
    seen: set[str] = set()
    position = 0
    while position < len(data):
        name, value, position = _parse_property(data, position, limits)
        if name.lower() in seen:
            raise _invalid(f"{name} occurs twice")
        seen.add(name.lower())
        properties[name] = value
        if len(properties) > limits.max_metadata_properties:
            raise _invalid(f"more than max_metadata_properties={limits.max_metadata_properties}")
    return properties


def meet_peer(
    ours: SocketType,
    properties: Mapping[str, bytes],
    version: tuple[int, int],
    mechanism: str,
) -> PeerProperties:
    """Judge what a peer says of itself and return it in order.

    Raises:
        RemoteProtocolError: There is no socket type, or the routing id is not allowed.
        IncompatiblePeer: The two socket types do not go together.
    """
    by_name = _by_lower_name(properties)
    if "socket-type" not in by_name:
        raise _invalid("there is no Socket-Type")
    theirs = _legal_peer(ours, by_name["socket-type"])
    routing_id = _routing_id(by_name.get("identity", b""))
    hidden = _RESERVED | {"socket-type", "identity", CORRELATE.lower()}
    return PeerProperties(
        socket_type=theirs,
        routing_id=routing_id if theirs.announces_routing_id else b"",
        correlates=by_name.get(CORRELATE.lower()) == b"1",
        metadata=MappingProxyType(
            {name: value for name, value in properties.items() if name.lower() not in hidden}
        ),
        version=version,
        mechanism=mechanism,
    )


def _encode_property(name: str, value: bytes) -> bytes:
    if not 1 <= len(name) <= 255 or not set(name.encode()) <= _NAME_CHARACTERS:
        raise ValueError(
            f"metadata name {name!r} is not allowed: give 1 to 255 letters, digits and - _ . +"
        )
    return bytes((len(name),)) + name.encode("ascii") + _VALUE_LENGTH.pack(len(value)) + value


def _parse_property(data: bytes, start: int, limits: Limits) -> tuple[str, bytes, int]:
    name_end = start + 1 + data[start]
    value_start = name_end + _VALUE_LENGTH.size
    if name_end == start + 1 or value_start > len(data):
        raise _invalid(f"a name is empty or runs over the end at byte {start}")
    name = data[start + 1 : name_end]
    if not set(name) <= _NAME_CHARACTERS:
        raise _invalid(f"the name {name[:64]!r} has characters other than letters, digits, - _ . +")
    (size,) = _VALUE_LENGTH.unpack_from(data, name_end)
    if value_start + size > len(data):
        raise _invalid(f"the value of {name.decode()} runs over the end")
    if size > limits.max_metadata_value:
        raise _invalid(f"{name.decode()} has {size} bytes, more than max_metadata_value")
    return name.decode(), data[value_start : value_start + size], value_start + size


def _legal_peer(ours: SocketType, name: bytes) -> SocketType:
    for candidate in LEGAL_PEERS[ours]:
        if candidate.value.encode("ascii") == name:
            return candidate
    raise incompatible(ours, _shown(name))


def shown_type(properties: Mapping[str, bytes]) -> str:
    """Return what a peer calls its type, as printable text."""
    return _shown(_by_lower_name(properties).get("socket-type", b""))


def _by_lower_name(properties: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.lower(): value for name, value in properties.items()}


def _shown(name: bytes) -> str:
    return name.decode("ascii") if name.isalpha() and len(name) <= 16 else repr(name[:32])


def _routing_id(value: bytes) -> bytes:
    # A leading zero byte marks the ids that routers invent: a peer could take another's.
    if len(value) > MAX_ROUTING_ID or value[:1] == b"\x00":
        raise _invalid(f"Identity {value[:32]!r} is longer than 255 bytes or starts with zero")
    return value


def _invalid(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(ProtocolFault.INVALID_METADATA, f"invalid metadata: {what}")
