"""What the options of a tcp connection do to the kernel's socket, at both ends."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.transports.over_tcp import connected, listening
from trio_mq import Options
from trio_mq._transports.listener import Listener
from trio_mq._transports.stream import ByteStream, SocketStream


def option(stream: ByteStream, level: int, name: int) -> int:
    """Read a socket option of a stream."""
    assert isinstance(stream, SocketStream)
    return stream._socket.getsockopt(level, name)


async def test_both_ends_send_at_once_and_find_vanished_hosts() -> None:
    """TCP_NODELAY always; keep-alive probes as the options say."""
    options = Options(tcp_keepalive_idle=7, tcp_keepalive_interval=8, tcp_keepalive_count=9)
    async with (
        listening("tcp://*:*", options) as place,
        connected(place, place.endpoint, options) as ends,
    ):
        for stream in ends:
            assert option(stream, socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert option(stream, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
            assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 8
            assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 9
            if sys.platform == "linux":
                # 7 and 9 times 8 seconds, also for data that is on the way.
                assert option(stream, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 79_000


async def test_keepalive_can_be_left_off() -> None:
    """For links that cost by the packet."""
    options = Options(tcp_keepalive=False)
    async with (
        listening("tcp://*:*", options) as place,
        connected(place, place.endpoint, options) as ends,
    ):
        for stream in ends:
            assert option(stream, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
            if sys.platform == "linux":
                assert option(stream, socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


async def test_buffer_sizes_reach_both_ends() -> None:
    """Linux doubles what it is told, for its own book-keeping."""
    options = Options(send_buffer=20_000, receive_buffer=30_000)
    async with (
        listening("tcp://*:*", options) as place,
        connected(place, place.endpoint, options) as ends,
    ):
        for stream in ends:
            assert option(stream, socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000
            assert option(stream, socket.SOL_SOCKET, socket.SO_RCVBUF) == 60_000


async def test_absurd_sizes_and_times_are_cut_to_what_the_kernel_takes() -> None:
    """They are no error of a later connection, and don't keep other options from being set."""
    absurd = Options(
        send_buffer=2**40,
        receive_buffer=2**40,
        backlog=2**40,
        tcp_keepalive_idle=2**40,
        tcp_keepalive_interval=2**40,
        tcp_keepalive_count=2**40,
    )
    async with (
        listening("tcp://*:*", absurd) as place,
        connected(place, place.endpoint, absurd) as ends,
    ):
        for stream in ends:
            assert option(stream, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 127


async def test_so_many_wait_in_the_kernel_as_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more: a flood that we don't accept costs nothing here."""
    told = list[int]()
    listen = socket.socket.listen

    def noting(sock: socket.socket, backlog: int) -> None:
        told.append(backlog)
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", noting)
    async with listening("tcp://*:*", Options(backlog=17)) as place:
        assert told == [17] * len(place.listeners)


async def test_no_child_process_inherits_a_descriptor() -> None:
    """Listeners and connections are closed in programs that we start."""
    async with listening("tcp://*:*") as place, connected(place, place.endpoint) as ends:
        for owner in (*ends, *place.listeners):
            assert isinstance(owner, (SocketStream, Listener))
            assert not owner._socket.get_inheritable()
