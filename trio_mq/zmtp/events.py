"""What a `Connection` tells its owner."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import attrs

from trio_mq._message import Message

from .large_boxes import LargeBox
from .socket_types import SocketType

_NOTHING: Mapping[str, bytes] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class PeerProperties:
    """Who is at the other end: what it claims of itself, and what was proven about it.

    Only ``user_id`` and ``auth_metadata`` come from an authenticator. A peer that claims them in
    its own metadata is not believed: those names are dropped there.
    """

    socket_type: SocketType
    """What the peer says it is; always a type that may talk to ours."""

    routing_id: bytes = b""
    """The name by which a Router is to know it; empty: the Router invents one."""

    correlates: bool = False
    """It says that its replies repeat what stood before the empty frame of their request. An id put
    there then tells which request a reply answers.
    """

    metadata: Mapping[str, bytes] = _NOTHING
    """Further properties as the peer spelled them, unproven."""

    version: tuple[int, int] = (3, 1)
    """Major and minor ZMTP version of the peer's greeting."""

    mechanism: str = "NULL"
    """The security mechanism of this connection."""

    user_id: str | None = None
    """The user that an authenticator recognised, or ``None``."""

    auth_metadata: Mapping[str, bytes] = _NOTHING
    """What the authenticator said about the user."""


@attrs.frozen
class CredentialsReceived:
    """The mechanism wants a verdict on these credentials before the handshake can go on.

    Answer with `Connection.authenticated` or `Connection.refuse`. NULL never asks. Under PLAIN the
    credentials are a user name and a password, under CURVE the client's public key, which it has
    proven to be its own.
    """

    mechanism: str
    """``"PLAIN"`` or ``"CURVE"``."""

    credentials: tuple[bytes, ...] = attrs.field(repr=False)
    """User name and password, or the public key."""

    properties: PeerProperties | None = None
    """What the peer claims of itself, where it has done so already, as under CURVE."""


@attrs.frozen
class PeerReady:
    """The peer has introduced itself: answer with `Connection.accept` or `Connection.refuse`."""

    properties: PeerProperties
    """Who it is."""


@attrs.frozen
class Messages:
    """A run of whole messages, in order, with nothing else between them."""

    messages: list[Message]
    """At least one."""

    payload: int
    """Bytes of all their frames together."""


@attrs.frozen
class Ping:
    """The peer asks for a `Pong` with the same context (RFC 37)."""

    ttl: float
    """Seconds of our silence after which the peer will hang up; 0: it did not say."""

    context: bytes
    """Bytes that the `Pong` repeats."""


@attrs.frozen
class Pong:
    """The answer to a ping of ours."""

    context: bytes
    """What the ping said."""


@attrs.frozen
class Skipped:
    """Many commands in a row meant nothing here, and were passed over.

    It is told so that this work, too, has pauses: do something else before you call
    `Connection.next_event` again, which has more.
    """

    count: int
    """How many they were."""


@attrs.frozen
class Subscribe:
    """The peer wants every message that begins with the topic."""

    topic: bytes
    """Empty: it wants every message."""


@attrs.frozen
class Cancel:
    """The peer no longer wants messages that begin with the topic."""

    topic: bytes
    """As it subscribed to it."""


Event: TypeAlias = (
    CredentialsReceived
    | PeerReady
    | Messages
    | LargeBox
    | Ping
    | Pong
    | Skipped
    | Subscribe
    | Cancel
)
