# Invariant: a parser of text or metadata returns a value that it can write and read again to the
# same value, or raises the one kind of error that it promises; and nothing else ever happens.
"""Feeds chance to the parsers of endpoints, Z85, certificates and metadata.

``python -m fuzz.texts``; the first byte of an input chooses the parser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fuzz.guided import main
from trio_mq import Limits
from trio_mq._transports.schemes import parse_bind, parse_connect
from trio_mq.auth.certificates import parse_certificate
from trio_mq.zmtp import RemoteProtocolError
from trio_mq.zmtp.metadata import encode_metadata, parse_metadata
from trio_mq.zmtp.z85 import z85_decode, z85_encode

LIMITS: Final = Limits()


def _endpoint(parse: Callable[[str], object], text: str) -> None:
    try:
        parsed = parse(text)
    except ValueError:
        return
    assert parse(str(parsed)) == parsed


def _bind(data: bytes) -> None:
    _endpoint(parse_bind, data.decode("utf-8", "replace"))


def _connect(data: bytes) -> None:
    _endpoint(parse_connect, data.decode("utf-8", "replace"))


def _z85(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        decoded = z85_decode(text)
    except ValueError:
        return
    assert z85_encode(decoded) == text


def _certificate(data: bytes) -> None:
    try:
        certificate = parse_certificate(data.decode("utf-8", "replace"))
    except ValueError:
        return
    assert len(z85_decode(certificate.public)) == 32
    assert certificate.secret is None or len(z85_decode(certificate.secret)) == 32


def _metadata(data: bytes) -> None:
    try:
        properties = parse_metadata(data, LIMITS)
    except RemoteProtocolError:
        return
    assert encode_metadata(properties) == data


PARSERS: Final = (_bind, _connect, _z85, _certificate, _metadata)


def check(data: bytes) -> None:
    """Try one input."""
    PARSERS[(data[0] if data else 0) % len(PARSERS)](data[1:])


if __name__ == "__main__":
    main("texts", check)
