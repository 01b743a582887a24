"""Listening on tcp: every address that an endpoint means, on one port, or none."""

from __future__ import annotations

import errno
import os
import re
import socket

import pytest

from tests.transports.over_tcp import (
    V4,
    V6,
    Resolver,
    connected,
    dial,
    listening,
    needs_ipv6,
    port_of,
)
from trio_mq import Options
from trio_mq._transports import tcp
from trio_mq._transports.resolve import Address


@pytest.mark.parametrize(
    ("endpoint", "resolved", "targets"),
    [
        ("tcp://*:*", "tcp://0.0.0.0:", ["127.0.0.1", "localhost"]),
        pytest.param("tcp://*:0", "tcp://0.0.0.0:", ["127.0.0.1", "[::1]"], marks=needs_ipv6),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:", ["127.0.0.1", "localhost"]),
        pytest.param("tcp://[::1]:*", "tcp://[::1]:", ["[::1]"], marks=needs_ipv6),
        pytest.param("tcp://[::]:*", "tcp://[::]:", ["[::1]", "127.0.0.1"], marks=needs_ipv6),
        ("tcp://0.0.0.0:*", "tcp://0.0.0.0:", ["127.0.0.1"]),
        ("tcp://localhost:*", "tcp://127.0.0.1:", ["localhost"]),
        ("tcp://lo:*", "tcp://127.0.0.1:", ["127.0.0.1"]),
    ],
)
async def test_a_bound_endpoint_is_resolved_and_reached(
    endpoint: str, resolved: str, targets: list[str]
) -> None:
    """Every address that the endpoint means leads to it, the resolved one first of all."""
    async with listening(endpoint) as place:
        assert re.fullmatch(re.escape(resolved) + r"[1-9]\d*", place.endpoint)
        for target in [place.endpoint, *(f"tcp://{host}:{port_of(place)}" for host in targets)]:
            async with connected(place, target) as (ours, theirs):
                assert ours.try_write((b"hello",)) == 5
                assert await theirs.receive_some(100) == b"hello"


async def test_an_explicit_port_is_resolved_to_itself() -> None:
    """What was written is what one connects to, and unbinds."""
    async with listening("tcp://127.0.0.1:*") as place:
        endpoint = place.endpoint
    async with listening(endpoint) as place:
        assert place.endpoint == endpoint


@needs_ipv6
async def test_without_ipv6_nothing_listens_there() -> None:
    """The option holds for the wildcard."""
    async with listening("tcp://*:*", Options(ipv6=False)) as place:
        assert len(place.listeners) == 1
        with pytest.raises(ConnectionRefusedError):
            await dial(f"tcp://[::1]:{port_of(place)}")


@needs_ipv6
async def test_addresses_are_shown_as_people_write_them() -> None:
    """IPv4 behind a dual-stack socket is IPv4; each side's peer is the other's own end."""
    async with listening("tcp://[::]:*") as place:
        async with connected(place, f"tcp://127.0.0.1:{port_of(place)}") as (ours, theirs):
            assert theirs.local_address == ours.peer_address == f"127.0.0.1:{port_of(place)}"
            assert theirs.peer_address == ours.local_address
            assert theirs.peer_address.startswith("127.0.0.1:")
        async with connected(place, f"tcp://[::1]:{port_of(place)}") as (ours, theirs):
            assert theirs.local_address == ours.peer_address == f"[::1]:{port_of(place)}"


@needs_ipv6
async def test_a_name_is_bound_on_every_address_on_one_port() -> None:
    """The resolved endpoint is the IPv4 one, which everybody can connect to."""
    Resolver([(V6, "::1"), (V4, "127.0.0.1")])
    async with listening("tcp://both.example:*") as place:
        assert len(place.listeners) == 2
        for host in ("127.0.0.1", "[::1]"):
            async with connected(place, f"tcp://{host}:{port_of(place)}"):
                pass
        assert place.endpoint.startswith("tcp://127.0.0.1:")


@needs_ipv6
async def test_a_port_in_use_is_refused_and_nothing_is_left_listening() -> None:
    """One family in use is enough to refuse both, and the other is free again."""
    async with listening("tcp://127.0.0.1:*") as taken:
        endpoint = f"tcp://*:{port_of(taken)}"
        with pytest.raises(OSError, match=re.escape(f"cannot listen on {endpoint}: ")) as caught:
            async with listening(endpoint):
                pass
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(ConnectionRefusedError):
            await dial(f"tcp://[::1]:{port_of(taken)}")


async def test_a_port_is_free_again_at_once_after_its_connections() -> None:
    """The kernel remembers closed connections for a minute, which must not delay a restart."""
    async with listening("tcp://127.0.0.1:*") as place:
        async with connected(place, place.endpoint) as (ours, theirs):
            await theirs.aclose()  # who closes first is remembered
            assert await ours.receive_some(1) == b""
        endpoint = place.endpoint
    async with listening(endpoint) as place:
        assert place.endpoint == endpoint


async def test_several_listeners_may_share_a_port_if_all_want_to() -> None:
    """With reuse_port the second bind succeeds; without it the third does not."""
    sharing = Options(reuse_port=True)
    async with listening("tcp://127.0.0.1:*", sharing) as first:
        async with listening(first.endpoint, sharing) as second:
            assert second.endpoint == first.endpoint
        with pytest.raises(OSError, match="in use"):
            async with listening(first.endpoint):
                pass


@pytest.mark.parametrize("name", ["EADDRNOTAVAIL", "EACCES", "EADDRINUSE", "ENOBUFS", "ENOMEM"])
async def test_an_error_of_bind_keeps_its_class_and_names_the_endpoint(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs look at the number, people at the text."""
    code = getattr(errno, name)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(type(OSError(code, "")), match=r"cannot listen on tcp://\*:80: ") as caught:
        async with listening("tcp://*:80"):
            pass
    assert caught.value.errno == code


async def test_an_address_of_somebody_else_cannot_be_bound() -> None:
    """The system refuses it, in its own words."""
    with pytest.raises(OSError, match=re.escape("tcp://203.0.113.7:*")) as caught:
        async with listening("tcp://203.0.113.7:*"):
            pass
    assert caught.value.errno == errno.EADDRNOTAVAIL


def failing_bind(
    monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily, code: int, times: int
) -> list[int]:
    """Make bind fail for a family this many times; return the ports that were tried with it."""
    real = tcp._bound_socket
    ports: list[int] = []

    def bound(address: Address, options: Options, *, dual_stack: bool) -> socket.socket:
        if address.family != family:
            return real(address, options, dual_stack=dual_stack)
        ports.append(address.address[1])
        if len(ports) <= times:
            raise OSError(code, os.strerror(code))
        return real(address, options, dual_stack=dual_stack)

    monkeypatch.setattr(tcp, "_bound_socket", bound)
    return ports


async def test_another_port_is_chosen_if_the_first_is_taken_in_the_other_family(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system chooses for one family only; so we ask again."""
    ports = failing_bind(monkeypatch, V4, errno.EADDRINUSE, times=2)
    async with listening("tcp://*:*") as place:
        assert len(ports) == 3
        assert ports[-1] == port_of(place)
        assert len(place.listeners) == 2


async def test_the_search_for_a_port_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host without free ports it is an error, not a loop."""
    failing_bind(monkeypatch, V4, errno.EADDRINUSE, times=1000)
    with pytest.raises(OSError, match="in use"):
        async with listening("tcp://*:*"):
            pass


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_a_host_without_ipv6_listens_on_ipv4(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way the system says so; but an address asked for by itself is an error."""
    failing_bind(monkeypatch, V6, code, times=1000)
    async with listening("tcp://*:*") as place:
        assert len(place.listeners) == 1
        async with connected(place, place.endpoint):
            pass
    with pytest.raises(OSError, match=re.escape("tcp://[::1]:*")) as caught:
        async with listening("tcp://[::1]:*"):
            pass
    assert caught.value.errno == code


async def test_a_name_without_address_cannot_be_bound() -> None:
    """It is the resolver's own class of error, with the endpoint in the text."""
    Resolver(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    with pytest.raises(
        socket.gaierror,
        match=r"on tcp://nobody\.example:80: .* nor an interface \(there are .*lo.*: Name",
    ):
        async with listening("tcp://nobody.example:80"):
            pass
