"""The grammar of each transport's endpoints, read once and strictly; `schemes` chooses among them.

It is that of libzmq (zmq_tcp(7), zmq_ipc(7), zmq_inproc(7)), except for tls, which libzmq lacks::

    tcp://host:port                 host: a name, an IPv4 or [IPv6] address, an interface; bind: *
    tcp://source:port;host:port     connect only: where the connection starts; source port 0 is any
    tls://host:port                 as tcp; the certificate must be for the host
    ipc://path                      a file; relative to the working directory
    ipc://@name                     an abstract name (Linux), which needs no file
    ipc://*                         bind only: a fresh private path
    inproc://name                   any name that is not empty

We refuse what libzmq reads as something other than what was written (``80x`` and ``65616`` are port
80 to it), or accepts and never connects (port 0). Nothing here touches the network: whether a name
exists is found out at each dial.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
from typing import ClassVar, Final, NoReturn, TypeAlias, TypeVar

import attrs

#: Bytes of a socket path that the kernel takes, its terminating zero not counted.
MAX_IPC_PATH: Final = 107 if sys.platform == "linux" else 103

_BIND_PORT: Final = "a port is a number from 0 to 65535 or * (0 and * let the system choose)"
_CONNECT_PORT: Final = "a port to connect to is a number from 1 to 65535"
_SOURCE_PORT: Final = "a source port is a number from 0 to 65535 (0 lets the system choose)"

# Characters that no host name and no interface has; ':' was dealt with before, as part of IPv6
# addresses.
_NOT_IN_A_NAME: Final = re.compile(r"[\s\x00-\x1f\x7f/\\@;:%*?#\[\]<>\"']")
# What the resolver would never look up; an interface may be called eth0.100.
_NUMERIC_HOST: Final = re.compile(r"(\d+|0[xX][0-9a-fA-F]*)(\.(\d+|0[xX][0-9a-fA-F]*))*")


@attrs.frozen
class TcpEndpoint:
    """A place on an IP network.

    ``str()`` gives the canonical endpoint: IPv6 in brackets and in its short form, numbers without
    leading zeros, ``*`` for a port that the system chooses.
    """

    scheme: ClassVar[str] = "tcp"

    #: A name, an address (IPv6 without brackets, with its ``%scope``), an interface; ``*`` is all.
    host: str
    #: ``None`` lets the system choose (bind only).
    port: int | None
    #: Where our own end of the connection is; ``None`` leaves it to the system (connect only).
    source: tuple[str, int] | None = None

    @property
    def nearby(self) -> bool:
        """Whether the way there stays on this machine, so that a look costs nothing."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        """Return the canonical endpoint string."""
        origin = f"{host_and_port(*self.source)};" if self.source is not None else ""
        return f"{self.scheme}://{origin}{host_and_port(self.host, self.port)}"


@attrs.frozen
class TlsEndpoint(TcpEndpoint):
    """A place on an IP network where TLS is spoken."""

    scheme: ClassVar[str] = "tls"


@attrs.frozen
class IpcEndpoint:
    """A Unix-domain socket: a file, or a Linux abstract name, which vanishes with its listener."""

    scheme: ClassVar[str] = "ipc"
    nearby: ClassVar[bool] = True

    #: The path as written, or the name without its ``@``; ``None`` asks for a fresh path (bind).
    path: str | None
    #: Whether ``path`` is an abstract name.
    abstract: bool = False

    def __str__(self) -> str:
        """Return the canonical endpoint string."""
        return f"ipc://{'@' if self.abstract else ''}{'*' if self.path is None else self.path}"


@attrs.frozen
class InprocEndpoint:
    """A name within one context."""

    scheme: ClassVar[str] = "inproc"
    nearby: ClassVar[bool] = True

    #: Any text that is not empty.
    name: str

    def __str__(self) -> str:
        """Return the canonical endpoint string."""
        return f"inproc://{self.name}"


Endpoint: TypeAlias = TcpEndpoint | IpcEndpoint | InprocEndpoint


def host_and_port(host: str, port: int | None) -> str:
    """Join the two as in an endpoint, IPv6 addresses in brackets."""
    shown = "*" if port is None else str(port)
    return f"[{host}]:{shown}" if ":" in host else f"{host}:{shown}"


def refuse(endpoint: str, why: str) -> NoReturn:
    """Raise `ValueError` about an endpoint."""
    raise ValueError(f"endpoint {endpoint!r}: {why}")


# -- tcp and tls --

_Ip = TypeVar("_Ip", bound=TcpEndpoint)


def parse_tcp_bind(endpoint: str, address: str) -> TcpEndpoint:
    """Read what follows ``tcp://`` of an endpoint to listen on."""
    return _parse_bind(TcpEndpoint, endpoint, address)


def parse_tcp_connect(endpoint: str, address: str) -> TcpEndpoint:
    """Read what follows ``tcp://`` of an endpoint to connect to."""
    return _parse_connect(TcpEndpoint, endpoint, address)


def parse_tls_bind(endpoint: str, address: str) -> TlsEndpoint:
    """Read what follows ``tls://`` of an endpoint to listen on."""
    return _parse_bind(TlsEndpoint, endpoint, address)


def parse_tls_connect(endpoint: str, address: str) -> TlsEndpoint:
    """Read what follows ``tls://`` of an endpoint to connect to."""
    return _parse_connect(TlsEndpoint, endpoint, address)


def _parse_bind(kind: type[_Ip], endpoint: str, address: str) -> _Ip:
    if ";" in address:
        refuse(endpoint, f"a source address belongs to connect; bind takes {_form(endpoint)}")
    host, port = _split_host_and_port(endpoint, address)
    return kind(
        "*" if host == "*" else _parse_host(endpoint, host), _parse_bind_port(endpoint, port)
    )


def _parse_connect(kind: type[_Ip], endpoint: str, address: str) -> _Ip:
    source, semicolon, target = address.rpartition(";")
    host, port = _split_host_and_port(endpoint, target)
    return kind(
        _parse_host(endpoint, host),
        _parse_port(endpoint, port, 1, _CONNECT_PORT),
        _parse_source(endpoint, source) if semicolon else None,
    )


def _form(endpoint: str) -> str:
    return f"{endpoint.partition('://')[0]}://host:port"


def _split_host_and_port(endpoint: str, address: str) -> tuple[str, str]:
    """Split at the last colon; a host may stand in brackets, but need not."""
    if "," in address:
        refuse(endpoint, "there is a ',' in it; give several endpoints as a list of texts")
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        refuse(endpoint, f"the port is missing in {address!r}; write {_form(endpoint)}")
    if ("[" in address) and not (host.startswith("[") and host.endswith("]")):
        refuse(endpoint, f"the brackets in {address!r} are wrong; write [address]:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if host == "*":
            refuse(endpoint, "write the wildcard without brackets: *:port")
    if not host:
        refuse(endpoint, f"the host is missing; write {_form(endpoint)}")
    return host, port


def _parse_host(endpoint: str, host: str) -> str:
    if host == "*":
        refuse(endpoint, "the wildcard * is for bind; connect to a name or an address")
    if ":" in host:
        return _parse_ipv6(endpoint, host)
    if bad := _NOT_IN_A_NAME.search(host):
        refuse(endpoint, f"{bad[0]!r} cannot be part of a host; write {_form(endpoint)}")
    if _NUMERIC_HOST.fullmatch(host):
        return _parse_ipv4(endpoint, host)
    return host


def _parse_ipv6(endpoint: str, host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        refuse(endpoint, f"{host!r} is no IPv6 address; write [address]:port")
    if address.scope_id is not None and (
        address.scope_id == "0" or _NOT_IN_A_NAME.search(address.scope_id)
    ):
        refuse(endpoint, f"{address.scope_id!r} is no scope; give an interface: [fe80::1%eth0]")
    if address.is_link_local and address.scope_id is None:
        refuse(
            endpoint,
            f"{host!r} is on every link: say which interface, as in [{host}%eth0]",
        )
    return str(address)


def _parse_ipv4(endpoint: str, host: str) -> str:
    """Normalise ``127.1`` and the like as the C library reads it; refuse ``1.2.3.256``."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        refuse(endpoint, f"{host!r} is no IPv4 address; write four numbers from 0 to 255")


def _parse_port(endpoint: str, port: str, lowest: int, allowed: str) -> int:
    # int() would also take signs, spaces, underscores and other scripts' digits.
    if not (port.isascii() and port.isdigit() and len(port.lstrip("0")) <= 5):
        refuse(endpoint, f"port {port!r}: {allowed}")
    number = int(port)
    if not lowest <= number <= 65535:
        refuse(endpoint, f"port {port!r}: {allowed}")
    return number


def _parse_bind_port(endpoint: str, port: str) -> int | None:
    return None if port == "*" else _parse_port(endpoint, port, 0, _BIND_PORT) or None


def _parse_source(endpoint: str, source: str) -> tuple[str, int]:
    if ";" in source:
        refuse(endpoint, "one ';' separates the source from the target; there are several")
    host, port = _split_host_and_port(endpoint, source)
    return (
        "*" if host == "*" else _parse_host(endpoint, host),
        _parse_port(endpoint, port, 0, _SOURCE_PORT),
    )


# -- ipc --


def parse_ipc_bind(endpoint: str, address: str) -> IpcEndpoint:
    """Read what follows ``ipc://`` of an endpoint to listen on."""
    return IpcEndpoint(None) if address == "*" else _parse_ipc(endpoint, address)


def parse_ipc_connect(endpoint: str, address: str) -> IpcEndpoint:
    """Read what follows ``ipc://`` of an endpoint to connect to."""
    if address == "*":
        refuse(endpoint, "the wildcard * is for bind; connect to the endpoint bind returned")
    return _parse_ipc(endpoint, address)


def _parse_ipc(endpoint: str, address: str) -> IpcEndpoint:
    abstract = address.startswith("@")
    path = address[1:] if abstract else address
    if not path:
        refuse(endpoint, "an abstract name follows the @; write ipc://@name")
    if "\0" in path:
        refuse(endpoint, "a path or name cannot contain a zero byte")
    if abstract and sys.platform != "linux":
        refuse(endpoint, "abstract names exist on Linux only; write ipc://path")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        refuse(endpoint, "the path has characters that the file system cannot encode")
    if size > MAX_IPC_PATH:
        refuse(endpoint, f"the path is {size} bytes long; the system takes up to {MAX_IPC_PATH}")
    return IpcEndpoint(path, abstract)


# -- inproc --


def parse_inproc(endpoint: str, address: str) -> InprocEndpoint:
    """Read what follows ``inproc://``, which may be any text."""
    del endpoint
    return InprocEndpoint(address)
