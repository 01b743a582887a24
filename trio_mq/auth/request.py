"""The question about a peer, the answers to it, and what takes an answer back."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol, Self, TypeAlias, runtime_checkable

import attrs

from trio_mq.zmtp import PeerProperties
from trio_mq.zmtp.metadata import encode_metadata
from trio_mq.zmtp.z85 import z85_encode

_NO_METADATA: Final[Mapping[str, bytes]] = MappingProxyType({})
_STATUSES: Final = (300, 400, 500)
_LONGEST: Final = 255
_PROCESS: Final = re.compile(r"uid=(\d+) gid=(\d+) pid=(\d+)", re.ASCII)
_RESERVED: Final = frozenset({"socket-type", "identity", "user-id", "peer-address"})
"""Names that say something else of a peer than what an authenticator knows."""


@attrs.frozen(kw_only=True)
class Process:
    """The program at the other end of an ipc connection, as the kernel knows it (``SO_PEERCRED``).

    It is what the peer was when it connected: it may have handed its connection on since.
    """

    uid: int
    """Its user."""

    gid: int
    """Its group."""

    pid: int
    """Its process; 0 if it is in a container whose processes we can't see."""

    @classmethod
    def at(cls, address: str) -> Self | None:
        """Return the program of an address of ipc; ``None`` for other addresses."""
        found = _PROCESS.fullmatch(address)
        if found is None:
            return None
        uid, gid, pid = map(int, found.groups())
        return cls(uid=uid, gid=gid, pid=pid)


@attrs.frozen(kw_only=True)
class Request:
    """Somebody who wants to talk to us, as an authenticator gets to see them.

    Under CURVE the peer has proven that the public key is its own; under PLAIN nothing is proven
    before the password is looked at; ``routing_id`` and ``metadata`` are claims and no more.
    """

    mechanism: str
    """``"NULL"``, ``"PLAIN"`` or ``"CURVE"``."""

    domain: str = ""
    """The option ``zap_domain`` of the socket or endpoint."""

    address: str = ""
    """The peer's IP address without its port; over ipc its ``uid=… gid=… pid=…``."""

    process: Process | None = None
    """Over ipc: the user, group and process of the peer, which the kernel vouches for."""

    endpoint: str = ""
    """The endpoint of ours that the peer came through."""

    routing_id: bytes = b""
    """The name that the peer claims; empty under PLAIN, where it is not known yet."""

    public_key: str | None = None
    """CURVE: the peer's public key in Z85."""

    username: str | None = None
    """PLAIN: the name; bytes that are no UTF-8 come as lone surrogates, by the error handler
    ``surrogateescape``."""

    password: str | None = attrs.field(default=None, repr=False)
    """PLAIN: as ``username``."""

    certificate: Mapping[str, object] | None = None
    """TLS: the certificate that the peer has shown and our context has found good, in the form of
    `ssl.SSLSocket.getpeercert`: ``{"subject": ((("commonName", "alice"),),), …}``."""

    metadata: Mapping[str, bytes] = _NO_METADATA
    """What the peer claims of itself; empty under PLAIN."""

    @classmethod
    def of(
        cls,
        mechanism: str,
        credentials: tuple[bytes, ...],
        claimed: PeerProperties | None,
        *,
        domain: str,
        address: str,
        endpoint: str,
        certificate: Mapping[str, object] | None = None,
    ) -> Self:
        """Return the request that a handshake has come to (the library's side)."""
        key = username = password = None
        if mechanism == "CURVE" and credentials:
            key = z85_encode(credentials[0])
        elif mechanism == "PLAIN" and credentials:
            username, password = (text.decode("utf-8", "surrogateescape") for text in credentials)
        return cls(
            mechanism=mechanism,
            domain=domain,
            address=bare_address(address),
            process=Process.at(address),
            endpoint=endpoint,
            routing_id=claimed.routing_id if claimed is not None else b"",
            public_key=key,
            username=username,
            password=password,
            certificate=certificate,
            metadata=claimed.metadata if claimed is not None else _NO_METADATA,
        )


def bare_address(address: str) -> str:
    """Return the IP address in ``address:port``; other text as it is."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return address
    # Otherwise an IPv4 address in its other form could slip past a rule about it.
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


class Revocation:
    """Takes grants back: whoever holds one ends the connections that were granted under it.

    Put the same one into each `Granted` of a user, and call `revoke` when the user may come no
    more. `KeyFolder` and `PasswordFile` do that for you. It belongs to one trio run.
    """

    __slots__ = ("_listeners", "revoked")

    def __init__(self) -> None:
        self.revoked: bool = False
        """Whether it has happened."""

        self._listeners: dict[Callable[[], None], None] = {}

    def revoke(self) -> None:
        """End the connections that there are; a later grant under this one is worth nothing."""
        self.revoked = True
        listeners, self._listeners = self._listeners, {}
        for listener in listeners:
            listener()

    def tell(self, listener: Callable[[], None]) -> None:
        """Call that when it happens, or now if it has (the library's side)."""
        if self.revoked:
            listener()
        else:
            self._listeners[listener] = None

    def forget(self, listener: Callable[[], None]) -> None:
        """Call that no more (the library's side)."""
        self._listeners.pop(listener, None)


def _user_id(_: object, field: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{field.name} is str or None, not {type(value).__name__}")
    if value is not None and len(value.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ValueError(f"{field.name} is longer than {_LONGEST} bytes")


def _frozen(value: Mapping[str, bytes | str]) -> Mapping[str, bytes]:
    if not isinstance(value, Mapping):
        raise TypeError(
            f"metadata is a mapping of names to bytes or str, not a {type(value).__name__}"
        )
    return MappingProxyType(
        {name: text.encode() if isinstance(text, str) else text for name, text in value.items()}
    )


def _metadata(
    _: object, field: attrs.Attribute[Mapping[str, bytes]], value: Mapping[str, bytes]
) -> None:
    for name, content in value.items():
        if not isinstance(name, str) or not isinstance(content, bytes):
            raise TypeError(f"{field.name} maps names to bytes or str, not {name!r}")
        if name.lower() in _RESERVED:
            raise ValueError(f"{field.name} cannot say {name!r}: that is not an authenticator's")
    encode_metadata(value)


def _tokens(value: Iterable[Revocation]) -> tuple[Revocation, ...]:
    if isinstance(value, Revocation):
        raise TypeError("revocations is a tuple: give (revocation,)")
    tokens = tuple(value)
    for token in tokens:
        if not isinstance(token, Revocation):
            raise TypeError(f"revocations are of the type Revocation, not {type(token).__name__}")
    return tokens


@attrs.frozen
class Granted:
    """The peer may come in.

    Args:
        user_id: Who it is, for `Peer.user_id`; ``None`` if the answer is about no person, such as
            that of an address filter.
        metadata: What else the application should know, for `Peer.auth_metadata`.
        revocations: What ends the connection later, if anything does.

    Raises:
        ValueError: The user id is longer than 255 bytes, or a name is not allowed.
        TypeError: Something is of a wrong type.
    """

    user_id: str | None = attrs.field(default=None, validator=_user_id)
    metadata: Mapping[str, bytes] = attrs.field(
        factory=dict, converter=_frozen, validator=_metadata
    )
    revocations: tuple[Revocation, ...] = attrs.field(
        default=(), converter=_tokens, repr=False, eq=False, kw_only=True
    )


@attrs.frozen
class Refused:
    """The peer may not come in.

    Args:
        status: 400: these credentials are not good, and trying again does not help. 300: not now;
            the peer is told nothing and dials again. 500: we could not tell. (RFC 27)
        reason: Why, for our own events and log; the peer is told the status only.

    Raises:
        ValueError: The status is another one.
    """

    status: int = attrs.field(default=400)
    reason: str = attrs.field(default="")

    @status.validator
    def _check_status(self, _: object, value: object) -> None:
        if isinstance(value, bool) or value not in _STATUSES:
            raise ValueError(f"status={value!r} is not allowed: give 300, 400 or 500")

    @reason.validator
    def _check_reason(self, _: object, value: object) -> None:
        if not isinstance(value, str):
            raise TypeError(f"reason is str, not {type(value).__name__}")


Verdict: TypeAlias = Granted | Refused
Authenticator: TypeAlias = Callable[[Request], Awaitable[Verdict]]
"""Answers the question about a peer: an ordinary async function will do."""


@runtime_checkable
class Watching(Protocol):
    """An authenticator that has something to do in the background, such as watching a folder."""

    async def watch(self) -> None:
        """Run as long as the socket does, which cancels it then."""


class _AllowAny:
    """Lets everybody in, and knows nobody."""

    async def __call__(self, request: Request) -> Granted:
        """Grant."""
        del request
        return Granted()

    def __repr__(self) -> str:
        return "trio_mq.auth.ALLOW_ANY"


ALLOW_ANY: Final = _AllowAny()
"""The authenticator that lets everybody in: under CURVE whoever knows the server's key, under PLAIN
whoever says any name and password. It is for tests, and for servers whose data is public."""
