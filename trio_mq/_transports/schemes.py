"""The transports, a line each: how its endpoints are read, listened on and dialled.

To add one: its grammar in `endpoint`, a module with ``listen`` and ``dial``, and a line here.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import attrs
import trio

from trio_mq._options import Options
from trio_mq._transports import ipc, system, tcp, tls
from trio_mq._transports.endpoint import (
    Endpoint,
    InprocEndpoint,
    IpcEndpoint,
    TcpEndpoint,
    TlsEndpoint,
    parse_inproc,
    parse_ipc_bind,
    parse_ipc_connect,
    parse_tcp_bind,
    parse_tcp_connect,
    parse_tls_bind,
    parse_tls_connect,
    refuse,
)
from trio_mq._transports.failure import explained
from trio_mq._transports.listener import Acceptor, Acceptors
from trio_mq._transports.resolve import show
from trio_mq._transports.stream import ByteStream
from trio_mq._transports.trio_stream import TrioStream

#: What ``connect(open_stream=…)`` takes: it makes one connection, or raises.
OpenStream: TypeAlias = Callable[[], Awaitable[trio.abc.Stream | ByteStream]]
#: Makes one connection, over whatever addresses there are, or raises `OSError`.
OpenByteStream: TypeAlias = Callable[[], Awaitable[ByteStream]]

_Parsed = TypeVar("_Parsed", bound=Endpoint)


@attrs.frozen(eq=False, repr=False)
class Scheme(Generic[_Parsed]):
    """One transport."""

    #: What its endpoints look like, for the text of errors.
    form: str
    #: Each takes the whole endpoint, for errors, and what follows ``://`` in it.
    parse_bind: Callable[[str, str], _Parsed]
    parse_connect: Callable[[str, str], _Parsed]
    #: ``None`` where there are no streams: names of inproc meet in the context.
    listen: Callable[[_Parsed, Options], Awaitable[Acceptors[Acceptor]]] | None = None
    dial: Callable[[_Parsed, Options], Awaitable[ByteStream]] | None = None
    #: Says what its options lack, given the endpoint as text and whether peers connect to it.
    check: Callable[[Options, str, bool], None] | None = None


_TCP: Final = Scheme[TcpEndpoint](
    "tcp://host:port", parse_tcp_bind, parse_tcp_connect, tcp.listen, tcp.dial
)
_TLS: Final = Scheme[TlsEndpoint](
    "tls://host:port", parse_tls_bind, parse_tls_connect, tls.listen, tls.dial, tls.check
)
_IPC: Final = Scheme[IpcEndpoint](
    "ipc://path", parse_ipc_bind, parse_ipc_connect, ipc.listen, ipc.dial
)
_INPROC: Final = Scheme[InprocEndpoint]("inproc://name", parse_inproc, parse_inproc)

# Each scheme takes its own kind of endpoint, which a mapping can't say.
SCHEMES: Final[Mapping[str, Scheme[Any]]] = {
    "tcp": _TCP,
    "tls": _TLS,
    "ipc": _IPC,
    "inproc": _INPROC,
}


def parse_bind(endpoint: str) -> Endpoint:
    """Read an endpoint to listen on.

    Raises:
        TypeError: It is no ``str``.
        ValueError: It breaks the grammar; the text says where and what is allowed.
    """
    scheme, address = _split(endpoint)
    parsed: Endpoint = scheme.parse_bind(endpoint, address)
    return parsed


def parse_connect(endpoint: str) -> Endpoint:
    """Read an endpoint to connect to.

    Raises:
        TypeError: It is no ``str``.
        ValueError: It breaks the grammar; the text says where and what is allowed.
    """
    scheme, address = _split(endpoint)
    parsed: Endpoint = scheme.parse_connect(endpoint, address)
    return parsed


def check(endpoint: Endpoint, options: Options, given: str, *, bound: bool) -> None:
    """Check that the options have what a transport can't do without.

    Raises:
        ValueError: They don't.
    """
    complain = SCHEMES[endpoint.scheme].check
    if complain is not None:
        complain(options, given, bound)


class Network(Protocol):
    """What the sockets of a context listen on and dial: the kernel's network, or a test's."""

    #: Strangers may be on it, too.
    reaches_others: bool

    def listen(self, endpoint: Endpoint, options: Options) -> Awaitable[Acceptors[Acceptor]]:
        """Listen on an endpoint that has streams; `OSError` where that can't be done."""

    def dial(self, endpoint: Endpoint, options: Options) -> Awaitable[ByteStream]:
        """Make one connection to an endpoint that has streams, or raise `OSError`."""


class KernelNetwork:
    """The network that this machine is on."""

    reaches_others: bool = True

    def listen(self, endpoint: Endpoint, options: Options) -> Awaitable[Acceptors[Acceptor]]:
        """See `Network.listen`."""
        listen_there = SCHEMES[endpoint.scheme].listen
        assert listen_there is not None, endpoint  # noqa: S101  # the caller treats names apart
        return listen_there(endpoint, options)

    def dial(self, endpoint: Endpoint, options: Options) -> Awaitable[ByteStream]:
        """See `Network.dial`."""
        dial_there = SCHEMES[endpoint.scheme].dial
        assert dial_there is not None, endpoint  # noqa: S101  # the caller treats names apart
        return dial_there(endpoint, options)


KERNEL: Final[Network] = KernelNetwork()


def opener(
    parsed: Endpoint | None,
    endpoint: str,
    options: Options,
    open_stream: OpenStream | None,
    network: Network,
) -> OpenByteStream:
    """Return what makes one connection.

    Args:
        parsed: The endpoint, or ``None`` if it is only a label.
        endpoint: The endpoint or label as text.
        options: Those of the endpoint.
        open_stream: The user's function, for a label.
        network: Where the endpoint is.
    """
    if open_stream is not None:
        return _by_user(endpoint, open_stream)
    assert parsed is not None  # noqa: S101  # only a label goes unparsed
    return partial(network.dial, parsed, options)


def wrap(label: str, stream: trio.abc.Stream | ByteStream) -> ByteStream:
    """Return the library's kind of stream for any trio stream.

    Raises:
        TypeError: It is no stream.
    """
    if isinstance(stream, ByteStream):
        return stream
    if not isinstance(stream, trio.abc.Stream):
        raise TypeError(f"{label} got {stream!r}, which is not a trio.abc.Stream")
    address = _peer_address(stream) or label
    return TrioStream(stream, local_address=label, peer_address=address)


def _peer_address(stream: object) -> str | None:
    """Return where the peer is, if there is a kernel socket underneath, below TLS for instance."""
    while (inner := getattr(stream, "transport_stream", None)) is not None:
        stream = inner
    sock = getattr(stream, "socket", None)
    if not isinstance(sock, trio.socket.SocketType):
        return None
    if system.is_local(sock):
        return ipc.peer_of(sock)
    try:
        return show(sock.getpeername())
    except OSError:  # it has gone already
        return None


def checked(open_stream: OpenStream | None) -> OpenStream | None:
    """Return a function that a user gave, if it is one.

    Raises:
        TypeError: It can't be called; it may be a stream that is open already.
    """
    if open_stream is not None and not callable(open_stream):
        raise TypeError(
            "open_stream is an async function that makes a new stream each time it is called, "
            f"not {open_stream!r}"
        )
    return open_stream


def _by_user(label: str, open_stream: OpenStream) -> OpenByteStream:
    @trio.lowlevel.disable_ki_protection
    async def open_wrapped() -> ByteStream:
        try:
            stream = await open_stream()
        except OSError as error:
            raise explained(error, f"cannot connect to {label}: its open_stream") from error
        except trio.TooSlowError as error:
            text = f"cannot connect to {label}: its open_stream took too long"
            raise TimeoutError(errno.ETIMEDOUT, text) from error
        except Exception as error:
            # Whatever goes wrong in a user's function, there is no connection, and the next try may
            # make one. A bug in it shows in the events and in `last_error`.
            text = f"cannot connect to {label}: its open_stream raised {error!r}"
            raise ConnectionError(text) from error
        try:
            return wrap(label, stream)
        except TypeError as error:
            text = f"cannot connect to {label}: its open_stream returned no trio.abc.Stream"
            raise ConnectionError(f"{text}, but {stream!r}") from error

    return open_wrapped


def _split(endpoint: str) -> tuple[Scheme[Any], str]:
    """Return the transport of an endpoint, and what follows ``://``."""
    if not isinstance(endpoint, str):
        raise TypeError(f"an endpoint is a str such as 'tcp://127.0.0.1:5555', not {endpoint!r}")
    scheme, separator, address = endpoint.partition("://")
    if not separator:
        refuse(endpoint, f"there is no '://'; {_grammar()}")
    if scheme not in SCHEMES:
        meant = scheme.strip().lower()
        hint = f"write {meant!r}; " if meant in SCHEMES else ""
        refuse(endpoint, f"unknown transport {scheme!r}; {hint}{_grammar()}")
    if not address:
        refuse(endpoint, f"nothing follows '://'; {_grammar()}")
    return SCHEMES[scheme], address


def _grammar() -> str:
    *others, last = (scheme.form for scheme in SCHEMES.values())
    return f"an endpoint is {', '.join(others)} or {last}"
