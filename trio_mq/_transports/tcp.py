"""tcp: dialling whichever address of a host answers first, and listening on all that are meant.

trio's ``open_tcp_stream`` dials as well, but has no room for what must happen between
``socket()`` and ``connect()``: buffer sizes (the window is negotiated there) and a source port.

A wildcard bind listens on ``[::]`` and ``0.0.0.0`` as two sockets on one port, rather than on one
that serves both: IPv4 peers then look like IPv4, and hosts without IPv6 are no special case. The
endpoint it returns is ``tcp://0.0.0.0:port``, since libzmq cannot connect to ``[::]``.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import sys
from collections.abc import Sequence
from typing import Final

import trio

from trio_mq._options import Options

from . import kernel_socket, system
from .endpoint import TcpEndpoint
from .failure import attempting
from .happy_eyeballs import race
from .kernel_view import Patience, set_user_timeout
from .listener import Acceptors, Listener, Wrap
from .resolve import Address, SocketAddress, resolve, show
from .stream import SocketStream

# Attempts to find a port that is free on every address to listen on.
_PORT_ATTEMPTS: Final = 32
# Linux's number; not every version of the socket module has the name.
_IP_BIND_ADDRESS_NO_PORT: Final = 24
# Seconds of silence before the first keep-alive probe; macOS has another name for it.
_TCP_KEEPIDLE: Final[int] = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", 4))
# The kernel refuses larger numbers (tcp(7)), and nine hours are enough to wait for a dead peer.
_LONGEST_KEEPALIVE: Final = 32767
_MOST_KEEPALIVES: Final = 127
# What is set on a listening socket holds for those that it accepts, so it costs nothing for each.
_INHERITED: Final = sys.platform == "linux"
# What bind() says to an IPv6 address on a host that has no IPv6.
_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


# -- dial --


async def dial(endpoint: TcpEndpoint, options: Options) -> SocketStream:
    """Make one attempt to connect, over all addresses of the host.

    The host is resolved again each time. Cancelled, it returns at once and leaves no connection.

    Args:
        endpoint: From `parse_connect`.
        options: ``connect_timeout`` bounds the attempt as a whole, name resolution included.

    Raises:
        socket.gaierror: The host, or the source, has no address.
        TimeoutError: ``connect_timeout`` passed, or the system's own patience ended.
        OSError: No address answered: the first failure's class, every failure in the text.
    """
    with attempting(f"cannot connect to {endpoint}", seconds=options.connect_timeout):
        return await _dial(endpoint, options)


async def _dial(endpoint: TcpEndpoint, options: Options) -> SocketStream:
    if endpoint.port is None:
        raise ValueError(f"{endpoint} has no port to connect to")
    sources = await _resolve_source(endpoint, options)
    targets = await resolve(endpoint.host, endpoint.port, ipv6=options.ipv6)

    async def attempt(target: Address) -> socket.socket:
        with attempting(str(target)):
            return await _connect(target, sources, options)

    sock = await race(targets, attempt)
    try:
        return dialled(options, sock)
    except BaseException:
        sock.close()
        raise


async def _resolve_source(endpoint: TcpEndpoint, options: Options) -> list[Address] | None:
    """Return where to start from, by family; ``None`` leaves it to the system."""
    if endpoint.source is None:
        return None
    host, port = endpoint.source
    if host != "*":
        return await resolve(host, port, ipv6=options.ipv6, interfaces=True)
    return _everywhere(port, ipv6=options.ipv6)


async def _connect(
    target: Address, sources: Sequence[Address] | None, options: Options
) -> socket.socket:
    sock = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        kernel_socket.set_buffers(sock, options)
        if sources is not None:
            _bind_source(sock, _source_for(target, sources))
        await kernel_socket.connect(sock, target.address)
        _refuse_self(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _refuse_self(sock: socket.socket) -> None:
    """Refuse a connection to itself: the system chose the dialled port for our own end."""
    if sock.getsockname() == sock.getpeername():
        raise OSError(errno.ECONNREFUSED, "connected to itself, as nobody listens there")


def _source_for(target: Address, sources: Sequence[Address]) -> Address:
    for source in sources:
        if source.family == target.family:
            return source
    shown = ", ".join(map(str, sources))
    raise OSError(errno.EAFNOSUPPORT, f"the source {shown} is of another address family")


def _bind_source(sock: socket.socket, source: Address) -> None:
    if source.address[1]:
        # Connections to several places may start from one port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    elif sys.platform == "linux":
        # Without it bind() would reserve one of the few ports for this connection alone.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind(source.address)


# -- listen --


async def listen(
    endpoint: TcpEndpoint, options: Options, *, wrap: Wrap | None = None
) -> Acceptors[Listener]:
    """Listen on every address that the endpoint means, on one port.

    Args:
        endpoint: From `parse_bind`.
        options: Of these, buffers, backlog, keep-alive, ``ipv6`` and ``reuse_port``.
        wrap: Makes the stream of an accepted socket, if it is not to be tcp alone.

    Raises:
        socket.gaierror: The host has no address.
        OSError: An address is in use (``EADDRINUSE``), not ours (``EADDRNOTAVAIL``) or not
            allowed (``EACCES``); nothing is left listening.
    """
    with attempting(f"cannot listen on {endpoint}"):
        addresses = await _addresses_to_bind(endpoint, options)
        sockets = _listen_on_one_port(addresses, options)
    wrap = wrap or functools.partial(accepted, options)
    where = f"{endpoint.scheme}://{_resolved(sockets)}"
    return Acceptors(where, tuple(Listener(sock, wrap) for sock in sockets))


async def _addresses_to_bind(endpoint: TcpEndpoint, options: Options) -> list[Address]:
    port = endpoint.port or 0
    if endpoint.host != "*":
        return await resolve(endpoint.host, port, ipv6=options.ipv6, interfaces=True)
    await trio.lowlevel.checkpoint()
    return _everywhere(port, ipv6=options.ipv6)


def _everywhere(port: int, *, ipv6: bool) -> list[Address]:
    families = [socket.AF_INET6, socket.AF_INET] if ipv6 else [socket.AF_INET]
    return [Address.wildcard(family, port) for family in families]


def _listen_on_one_port(addresses: Sequence[Address], options: Options) -> list[socket.socket]:
    """Listen on all; where the system chooses the port, until it chose one that is free on all."""
    any_port = addresses[0].address[1] == 0
    for _ in range(_PORT_ATTEMPTS - 1 if any_port else 0):
        try:
            return _listen_on(addresses, options)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _listen_on(addresses, options)


def _listen_on(addresses: Sequence[Address], options: Options) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        _bind_all(addresses, options, sockets)
        # Only now, so that nobody gets in through one half of a bind whose other half fails.
        for sock in sockets:
            kernel_socket.listen(sock, options)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_all(addresses: Sequence[Address], options: Options, sockets: list[socket.socket]) -> None:
    """Append a bound socket for each address; IPv6 ones may fail where the host has no IPv6."""
    unusable: list[OSError] = []
    for address in addresses:
        # The first socket's port is the port of all.
        place = address.with_port(sockets[0].getsockname()[1]) if sockets else address
        try:
            sockets.append(_bound_socket(place, options, dual_stack=len(addresses) == 1))
        except OSError as error:
            if address.family != socket.AF_INET6 or error.errno not in _NO_IPV6:
                raise
            unusable.append(error)
    if not sockets:
        raise unusable[0]


def _bound_socket(address: Address, options: Options, *, dual_stack: bool) -> socket.socket:
    """Return a bound socket; an explicit ``[::]`` serves IPv4 as well, as with libzmq."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        kernel_socket.set_buffers(sock, options)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.reuse_port:
            system.share_port(sock)
        if address.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        sock.bind(address.address)
        if _INHERITED:
            _set_options(sock, options)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolved(sockets: Sequence[socket.socket]) -> str:
    """Return the address to connect to: IPv4 where there is a choice, since everybody has that."""
    best = next((sock for sock in sockets if sock.family == socket.AF_INET), sockets[0])
    return show(best.getsockname())


# -- both --


def accepted(options: Options, sock: socket.socket, peer: SocketAddress) -> SocketStream:
    """Return the stream of a socket that was accepted with these options."""
    if not _INHERITED:
        _set_options(sock, options)
    return _stream(options, sock, peer)


def dialled(options: Options, sock: socket.socket) -> SocketStream:
    """Return the stream of a socket that has been connected."""
    _set_options(sock, options)
    return _stream(options, sock, sock.getpeername())


def _stream(options: Options, sock: socket.socket, peer: SocketAddress) -> SocketStream:
    seconds = patience_of(options)
    return SocketStream(
        sock,
        local_address=show(sock.getsockname()),
        peer_address=show(peer),
        patience=None if seconds is None else Patience(seconds),
    )


def _set_options(sock: socket.socket, options: Options) -> None:
    # A connection that is reset by now may refuse them; the first read will tell.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _set_keepalive(sock, options)
        seconds = patience_of(options)
        if seconds is not None:
            # Keep-alive is for idle connections; this is for those with data on the way.
            set_user_timeout(sock, seconds)


def patience_of(options: Options) -> float | None:
    """Return after how many seconds without an acknowledgement a host counts as vanished."""
    if not options.tcp_keepalive:
        return None
    idle, interval, count = _keepalive_times(options)
    return idle + interval * count


def _keepalive_times(options: Options) -> tuple[int, int, int]:
    return (
        min(options.tcp_keepalive_idle, _LONGEST_KEEPALIVE),
        min(options.tcp_keepalive_interval, _LONGEST_KEEPALIVE),
        min(options.tcp_keepalive_count, _MOST_KEEPALIVES),
    )


def _set_keepalive(sock: socket.socket, options: Options) -> None:
    if not options.tcp_keepalive:
        return
    idle, interval, count = _keepalive_times(options)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, _TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
