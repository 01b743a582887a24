"""One connection, looked at step by step, and the reason if it fails.

The socket type of the other end is found without taking anything from it: we introduce ourselves
as a Req, to whom nobody sends unasked. A peer that does not talk to a Req refuses us, and says its
own type in that.
"""

from __future__ import annotations

import enum
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

from trio_mq import IncompatiblePeer, MechanismMismatch, Options, zmtp
from trio_mq._transports.endpoint import Endpoint, InprocEndpoint
from trio_mq._transports.resolve import resolve
from trio_mq._transports.schemes import KERNEL
from trio_mq._transports.stream import ByteStream
from trio_mq.admin import Json
from trio_mq.zmtp import Connection, PeerProperties, PeerReady, Pong, Role, SocketType

_GREETING: Final = 64
_READ: Final = 8192
_TYPE: Final = re.compile(r"peer of type ([A-Z]+)")
_MECHANISM: Final = slice(12, 32)
#: If it answers this, it speaks HTTP, and we know what is there.
_HTTP: Final = b"GET / HTTP/1.0\r\n\r\n"
#: How other protocols begin, whose servers speak first or after a mistake.
_BEGINNINGS: Final = (
    (b"HTTP/", "a web server"),
    (b"SSH-", "an SSH server"),
    (b"220 ", "a mail or FTP server"),
)
_BEGINNINGS_TLS: Final = (b"\x15\x03", b"\x16\x03")


class Outcome(enum.Enum):
    """How far it came."""

    READY = "ready"
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    NOT_ZMTP = "not-zmtp"
    MECHANISM = "mechanism"
    CREDENTIALS = "credentials"
    INCOMPATIBLE = "incompatible"
    REFUSED = "refused"


@attrs.define(kw_only=True)
class Report:
    """What was found."""

    endpoint: str
    outcome: Outcome = Outcome.READY
    reason: str = ""
    addresses: list[str] = attrs.field(factory=list)
    resolve_seconds: float | None = None
    address: str | None = None
    connect_seconds: float | None = None
    version: tuple[int, int] | None = None
    mechanism: str | None = None
    socket_type: str | None = None
    identity: bytes = b""
    metadata: dict[str, bytes] = attrs.field(factory=dict)
    round_trip_seconds: float | None = None

    def fail(self, outcome: Outcome, reason: str) -> None:
        """Note why it went no further; the first reason stays."""
        if self.outcome is Outcome.READY:
            self.outcome, self.reason = outcome, reason

    def as_json(self) -> dict[str, Json]:
        """Return it for programs; what is not UTF-8 is shown with escapes."""
        return {
            "endpoint": self.endpoint,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "addresses": list(self.addresses),
            "resolve_seconds": self.resolve_seconds,
            "address": self.address,
            "connect_seconds": self.connect_seconds,
            "version": None if self.version is None else ".".join(map(str, self.version)),
            "mechanism": self.mechanism,
            "socket_type": self.socket_type,
            "identity": shown(self.identity),
            "metadata": {name: shown(value) for name, value in self.metadata.items()},
            "round_trip_seconds": self.round_trip_seconds,
        }


def shown(value: bytes) -> str:
    """Return bytes of a peer as text that harms no terminal."""
    return value.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")


class _Ended(Exception):  # a step, not an error
    """The probe is over: the report says why."""


async def probe(
    endpoint: str,
    parsed: Endpoint,
    *,
    options: Options,
    socket_type: SocketType | None,
    seconds: float,
) -> Report:
    """Connect, introduce ourselves, and report what happened.

    Args:
        endpoint: As the user gave it.
        parsed: The same, parsed.
        options: Mechanism and identity.
        socket_type: What we say that we are; ``None``: a Req, which takes nothing from anybody.
        seconds: For each step.
    """
    report = Report(endpoint=endpoint)
    try:
        await _resolve(report, parsed, seconds)
        stream = await _connect(report, parsed, options, seconds)
        try:
            await _shake_hands(report, stream, parsed, options, socket_type, seconds)
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()
    except _Ended:
        pass
    return report


@contextmanager
def _failing(report: Report, outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        report.fail(outcome, error.strerror or str(error))
        raise _Ended from None
    except trio.TooSlowError:
        report.fail(outcome, "there was no answer in time")
        raise _Ended from None


async def _resolve(report: Report, parsed: Endpoint, seconds: float) -> None:
    if isinstance(parsed, InprocEndpoint):
        report.fail(Outcome.UNREACHABLE, "inproc names are known in their own process alone")
        raise _Ended
    host, port = getattr(parsed, "host", None), getattr(parsed, "port", None)
    if host is None or port is None:
        return
    begun = trio.current_time()
    with _failing(report, Outcome.UNRESOLVED), trio.fail_after(seconds):
        report.addresses = [str(each) for each in await resolve(host, port, ipv6=True)]
    report.resolve_seconds = trio.current_time() - begun


async def _connect(
    report: Report, parsed: Endpoint, options: Options, seconds: float
) -> ByteStream:
    begun = trio.current_time()
    with _failing(report, Outcome.UNREACHABLE), trio.fail_after(seconds):
        try:
            stream = await KERNEL.dial(parsed, options)
        except trio.BrokenResourceError as error:
            raise OSError(0, str(error.__cause__ or error)) from error
    report.connect_seconds = trio.current_time() - begun
    report.address = stream.peer_address
    return stream


async def _shake_hands(
    report: Report,
    stream: ByteStream,
    parsed: Endpoint,
    options: Options,
    socket_type: SocketType | None,
    seconds: float,
) -> None:
    begun: list[bytes] = []
    connection = Connection(
        socket_type or SocketType.REQ,
        Role.CONNECTING,
        routing_id=options.routing_id,
        mechanism=options.mechanism or zmtp.Null(),
    )
    try:
        with trio.fail_after(seconds):
            await stream.begin()
            properties = await _until_ready(connection, stream, begun)
    except trio.TooSlowError:
        await _explain_silence(report, connection, parsed, options, seconds)
    except (OSError, trio.BrokenResourceError) as error:
        _explain_end(report, connection, error)
    except MechanismMismatch as error:
        report.fail(Outcome.MECHANISM, str(error))
    except IncompatiblePeer as error:
        _explain_type(report, str(error), asked=socket_type is not None)
    except zmtp.RemoteProtocolError as error:
        what = _what_is_it(b"".join(begun))
        report.fail(Outcome.NOT_ZMTP, f"{what}: {error}" if what else str(error))
    except zmtp.ProtocolError as error:
        report.fail(Outcome.REFUSED, str(error))
    except Exception as error:
        if type(error).__name__ != "AuthenticationFailed":
            raise
        report.fail(Outcome.CREDENTIALS, str(error))
    else:
        _describe(report, properties)
        report.round_trip_seconds = await _ping(connection, stream, seconds)
    finally:
        _describe_greeting(report, b"".join(begun))


async def _until_ready(
    connection: Connection, stream: ByteStream, begun: list[bytes]
) -> PeerProperties:
    """Do the handshake up to the end; what the peer says first is kept."""
    while True:
        event = connection.next_event()
        if isinstance(event, PeerReady):
            connection.accept()
            await _flush(connection, stream)
            return event.properties
        await _flush(connection, stream)
        data = b""
        with trio.move_on_after(0.1 if connection.withholds_version else float("inf")) as patience:
            data = await stream.receive_some(_READ)
        if patience.cancelled_caught:
            connection.say_version()
            continue
        if sum(map(len, begun)) < _GREETING:
            begun.append(data)
        if not data:
            raise connection.handshake_ended()
        connection.receive_data(data)


async def _flush(connection: Connection, stream: ByteStream) -> None:
    if data := connection.data_to_send():
        await stream.write_all(data)


async def _ping(connection: Connection, stream: ByteStream, seconds: float) -> float | None:
    """Return how long the answer to a PING took; ``None`` if the peer does not answer any."""
    begun = trio.current_time()
    try:
        with trio.fail_after(min(seconds, 2.0)):
            await stream.write_all(connection.ping(0.0, b"probe"))
            while True:
                while (event := connection.next_event()) is not None:
                    if isinstance(event, Pong):
                        return trio.current_time() - begun
                data = await stream.receive_some(_READ)
                if not data:
                    return None
                connection.receive_data(data)
    except (trio.TooSlowError, trio.BrokenResourceError, zmtp.ProtocolError):
        return None


# -- what it means --


def _describe(report: Report, properties: PeerProperties) -> None:
    report.socket_type = properties.socket_type.value
    report.identity = properties.routing_id
    report.metadata = dict(properties.metadata)


def _describe_greeting(report: Report, begun: bytes) -> None:
    if len(begun) >= _MECHANISM.stop and begun[0] == 0xFF and begun[9] & 1:
        report.version = (begun[10], begun[11])
        report.mechanism = shown(begun[_MECHANISM].rstrip(b"\0"))


def _explain_type(report: Report, text: str, *, asked: bool) -> None:
    """The peer's type does not go with ours: a probe without a type wanted to learn just that."""
    if found := _TYPE.search(text):
        report.socket_type = found.group(1)
    if asked or report.socket_type is None:
        report.fail(Outcome.INCOMPATIBLE, text)


def _explain_end(report: Report, connection: Connection, error: Exception) -> None:
    waited = connection.explain_wait()
    if not connection.greeted:
        report.fail(Outcome.NOT_ZMTP, f"it closed the connection at once ({waited})")
    elif "WELCOME" in waited or ("READY" in waited and "INITIATE" in waited):
        report.fail(
            Outcome.CREDENTIALS,
            f"it closed the connection in the handshake ({waited}): the server's key is perhaps "
            "another one",
        )
    else:
        report.fail(
            Outcome.REFUSED,
            f"it closed the connection when it knew who we are ({waited}): it is full "
            "(max_peers), its Pair is taken, our identity is in use there, or it does not "
            f"let us in; {error}",
        )


async def _explain_silence(
    report: Report, connection: Connection, parsed: Endpoint, options: Options, seconds: float
) -> None:
    waited = connection.explain_wait()
    if connection.greeted:
        report.fail(Outcome.SILENT, f"it speaks 0MQ, and does not go on: {waited}")
        return
    what = await _ask_for_a_page(parsed, options, seconds)
    if what:
        report.fail(Outcome.NOT_ZMTP, f"{what} is there, not 0MQ")
    else:
        report.fail(Outcome.SILENT, f"it accepted the connection and says nothing ({waited})")


async def _ask_for_a_page(parsed: Endpoint, options: Options, seconds: float) -> str:
    """Find out, over another connection, whether it is an HTTP server."""
    with trio.move_on_after(seconds):
        try:
            stream = await KERNEL.dial(parsed, options)
            try:
                await stream.write_all(_HTTP)
                return _what_is_it(await stream.receive_some(_READ))
            finally:
                with trio.CancelScope(shield=True):
                    await stream.aclose()
        except (OSError, trio.BrokenResourceError, socket.gaierror):
            return ""
    return ""


def _what_is_it(begun: bytes) -> str:
    """Name the protocol that begins like that, if we know it."""
    if begun.startswith(_BEGINNINGS_TLS):
        return "a TLS server (try tls:// instead of tcp://)"
    return next((name for start, name in _BEGINNINGS if begun.startswith(start)), "")
