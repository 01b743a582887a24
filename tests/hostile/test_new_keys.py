"""A peer that asks for new keys of TLS again and again (RFC 8446, 4.6.3).

Each request has an answer, which waits until we write something else. A socket that only receives
never does, and neither does a handshake that waits for the peer.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.hostile.wire import GREETING, hello, message
from tests.transports.over_tls import client_context, server_context
from trio_mq import Disconnected, HandshakeFailed, Pull

#: KeyUpdate, "update_requested", and the type of the record that it is in.
NEW_KEYS = b"\x18\0\0\1\1" + b"\x16"
TAG_SIZE = 16


def expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """Return what TLS 1.3 derives from a secret (RFC 8446, 7.1), for sizes of one SHA-384."""
    label = b"tls13 " + label
    what = size.to_bytes(2, "big") + bytes((len(label),)) + label + b"\0\1"
    return hmac.digest(secret, what, hashlib.sha384)[:size]


class Client:
    """The end of a TLS connection that can say what OpenSSL would not."""

    def __init__(self, stream: trio.SocketStream, keys: Path) -> None:
        self._stream = stream
        self._keys = keys
        context = client_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(keys)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def shake_hands(self) -> None:
        """Do it, and learn what seals what we say from now on."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._stream.send_all(self._outgoing.read())
                self._incoming.write(await self._stream.receive_some())
            else:
                break
        await self._stream.send_all(self._outgoing.read())
        assert self._tls.cipher() == ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)
        lines = (line.split() for line in self._keys.read_text("ascii").splitlines())
        (self._secret,) = (
            bytes.fromhex(line[2]) for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0"
        )
        self._said = 0

    def sealed(self, plain: bytes) -> bytes:
        """Return a record of something, with its type at the end."""
        key, iv = expanded(self._secret, b"key", 32), expanded(self._secret, b"iv", 12)
        nonce = (int.from_bytes(iv, "big") ^ self._said).to_bytes(12, "big")
        head = b"\x17\3\3" + (len(plain) + TAG_SIZE).to_bytes(2, "big")
        self._said += 1
        return head + AESGCM(key).encrypt(nonce, plain, head)

    def new_keys(self) -> bytes:
        """Return a request for new keys, and use new ones from now on."""
        record = self.sealed(NEW_KEYS)
        self._secret, self._said = expanded(self._secret, b"traffic upd", 48), 0
        return record


@pytest.mark.parametrize("peer", [False, True])
async def test_who_wants_new_keys_without_end_is_left(tmp_path: Path, *, peer: bool) -> None:
    """As a stranger, and as a peer."""
    async with Pull(tls_context=server_context(), linger=0) as pull:
        endpoint = await pull.bind("tls://127.0.0.1:*")
        with pull.events() as events:
            async with await trio.open_tcp_stream(
                "127.0.0.1", int(endpoint.rpartition(":")[2])
            ) as stream:
                client = Client(stream, tmp_path / "keys")
                await client.shake_hands()
                said = hello(b"PUSH") + message(b"before") if peer else GREETING
                await stream.send_all(client.sealed(said + b"\x17"))
                # Few are no harm, and nothing is lost by them.
                await stream.send_all(b"".join(client.new_keys() for _ in range(100)))
                if peer:
                    assert await pull.receive() == (b"before",)
                    await stream.send_all(client.sealed(message(b"after") + b"\x17"))
                    assert await pull.receive() == (b"after",)
                with suppress(trio.BrokenResourceError):
                    for _ in range(100):
                        await stream.send_all(b"".join(client.new_keys() for _ in range(100)))
                async for event in events:
                    if isinstance(event, (Disconnected, HandshakeFailed)):
                        break
    assert isinstance(event, Disconnected if peer else HandshakeFailed)
    assert "new keys of TLS again and again" in str(event.error)
