"""tls: what tcp does, inside TLS, so that nobody on the way can read or change even NULL.

The handshake of TLS is the first part of the link's own (`ByteStream.begin`): it has the same
deadline, counts as half open, and its failure is told in the same places.

Why not `trio.SSLStream`? It sends no alert when it refuses a peer, which then learns nothing but
that the connection ended; and it can't shut one direction, so that a socket that closes could not
know when its last messages are safe. Here one task writes, which is the link's writer: what TLS
itself has to say while we read, such as the answer to a new key, waits for the next write, as RFC
8446 (4.6.3) allows.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Final

import trio

from trio_mq._options import Options

from . import tcp
from .endpoint import TlsEndpoint
from .failure import in_words
from .kernel_view import Vital
from .listener import Acceptors, Listener
from .resolve import SocketAddress
from .stream import ByteStream, SocketStream
from .turns import Turns

#: Bytes that are encrypted before the kernel gets them, which bounds what waits here.
_PIECE: Final = 256 * 1024
#: Bytes of the handshake that one read takes.
_FEW_BYTES: Final = 16 * 1024

#: Bytes that TLS may have to say before anything else is written. An answer to a new key has some
#: thirty, and a peer may ask for new keys as often as it likes.
_MOST_UNSAID: Final = 64 * 1024

#: What lies behind an error of OpenSSL, by its name or its words.
_REMEDIES: Final[Mapping[str, str]] = {
    "WRONG_VERSION_NUMBER": "the other end speaks no TLS (tcp:// is not tls://)",
    "HTTP_REQUEST": "the other end speaks HTTP, not TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the other end hung up; it perhaps speaks no TLS",
    "NO_SHARED_CIPHER": "the tls_context of the server needs a certificate (load_cert_chain)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server perhaps has no certificate, or wants one of ours",
    "CERTIFICATE_REQUIRED": "the other end wants a certificate of ours (load_cert_chain)",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "our tls_context wants one, and the peer has none",
    "UNKNOWN_CA": "the other end does not trust our certificate",
    "BAD_CERTIFICATE": "the other end does not accept our certificate",
    "Hostname mismatch": "connect to a name that the certificate is for",
    "IP address mismatch": "connect to a name or an address that the certificate is for",
    "CERTIFICATE_VERIFY_FAILED": "our tls_context does not trust it (load_verify_locations)",
}


def check(options: Options, given: str, bound: bool) -> None:  # noqa: FBT001  # a plain callback
    """See that there is a context, and one for this role.

    Raises:
        ValueError: There is none to listen with, or it is for the other role.
    """
    context = options.tls_context
    if context is None:
        if bound:
            raise ValueError(
                f"{given}: a server of TLS needs a certificate: give tls_context="
                "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) after load_cert_chain"
            )
        return
    wrong = ssl.PROTOCOL_TLS_CLIENT if bound else ssl.PROTOCOL_TLS_SERVER
    if context.protocol == wrong:
        purpose = "CLIENT_AUTH" if bound else "SERVER_AUTH"
        raise ValueError(
            f"{given}: this tls_context is for the other end of a connection; make one with "
            f"ssl.create_default_context(ssl.Purpose.{purpose})"
        )


async def dial(endpoint: TlsEndpoint, options: Options) -> TlsStream:
    """Make one attempt to connect, as tcp does; the handshake comes with the link's.

    The server's certificate must be for the host of the endpoint, unless the context says
    otherwise. Without a context, it is the system's list of authorities that says whom to trust.

    Raises:
        OSError: As `tcp.dial`.
    """
    context = options.tls_context or ssl.create_default_context()
    # A scope says which interface; no certificate has it.
    host = endpoint.host.partition("%")[0]
    return TlsStream(await tcp.dial(endpoint, options), context, server_hostname=host)


async def listen(endpoint: TlsEndpoint, options: Options) -> Acceptors[Listener]:
    """Listen as tcp does.

    Raises:
        OSError: As `tcp.listen`.
    """
    return await tcp.listen(endpoint, options, wrap=functools.partial(_accepted, options))


def _accepted(options: Options, sock: socket.socket, peer: SocketAddress) -> TlsStream:
    assert options.tls_context is not None  # noqa: S101  # see `check`
    return TlsStream(tcp.accepted(options, sock, peer), options.tls_context)


class TlsStream(ByteStream):
    """A `ByteStream` that is encrypted on its way through another one, which it owns from now on.

    Every write waits, and nobody can know how much of a failed one arrived.

    Args:
        carrier: The stream beneath.
        context: Says whom to trust, and has our certificate.
        server_hostname: Whom the certificate of the other end must be for; ``None``: we are the
            server.
    """

    __slots__ = ("_carrier", "_fault", "_incoming", "_outgoing", "_said_goodbye", "_tls", "_torn")

    def __init__(
        self, carrier: SocketStream, context: ssl.SSLContext, *, server_hostname: str | None = None
    ) -> None:
        self.local_address = carrier.local_address
        self.peer_address = carrier.peer_address
        self._carrier = carrier
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        #: What came after the last bytes that could be decrypted.
        self._fault: ssl.SSLError | None = None
        #: A write has begun and not ended.
        self._torn = False
        self._said_goodbye = False

    def __repr__(self) -> str:
        """Show the stream inside."""
        return f"<TlsStream on {self._carrier!r}>"

    async def begin(self, turns: Turns | None = None) -> None:
        """See `ByteStream.begin`: shake hands, and look at the other end's certificate."""
        paying: Turns | None = None
        while True:
            try:
                self._take_step(paying)
            except ssl.SSLWantReadError:
                await self._flush()
                self._take_in(await self._carrier.receive_some(_FEW_BYTES))
                if turns is not None and paying is None and self._tls.server_side:
                    # What has come may be all of a greeting, whose answer costs a signature.
                    await turns.take_turn()
                    paying = turns
            except ssl.SSLError as error:
                await self._tell(error)
                raise self._failure(error) from error
            else:
                await self._flush()
                return

    def _take_step(self, paying: Turns | None) -> None:
        began = time.thread_time()
        try:
            self._tls.do_handshake()
        finally:
            if paying is not None:
                paying.computed(time.thread_time() - began)

    def certificate(self) -> Mapping[str, object] | None:
        """See `ByteStream.certificate`."""
        return self._tls.getpeercert()

    # -- in --

    async def receive_some(self, max_bytes: int) -> bytes:
        """See `ByteStream.receive_some`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if data := self._decrypt(max_bytes):
            # What an earlier read has left over. To return it takes a schedule point, too.
            await trio.lowlevel.cancel_shielded_checkpoint()
            return data
        while not (data or self._ended()):
            self._take_in(await self._carrier.receive_some(max_bytes))
            data = self._decrypt(max_bytes)
            if self._outgoing.pending > _MOST_UNSAID:
                raise trio.BrokenResourceError(
                    f"connection to {self.peer_address} failed: the other end asks for new keys "
                    "of TLS again and again"
                )
        return data

    def _take_in(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self, max_bytes: int) -> bytes:
        """Return up to ``max_bytes`` of what has arrived, decrypted; keep a fault for later."""
        records: list[bytes] = []
        wanted = max_bytes
        try:
            while wanted > 0 and self._fault is None:
                record = self._tls.read(wanted)
                if not record:  # the peer's good-bye
                    self._fault = ssl.SSLZeroReturnError()
                    break
                records.append(record)
                wanted -= len(record)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fault = error
        return records[0] if len(records) == 1 else b"".join(records)

    def _ended(self) -> bool:
        """Tell whether the stream has come to its end, in order.

        Raises:
            trio.BrokenResourceError: It has in another way.
        """
        fault = self._fault
        if fault is None:
            return False
        if isinstance(fault, ssl.SSLZeroReturnError):
            return True
        if isinstance(fault, ssl.SSLEOFError) and self._said_goodbye:
            return True  # whatever was cut off there does not matter any more
        self._tell_now()
        raise self._failure(fault) from fault

    # -- out --

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """See `ByteStream.try_write`: what is encrypted can't be taken back, so a write waits."""

    async def write_all(self, data: bytes) -> None:
        """See `ByteStream.write_all`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        rest = memoryview(data)
        while rest:
            try:
                written = self._tls.write(rest[:_PIECE])
            except ssl.SSLError as error:
                raise self._failure(error) from error
            rest = rest[written:]
            await self._flush()

    async def _flush(self) -> None:
        """Write what TLS has to say."""
        if self._outgoing.pending:
            self._torn = True
            await self._carrier.write_all(self._outgoing.read())
            self._torn = False

    async def _tell(self, error: ssl.SSLError) -> None:
        """Write the alert about a handshake that failed, and let the peer read it."""
        if isinstance(error, ssl.SSLEOFError):
            return
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._flush()
            # A close with unread input would be a reset, which overtakes the alert.
            await self._carrier.shutdown_write()
            with trio.move_on_after(_ALERT_SECONDS):
                while await self._carrier.receive_some(_FEW_BYTES):
                    pass

    def _tell_now(self) -> None:
        """Write an alert or a good-bye if that takes no waiting."""
        if not self._torn and self._outgoing.pending:
            self._torn = True
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._carrier.try_write((self._outgoing.read(),))

    async def wait_writable(self) -> None:
        """See `ByteStream.wait_writable`."""
        await self._carrier.wait_writable()

    # -- the end --

    async def shutdown_write(self) -> bool:
        """See `ByteStream.shutdown_write`: good-bye first, so that nobody takes it for a cut."""
        self._say_goodbye()
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._flush()
        return await self._carrier.shutdown_write()

    def _say_goodbye(self) -> None:
        if not self._said_goodbye:
            self._said_goodbye = True
            # OpenSSL would wait for the peer's good-bye here; the reader will find that.
            with contextlib.suppress(ssl.SSLError, ValueError):
                self._tls.unwrap()

    async def farewell(self) -> None:
        """See `ByteStream.farewell`."""
        await self._carrier.farewell()

    async def aclose(self) -> None:
        """See `ByteStream.aclose`."""
        if not self._torn:
            self._say_goodbye()
            self._tell_now()
        await self._carrier.aclose()

    # -- what the kernel sees --

    def vital(self, seconds: float) -> Vital:
        """See `ByteStream.vital`."""
        return self._carrier.vital(seconds)

    def unacknowledged(self) -> int | None:
        """See `ByteStream.unacknowledged`; TLS makes more bytes of them."""
        return self._carrier.unacknowledged()

    def vanished(self) -> Exception | None:
        """See `ByteStream.vanished`."""
        return self._carrier.vanished()

    def _failure(self, error: ssl.SSLError) -> trio.BrokenResourceError:
        return trio.BrokenResourceError(f"connection to {self.peer_address} failed: {told(error)}")


#: Seconds that a refused peer has to read why.
_ALERT_SECONDS: Final = 1.0


def told(error: ssl.SSLError) -> str:
    """Say in words what went wrong in TLS, and what to do about it."""
    # One that a user's stream has raised by itself has no reason.
    reason: str | None = getattr(error, "reason", None)
    text = getattr(error, "verify_message", "") or (reason or in_words(error)).replace("_", " ")
    known = f"{reason} {text}".replace("ALERT ", "")
    remedies = (remedy for sign, remedy in _REMEDIES.items() if sign in known)
    remedy = next(remedies, None)
    said = f"TLS failed: {text.lower() if text.isupper() else text}"
    return f"{said}; {remedy}" if remedy else said
