"""Keys of CURVE, and the options that put them to use."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar, Final, Protocol, Self, TypeAlias, cast

import attrs

from trio_mq._limits import Limits
from trio_mq.zmtp import Role
from trio_mq.zmtp.boxes import KEY_SIZE, load_boxes
from trio_mq.zmtp.curve import CurveClientMechanism, CurveServerMechanism
from trio_mq.zmtp.z85 import z85_decode, z85_encode

Key: TypeAlias = str | bytes
"""A key as people and files have it: 40 characters of Z85, or its 32 bytes."""

_TEXT_SIZE: Final = 40


def key_bytes(what: str, key: Key) -> bytes:
    """Return the 32 bytes of a key.

    Raises:
        ValueError: It is none. The error does not show it, for it may be a secret.
        TypeError: It is neither ``str`` nor ``bytes``.
    """
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"{what} is a str of Z85 or 32 bytes, not {type(key).__name__}")
    if isinstance(key, bytes) and len(key) == KEY_SIZE:
        raw = key
    else:
        raw = _decoded(what, key if isinstance(key, str) else key.decode("latin-1"))
    if not any(raw):
        raise ValueError(f"{what} is not a key: all of it is zero")
    return raw


def _decoded(what: str, text: str) -> bytes:
    if len(text) != _TEXT_SIZE:
        raise ValueError(
            f"{what} is not a key: it has {len(text)} characters or bytes; "
            f"give {_TEXT_SIZE} characters of Z85, or 32 bytes"
        )
    try:
        return z85_decode(text)
    except ValueError as error:
        why = str(error)
    # Raised outside of the handler above, whose error has a traceback that holds the text.
    raise ValueError(f"{what} is not a key: {why}")


@attrs.frozen(init=False)
class CurveKeys:
    """A pair of keys: the secret half stays here, the public half is for the peers.

    ``repr`` shows the public half only.

    Args:
        secret: 40 characters of Z85, or 32 bytes.
        public: The same; left out, it is derived from the secret half.

    Raises:
        ValueError: One of them is not a key, or they don't belong together.
        ImportError: PyNaCl is missing, which the extra ``trio-mq[curve]`` installs.
    """

    public: str
    """The public half in Z85."""

    secret: str = attrs.field(repr=False)
    """The secret half in Z85."""

    def __init__(self, *, secret: Key, public: Key | None = None) -> None:
        raw = key_bytes("secret", secret)
        derived = load_boxes().public_key(raw)
        if public is not None and key_bytes("public", public) != derived:
            raise ValueError("public and secret don't belong together: leave public out")
        self.__attrs_init__(public=z85_encode(derived), secret=z85_encode(raw))

    @classmethod
    def generate(cls) -> Self:
        """Return new keys, from the randomness of the operating system.

        Raises:
            ImportError: PyNaCl is missing, which the extra ``trio-mq[curve]`` installs.
        """
        return cls(secret=os.urandom(KEY_SIZE))


class HasKeys(Protocol):
    """A certificate with both halves."""

    @property
    def keys(self) -> CurveKeys:
        """Both halves."""
        ...


def _keys_of(given: CurveKeys | HasKeys) -> CurveKeys:
    # What has no keys is left for the validator to refuse.
    keys = getattr(given, "keys", None)
    return keys if isinstance(keys, CurveKeys) else cast("CurveKeys", given)


def _strictly_keys(_: object, field: attrs.Attribute[CurveKeys], value: object) -> None:
    if not isinstance(value, CurveKeys):
        raise TypeError(
            f"{field.name} is CurveKeys, not {type(value).__name__}: CurveKeys(secret=…), "
            "CurveKeys.generate(), or read_certificate(path)"
        )


@attrs.frozen
class CurveServer:
    """Be the server of CURVE: clients must know our public key, and prove theirs (RFC 26).

    Which clients may come in, the authenticator says: a server needs ``authenticator=``, and
    without one ``bind`` refuses.

    Args:
        keys: Ours, or a `Certificate` with both halves. Give the public half to the clients.
        strict_nonces: End a connection whose peer leaves a gap in its count of messages. Nobody
            honest does; turn it off for a peer that is broken in this way.
        random_bytes: Draws random bytes; only tests need another than the system's.
    """

    name: ClassVar[str] = "CURVE"
    """Its name in the greeting."""

    as_server: ClassVar[bool] = True
    """Whether the greeting says that we are the server."""

    keys: CurveKeys = attrs.field(converter=_keys_of, validator=_strictly_keys)
    strict_nonces: bool = attrs.field(default=True, kw_only=True)
    random_bytes: Callable[[int], bytes] = attrs.field(default=os.urandom, kw_only=True, repr=False)

    def start(self, role: Role, metadata: bytes, limits: Limits) -> CurveServerMechanism:
        """Return the state of one new connection."""
        del role, limits
        return CurveServerMechanism(
            metadata,
            load_boxes(),
            self.random_bytes,
            strict=self.strict_nonces,
            public_key=z85_decode(self.keys.public),
            secret_key=z85_decode(self.keys.secret),
        )


def _ownable_key(key: Key) -> str:
    raw = key_bytes("server", key)
    boxes = load_boxes()
    if boxes.shared_key(raw, os.urandom(KEY_SIZE)) is None:
        raise ValueError("server is not a key: nobody can own it")
    return z85_encode(raw)


@attrs.frozen
class CurveClient:
    """Be a client of CURVE: the server must prove its key, and we prove ours (RFC 26).

    Args:
        keys: Ours, or a `Certificate` with both halves; left out, new ones are made, for servers
            that let everybody in.
        server: The server's public key: 40 characters of Z85, or 32 bytes.
        strict_nonces: As for `CurveServer`.
        random_bytes: As for `CurveServer`.

    Raises:
        ValueError: ``server`` is not a key.
        ImportError: PyNaCl is missing, which the extra ``trio-mq[curve]`` installs.
    """

    name: ClassVar[str] = "CURVE"
    """Its name in the greeting."""

    as_server: ClassVar[bool] = False
    """Whether the greeting says that we are the server."""

    keys: CurveKeys = attrs.field(
        factory=CurveKeys.generate, converter=_keys_of, validator=_strictly_keys
    )
    server: str = attrs.field(converter=_ownable_key, kw_only=True)
    strict_nonces: bool = attrs.field(default=True, kw_only=True)
    random_bytes: Callable[[int], bytes] = attrs.field(default=os.urandom, kw_only=True, repr=False)

    def start(self, role: Role, metadata: bytes, limits: Limits) -> CurveClientMechanism:
        """Return the state of one new connection."""
        del role, limits
        return CurveClientMechanism(
            metadata,
            load_boxes(),
            self.random_bytes,
            strict=self.strict_nonces,
            public_key=z85_decode(self.keys.public),
            secret_key=z85_decode(self.keys.secret),
            server_key=z85_decode(self.server),
        )
