"""Endpoint strings, read once and strictly.

The grammar is libzmq's (zmq_tcp(7), zmq_ipc(7), zmq_inproc(7))::

    tcp://host:port                 host: a name, an IPv4 or [IPv6] address, an interface; bind: *
    tcp://source:port;host:port     connect only: where the connection starts; source port 0 is any
    ipc://path                      a file; relative to the working directory
    ipc://@name                     an abstract name (Linux), which needs no file
    ipc://*                         bind only: a fresh private path
    inproc://name

We refuse what libzmq reads as something else than was written (``80x`` and ``65616`` are port 80
to it), or accepts and never connects (port 0). Nothing here touches the network: whether a name
exists is found out at every dial anew.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
from typing import Final, NoReturn, TypeAlias

import attrs

#: Bytes of a socket path that the kernel takes, its terminating zero not counted.
MAX_IPC_PATH: Final = 107 if sys.platform == "linux" else 103

_GRAMMAR: Final = "an endpoint is tcp://host:port, ipc://path or inproc://name"
_BIND_PORT: Final = "a port is a number from 0 to 65535 or * (0 and * let the system choose)"
_CONNECT_PORT: Final = "a port to connect to is a number from 1 to 65535"
_SOURCE_PORT: Final = "a source port is a number from 0 to 65535 (0 lets the system choose)"

# Characters of no host name or interface; ':' is dealt with before, as part of IPv6 addresses.
_NOT_IN_A_NAME: Final = re.compile(r"[\s\x00-\x1f\x7f/\\@;:%*?#\[\]<>\"']")
# What the resolver never asks anybody about; an interface may be called eth0.100.
_NUMERIC_HOST: Final = re.compile(r"(\d+|0[xX][0-9a-fA-F]*)(\.(\d+|0[xX][0-9a-fA-F]*))*")


@attrs.frozen
class TcpEndpoint:
    """A place on an IP network.

    ``str()`` gives the canonical endpoint: IPv6 in brackets and in its short form, numbers without
    leading zeros, ``*`` for a port that the system chooses.
    """

    #: A name, an address (IPv6 without brackets, with its ``%scope``), an interface; ``*`` is all.
    host: str
    #: ``None`` lets the system choose (bind only).
    port: int | None
    #: Where our own end of the connection is, if not left to the system (connect only).
    source: tuple[str, int] | None = None

    def __str__(self) -> str:
        """Return the canonical endpoint string."""
        origin = f"{host_and_port(*self.source)};" if self.source is not None else ""
        return f"tcp://{origin}{host_and_port(self.host, self.port)}"


@attrs.frozen
class IpcEndpoint:
    """A Unix-domain socket: a file, or a Linux abstract name, which vanishes with its listener."""

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

    #: Any text that is not empty.
    name: str

    def __str__(self) -> str:
        """Return the canonical endpoint string."""
        return f"inproc://{self.name}"


Endpoint: TypeAlias = TcpEndpoint | IpcEndpoint | InprocEndpoint


def parse_bind(endpoint: str) -> Endpoint:
    """Read an endpoint to listen on.

    Raises:
        TypeError: It is no ``str``.
        ValueError: It breaks the grammar above; the text says where and what is allowed.
    """
    scheme, address = _split(endpoint)
    if scheme == "inproc":
        return InprocEndpoint(address)
    if scheme == "ipc":
        return IpcEndpoint(None) if address == "*" else _parse_ipc(endpoint, address)
    if ";" in address:
        _refuse(endpoint, "a source address belongs to connect; bind takes tcp://host:port")
    host, port = _split_host_and_port(endpoint, address)
    return TcpEndpoint(
        "*" if host == "*" else _parse_host(endpoint, host), _parse_bind_port(endpoint, port)
    )


def parse_connect(endpoint: str) -> Endpoint:
    """Read an endpoint to connect to.

    Raises:
        TypeError: It is no ``str``.
        ValueError: It breaks the grammar above; the text says where and what is allowed.
    """
    scheme, address = _split(endpoint)
    if scheme == "inproc":
        return InprocEndpoint(address)
    if scheme == "ipc":
        if address == "*":
            _refuse(endpoint, "the wildcard * is for bind; connect to the endpoint bind returned")
        return _parse_ipc(endpoint, address)
    source, semicolon, target = address.rpartition(";")
    host, port = _split_host_and_port(endpoint, target)
    return TcpEndpoint(
        _parse_host(endpoint, host),
        _parse_port(endpoint, port, 1, _CONNECT_PORT),
        _parse_source(endpoint, source) if semicolon else None,
    )


def host_and_port(host: str, port: int | None) -> str:
    """Join the two as in an endpoint, IPv6 addresses in brackets."""
    shown = "*" if port is None else str(port)
    return f"[{host}]:{shown}" if ":" in host else f"{host}:{shown}"


def _refuse(endpoint: str, why: str) -> NoReturn:
    raise ValueError(f"endpoint {endpoint!r}: {why}")


def _split(endpoint: str) -> tuple[str, str]:
    if not isinstance(endpoint, str):
        raise TypeError(f"an endpoint is a str such as 'tcp://127.0.0.1:5555', not {endpoint!r}")
    scheme, separator, address = endpoint.partition("://")
    if not separator:
        _refuse(endpoint, f"there is no '://'; {_GRAMMAR}")
    if scheme not in ("tcp", "ipc", "inproc"):
        _refuse(endpoint, f"unknown transport {scheme!r}; {_GRAMMAR}")
    if not address:
        _refuse(endpoint, f"nothing follows '://'; {_GRAMMAR}")
    return scheme, address


# -- tcp --


def _split_host_and_port(endpoint: str, address: str) -> tuple[str, str]:
    """Split at the last colon; brackets around the host are allowed around any, needed by none."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        _refuse(endpoint, f"the port is missing in {address!r}; write tcp://host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if host == "*":
            _refuse(endpoint, "write the wildcard without brackets: tcp://*:port")
    if not host:
        _refuse(endpoint, "the host is missing; write tcp://host:port")
    return host, port


def _parse_host(endpoint: str, host: str) -> str:
    if host == "*":
        _refuse(endpoint, "the wildcard * is for bind; connect to a name or an address")
    if ":" in host:
        return _parse_ipv6(endpoint, host)
    if bad := _NOT_IN_A_NAME.search(host):
        _refuse(endpoint, f"{bad[0]!r} cannot be part of a host; {_GRAMMAR}")
    if _NUMERIC_HOST.fullmatch(host):
        return _parse_ipv4(endpoint, host)
    return host


def _parse_ipv6(endpoint: str, host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        _refuse(endpoint, f"{host!r} is no IPv6 address; write tcp://[address]:port")
    if address.scope_id is not None and (
        address.scope_id == "0" or _NOT_IN_A_NAME.search(address.scope_id)
    ):
        _refuse(endpoint, f"{address.scope_id!r} is no scope; give an interface: [fe80::1%eth0]")
    return str(address)


def _parse_ipv4(endpoint: str, host: str) -> str:
    """Normalise ``127.1`` and the like as the C library reads it; refuse ``1.2.3.256``."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        _refuse(endpoint, f"{host!r} is no IPv4 address; write four numbers from 0 to 255")


def _parse_port(endpoint: str, port: str, lowest: int, allowed: str) -> int:
    # int() would also take signs, spaces, underscores and other scripts' digits.
    if not (port.isascii() and port.isdigit() and len(port.lstrip("0")) <= 5):
        _refuse(endpoint, f"port {port!r}: {allowed}")
    number = int(port)
    if not lowest <= number <= 65535:
        _refuse(endpoint, f"port {port!r}: {allowed}")
    return number


def _parse_bind_port(endpoint: str, port: str) -> int | None:
    return None if port == "*" else _parse_port(endpoint, port, 0, _BIND_PORT) or None


def _parse_source(endpoint: str, source: str) -> tuple[str, int]:
    if ";" in source:
        _refuse(endpoint, "one ';' separates the source from the target; there are several")
    host, port = _split_host_and_port(endpoint, source)
    return (
        "*" if host == "*" else _parse_host(endpoint, host),
        _parse_port(endpoint, port, 0, _SOURCE_PORT),
    )


# -- ipc --


def _parse_ipc(endpoint: str, address: str) -> IpcEndpoint:
    abstract = address.startswith("@")
    path = address[1:] if abstract else address
    if not path:
        _refuse(endpoint, "an abstract name follows the @; write ipc://@name")
    if "\0" in path:
        _refuse(endpoint, "a path or name cannot contain a zero byte")
    if abstract and sys.platform != "linux":
        _refuse(endpoint, "abstract names exist on Linux only; write ipc://path")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        _refuse(endpoint, "the path has characters that the file system cannot encode")
    if size > MAX_IPC_PATH:
        _refuse(endpoint, f"the path is {size} bytes long; the system takes up to {MAX_IPC_PATH}")
    return IpcEndpoint(path, abstract)
