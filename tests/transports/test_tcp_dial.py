"""Dialling over tcp: who is reached, from where, and how it fails."""

from __future__ import annotations

import errno
import os
import re
import socket
import threading

import pytest
import trio
import trio.testing

from tests.transports.over_tcp import (
    V4,
    V6,
    Resolver,
    black_hole,
    connected,
    dial,
    listening,
    needs_ipv6,
    port_of,
)
from trio_mq import Options


async def test_nobody_there_is_refused_with_endpoint_and_address() -> None:
    """The text names what was asked for and what was tried."""
    async with listening("tcp://127.0.0.1:*") as place:
        port = port_of(place)
    text = f"cannot connect to tcp://localhost:{port}: .*127.0.0.1:{port}: "
    with pytest.raises(ConnectionRefusedError, match=text):
        await dial(f"tcp://localhost:{port}")


async def test_a_dead_first_address_is_passed_by_with_one_connection() -> None:
    """Of [dead IPv6, live IPv4] the live one answers, once."""
    Resolver([(V6, "::1"), (V4, "127.0.0.1")])
    async with (
        listening("tcp://127.0.0.1:*") as place,
        connected(place, f"tcp://both.example:{port_of(place)}") as (ours, _),
    ):
        assert ours.peer_address == f"127.0.0.1:{port_of(place)}"
        listener = place.listeners[0]._socket
        with pytest.raises(BlockingIOError):
            listener.accept()


@needs_ipv6
async def test_names_are_resolved_anew_at_every_dial() -> None:
    """A server that moved is found at its new address."""
    Resolver(
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        [(V4, "127.0.0.1")],
        [(V6, "::1")],
    )
    async with listening("tcp://*:*") as place:
        target = f"tcp://moving.example:{port_of(place)}"
        with pytest.raises(socket.gaierror, match="Temporary") as caught:
            await dial(target)
        assert caught.value.errno == socket.EAI_AGAIN
        for expected in ("127.0.0.1", "[::1]"):
            async with connected(place, target) as (ours, _):
                assert ours.peer_address == f"{expected}:{port_of(place)}"


async def test_an_address_named_twice_is_dialled_once() -> None:
    """Some resolvers repeat themselves."""
    Resolver([(V4, "127.0.0.1")] * 3)
    async with listening("tcp://127.0.0.1:*") as place:
        port = port_of(place)
    with pytest.raises(ConnectionRefusedError) as caught:
        await dial(f"tcp://twice.example:{port}")
    assert str(caught.value).count("127.0.0.1") == 1


async def test_an_empty_answer_of_the_resolver_is_an_error_too() -> None:
    """No address is no address, for both directions."""
    Resolver([], [])
    with pytest.raises(socket.gaierror, match="has no address"):
        await dial("tcp://empty.example:80")
    with pytest.raises(socket.gaierror, match="has no address"):
        async with listening("tcp://empty.example:*"):
            pass


@pytest.mark.parametrize("host", ["a..b", "ü" * 64, "-ü"])
async def test_a_name_that_cannot_exist_is_a_resolver_error(host: str) -> None:
    """Names beyond the rules of DNS never reach the resolver, and fail in the same way."""
    with pytest.raises(socket.gaierror, match=f"cannot connect to tcp://{host}:80: "):
        await dial(f"tcp://{host}:80")


async def test_without_ipv6_an_ipv6_address_is_refused_and_a_name_gives_ipv4() -> None:
    """The error names the option."""
    options = Options(ipv6=False)
    with pytest.raises(socket.gaierror, match="ipv6=False"):
        await dial("tcp://[::1]:80", options)
    async with (
        listening("tcp://*:*") as place,
        connected(place, f"tcp://localhost:{port_of(place)}", options) as (ours, _),
    ):
        assert ours.peer_address == f"127.0.0.1:{port_of(place)}"


async def test_a_connection_to_itself_is_refused() -> None:
    """TCP joins a port that dials itself; nobody listens there, and so we say."""
    async with listening("tcp://127.0.0.1:*") as place:
        port = port_of(place)
    with pytest.raises(ConnectionRefusedError, match="connected to itself"):
        await dial(f"tcp://127.0.0.1:{port};127.0.0.1:{port}")


@pytest.mark.parametrize("source", ["127.0.0.2:0", "lo:0", "localhost:0", "*:0"])
async def test_a_source_address_is_where_the_connection_starts(source: str) -> None:
    """An address, an interface, a name, or none in particular."""
    expected = "127.0.0.2:" if source == "127.0.0.2:0" else "127.0.0.1:"
    async with listening("tcp://127.0.0.1:*") as place:
        target = f"tcp://{source};127.0.0.1:{port_of(place)}"
        async with connected(place, target) as (_, theirs):
            assert theirs.peer_address.startswith(expected)


async def test_one_source_port_serves_connections_to_several_places() -> None:
    """As with libzmq, the source port is not used up by the first."""
    async with listening("tcp://127.0.0.1:*") as first, listening("tcp://127.0.0.1:*") as second:
        async with connected(first, f"tcp://*:0;127.0.0.1:{port_of(first)}") as (ours, _):
            source = ours.local_address.rpartition(":")[2]
        async with (
            connected(first, f"tcp://127.0.0.3:{source};127.0.0.1:{port_of(first)}") as (one, _),
            connected(second, f"tcp://127.0.0.3:{source};127.0.0.1:{port_of(second)}") as (two, _),
        ):
            assert one.local_address == two.local_address == f"127.0.0.3:{source}"


async def test_a_source_of_another_family_cannot_be_used() -> None:
    """The error names both."""
    with pytest.raises(OSError, match=r"\[::1\]:0 is of another address family"):
        await dial("tcp://[::1]:0;127.0.0.1:80")


DIAL_ERRORS = [
    "ENOBUFS",
    "ENOMEM",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ETIMEDOUT",
    "EADDRNOTAVAIL",
    "EACCES",
]


@pytest.mark.parametrize("name", DIAL_ERRORS)
async def test_an_error_of_connect_keeps_its_class_and_names_the_endpoint(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the system says, the next attempt is a matter of time, and the socket is closed."""
    code = getattr(errno, name)
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: code)
    with pytest.raises(type(OSError(code, "")), match=r"cannot connect to tcp://127\.0\.0\.1:80: "):
        await dial("tcp://127.0.0.1:80")


async def test_a_lack_of_descriptors_is_an_error_of_that_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not even come to a socket."""

    class Scarce(socket.socket):
        def __init__(self, *_: object) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Scarce)
        with pytest.raises(OSError, match=r"cannot connect to tcp://127\.0\.0\.1:80: ") as caught:
            await dial("tcp://127.0.0.1:80")
    assert caught.value.errno == errno.EMFILE


async def test_an_address_that_never_answers_ends_with_the_connect_timeout() -> None:
    """The time is in the text."""
    with black_hole() as endpoint:
        text = re.escape(f"cannot connect to {endpoint}: no answer within 0.05 s")
        with pytest.raises(TimeoutError, match=text) as caught:
            await dial(endpoint, Options(connect_timeout=0.05))
        assert caught.value.errno == errno.ETIMEDOUT


async def test_a_cancelled_dial_leaves_no_connection() -> None:
    """It ends where it waits; the descriptor is closed, as the guard around every test checks."""
    with black_hole() as endpoint:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, endpoint, Options(connect_timeout=None))
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
        assert nursery.cancel_scope.cancelled_caught


async def test_a_blocked_resolver_is_left_behind_by_a_cancelled_dial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread is stuck in the C library; the caller is not."""
    asked, answer = threading.Event(), threading.Event()

    def getaddrinfo(*arguments: int, **_: object) -> list[object]:
        if arguments[5] & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        asked.set()
        answer.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial, "tcp://slow.example:80")
        await trio.to_thread.run_sync(asked.wait)
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught
    answer.set()
