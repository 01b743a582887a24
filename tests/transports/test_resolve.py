"""Addresses: as text, of interfaces, and from names."""

from __future__ import annotations

import errno
import socket

import pytest

from trio_mq._transports import resolve as resolving
from trio_mq._transports.failure import attempting
from trio_mq._transports.resolve import Address, SocketAddress, interface_address, resolve, show


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("127.0.0.1", 80), "127.0.0.1:80"),
        (("::1", 80, 0, 0), "[::1]:80"),
        (("::ffff:192.0.2.1", 80, 0, 0), "192.0.2.1:80"),
        (("::FFFF:192.0.2.1", 80, 0, 0), "192.0.2.1:80"),
        (("::ffff:1:2", 80, 0, 0), "[::ffff:1:2]:80"),
        (("fe80::1", 80, 0, socket.if_nametoindex("lo")), "[fe80::1%lo]:80"),
        (("fe80::1%lo", 80, 0, socket.if_nametoindex("lo")), "[fe80::1%lo]:80"),
        (("fe80::1", 80, 0, 2**31 - 1), f"[fe80::1%{2**31 - 1}]:80"),
    ],
)
def test_an_address_is_shown_as_it_would_be_written(address: SocketAddress, shown: str) -> None:
    """IPv6 in brackets and with its interface, IPv4 plain wherever it came from."""
    assert show(address) == shown


def test_an_address_keeps_its_place_with_another_port() -> None:
    """Scope and family stay."""
    place = Address(socket.AF_INET6, ("fe80::1", 1, 0, 7)).with_port(2)
    assert place == Address(socket.AF_INET6, ("fe80::1", 2, 0, 7))
    assert Address.wildcard(socket.AF_INET, 1).with_port(2).address[1] == 2


def test_an_interface_has_its_ipv4_address_or_else_its_first_ipv6_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with libzmq, IPv4 comes first; a name of no interface is somebody else's business."""
    assert interface_address("lo", 80, ipv6=True) == Address(socket.AF_INET, ("127.0.0.1", 80))
    assert interface_address("no-such", 80, ipv6=True) is None

    def no_ipv4(_: str) -> str:
        raise OSError(errno.EADDRNOTAVAIL, "no address")

    monkeypatch.setattr(resolving, "_ipv4_of", no_ipv4)
    expected = Address(socket.AF_INET6, ("::1", 80, 0, 0))
    assert interface_address("lo", 80, ipv6=True) in (expected, None)  # None: no IPv6 here
    assert interface_address("lo", 80, ipv6=False) is None


async def test_a_name_gives_each_address_once() -> None:
    """Duplicates would be dialled twice."""
    found = await resolve("localhost", 80, ipv6=True)
    assert found
    assert len(found) == len(set(found))
    assert {address.address[1] for address in found} == {80}


async def test_a_scope_is_resolved_to_its_number() -> None:
    """The kernel wants the interface's index, and the text is the name again."""
    found = await resolve("fe80::1%lo", 80, ipv6=True)
    assert [address.address[2:] for address in found] == [(0, socket.if_nametoindex("lo"))]
    assert str(found[0]) == "[fe80::1%lo]:80"
    with pytest.raises(socket.gaierror):
        await resolve("fe80::1%no-such", 80, ipv6=True)


async def test_an_explained_error_keeps_its_class_number_and_cause() -> None:
    """Also those of the resolver, whose numbers mean something else, and those of no number."""
    for error in (
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        socket.gaierror(socket.EAI_NONAME, "unknown"),
        OSError("no number"),
    ):
        with (
            pytest.raises(type(error), match="cannot do it: ") as caught,
            attempting("cannot do it"),
        ):
            raise error
        assert caught.value.errno == error.errno
        assert caught.value.__cause__ is error
