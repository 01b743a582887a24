"""From names to addresses: the resolver, interface names, and addresses as text.

Names are resolved again in every call, in a worker thread of trio's; a call that is cancelled
returns at once and leaves the thread to finish by itself.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import trio

from .endpoint import host_and_port

#: What the socket module takes for IPv4 and IPv6: host, port, and for IPv6 flow and scope.
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

# The ioctl(2) that asks an interface for its IPv4 address.
_SIOCGIFADDR: Final = 0xC0206921 if sys.platform == "darwin" else 0x8915


@attrs.frozen
class Address:
    """One address of one family, as the kernel takes it."""

    family: socket.AddressFamily
    address: SocketAddress

    @classmethod
    def wildcard(cls, family: socket.AddressFamily, port: int) -> Address:
        """Return every address of a family."""
        if family == socket.AF_INET6:
            return cls(family, ("::", port, 0, 0))
        return cls(family, ("0.0.0.0", port))  # noqa: S104 (that is what * means)

    def with_port(self, port: int) -> Address:
        """Return the same place with another port."""
        if len(self.address) == 2:
            return Address(self.family, (self.address[0], port))
        host, _, flow, scope = self.address
        return Address(self.family, (host, port, flow, scope))

    def __str__(self) -> str:
        """Show host and port."""
        return show(self.address)


async def resolve(host: str, port: int, *, ipv6: bool, interfaces: bool = False) -> list[Address]:
    """Return the addresses of a name or address, in the resolver's order, each once.

    Args:
        host: A host name, an IPv4 or IPv6 address.
        port: The port that each of them gets.
        ipv6: Whether IPv6 addresses are wanted.
        interfaces: Whether it may be the name of a network interface, as for our own end.

    Raises:
        socket.gaierror: The name has no address of a wanted family, or nobody could be asked.
    """
    if interfaces and (own := interface_address(host, port, ipv6=ipv6)) is not None:
        return [own]
    if ":" in host and not ipv6:
        raise socket.gaierror(
            socket.EAI_FAMILY, f"{host} is an IPv6 address, and ipv6=False excludes those"
        )
    family = socket.AF_UNSPEC if ipv6 else socket.AF_INET
    no_interface = (
        f", nor an interface (there are {', '.join(_interfaces())})" if interfaces else ""
    )
    try:
        found = await trio.socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except UnicodeError as error:
        # A label that is empty, too long or of forbidden characters never reaches the resolver.
        raise socket.gaierror(
            socket.EAI_NONAME, f"{host!r} is not a host name{no_interface}: {error}"
        ) from error
    except socket.gaierror as error:
        reason = error.strerror or str(error)
        address, _, scope = host.partition("%")
        if scope and ":" in address:
            raise socket.gaierror(
                error.errno,
                f"{scope!r}, behind {address}, is no interface here (there are "
                f"{', '.join(_interfaces())})",
            ) from error
        raise socket.gaierror(
            error.errno, f"{host!r} is not a name that has an address{no_interface}: {reason}"
        ) from error
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no address")
    # Any: type stubs know one more form of address, for Pythons that were built without IPv6.
    addresses: list[tuple[socket.AddressFamily, Any]] = [(entry[0], entry[4]) for entry in found]
    return list(dict.fromkeys(Address(*address) for address in addresses))


def interface_address(name: str, port: int, *, ipv6: bool) -> Address | None:
    """Return the address of a network interface: IPv4, else its first IPv6; ``None`` if neither."""
    if name not in _interfaces():
        return None
    try:
        return Address(socket.AF_INET, (_ipv4_of(name), port))
    except (ImportError, OSError):
        return _ipv6_of(name, port) if ipv6 else None


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def _ipv4_of(interface: str) -> str:
    import fcntl  # noqa: PLC0415  # only Unix has it

    request = struct.pack("16s16x", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _SIOCGIFADDR, request)
    return socket.inet_ntoa(answer[20:24])


def _ipv6_of(interface: str, port: int) -> Address | None:
    """Look where Linux lists them, since the ioctl(2) knows IPv4 only."""
    try:
        table = Path("/proc/net/if_inet6").read_text(encoding="ascii")
    except OSError:
        return None
    for digits, index, *_, name in map(str.split, table.splitlines()):
        if name == interface:
            host = str(ipaddress.IPv6Address(int(digits, 16)))
            scope = int(index, 16) if host.startswith("fe80:") else 0
            return Address(socket.AF_INET6, (host, port, 0, scope))
    return None


def show(address: SocketAddress) -> str:
    """Return an address as people write it: IPv6 in brackets, IPv4 behind IPv6 as IPv4."""
    host, port = address[:2]
    host = unmapped(host)
    if len(address) == 4 and address[3] and ":" in host and "%" not in host:
        host = f"{host}%{_interface(address[3])}"
    return host_and_port(host, port)


def unmapped(host: str) -> str:
    """Return the IPv4 address that a dual-stack socket shows as ``::ffff:1.2.3.4``."""
    return host[7:] if host.lower().startswith("::ffff:") and "." in host else host


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
