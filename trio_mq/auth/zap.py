"""ZAP 1.0, the form in which handlers of libzmq's world are asked (RFC 27).

::

    request  "1.0"  id  domain  address  routing id  mechanism  credentials...
    reply    "1.0"  id  status  text  user id  metadata

libzmq puts its own routing id where the peer's should be; we put the peer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trio_mq._errors import RemoteProtocolError
from trio_mq._limits import Limits
from trio_mq.auth.request import Granted, Process, Refused, Request, Verdict
from trio_mq.zmtp.metadata import parse_metadata
from trio_mq.zmtp.z85 import z85_decode

_VERSION: Final = b"1.0"
_FRAMES: Final = 6
_LIMITS: Final = Limits()


def encode_request(request: Request, request_id: bytes) -> list[bytes]:
    """Return the frames that ask about a peer."""
    return [
        _VERSION,
        request_id,
        request.domain.encode(),
        _address(request.address).encode(),
        request.routing_id,
        request.mechanism.encode(),
        *_credentials(request),
    ]


def _address(address: str) -> str:
    """Return the address as libzmq writes it: an ipc peer is ``localhost:uid:gid:pid``."""
    peer = Process.at(address)
    return address if peer is None else f"localhost:{peer.uid}:{peer.gid}:{peer.pid}"


def _credentials(request: Request) -> list[bytes]:
    if request.public_key is not None:
        return [z85_decode(request.public_key)]
    if request.username is not None and request.password is not None:
        both = (request.username, request.password)
        return [text.encode("utf-8", "surrogateescape") for text in both]
    return []


def decode_reply(frames: Sequence[bytes], request_id: bytes) -> Verdict:
    """Return what a handler has answered.

    Raises:
        ValueError: It is no answer to this request. Nothing but "200" ever lets anybody in.
    """
    if len(frames) != _FRAMES:
        raise ValueError(f"a ZAP reply has {_FRAMES} frames, not {len(frames)}")
    version, answered, status, text, user_id, metadata = frames
    if version != _VERSION:
        raise ValueError(f"a ZAP reply has version 1.0, not {version[:16]!r}")
    if answered != request_id:
        raise ValueError("a ZAP reply is to another request")
    if status in (b"300", b"400", b"500"):
        return Refused(int(status), text.decode("utf-8", "replace"))
    if status != b"200":
        raise ValueError(f"a ZAP reply has status 200, 300, 400 or 500, not {status[:16]!r}")
    try:
        properties = parse_metadata(metadata, _LIMITS)
    except RemoteProtocolError as error:
        why = str(error)
    else:
        return Granted(user_id.decode("utf-8", "surrogateescape") or None, properties)
    raise ValueError(f"a ZAP reply has {why}")
