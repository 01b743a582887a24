"""tcp over real sockets: who is reached, under which name, and how it fails."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
import trio.testing

from trio_mq._options import Options
from trio_mq._transports import tcp
from trio_mq._transports.endpoint import TcpEndpoint, parse_bind, parse_connect
from trio_mq._transports.listener import Listener, Listening
from trio_mq._transports.resolve import Address
from trio_mq._transports.stream import ByteStream, SocketStream

OPTIONS = Options()


async def dial(endpoint: str, options: Options = OPTIONS) -> SocketStream:
    """Dial an endpoint given as text."""
    parsed = parse_connect(endpoint)
    assert isinstance(parsed, TcpEndpoint)
    return await tcp.dial(parsed, options)


@contextlib.asynccontextmanager
async def listening(endpoint: str, options: Options = OPTIONS) -> AsyncIterator[Listening]:
    """Listen on an endpoint given as text, for a while."""
    parsed = parse_bind(endpoint)
    assert isinstance(parsed, TcpEndpoint)
    found = await tcp.listen(parsed, options)
    try:
        yield found
    finally:
        found.close()


async def accept_from_any(place: Listening) -> ByteStream:
    """Accept one connection, on whichever of the listeners it comes."""
    accepted: list[ByteStream] = []

    async def accept(listener: Listener) -> None:
        accepted.append(await listener.accept())
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for listener in place.listeners:
            nursery.start_soon(accept, listener)
    return accepted[0]


@contextlib.asynccontextmanager
async def connected(
    place: Listening, target: str, options: Options = OPTIONS
) -> AsyncIterator[tuple[SocketStream, ByteStream]]:
    """Dial, accept, and close both ends at the end."""
    ours = await dial(target, options)
    theirs = await accept_from_any(place)
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


def port_of(place: Listening) -> int:
    """Return the port that was chosen."""
    return int(place.endpoint.rpartition(":")[2])


class Resolver(trio.abc.HostnameResolver):
    """A name service of the test's own: the answers, one per question."""

    def __init__(self, *answers: list[tuple[socket.AddressFamily, str]] | OSError) -> None:
        self.answers = list(answers)
        trio.socket.set_custom_hostname_resolver(self)

    async def getaddrinfo(  # type: ignore[override]  # the parent's types say too much
        self, _host: object, port: int, *_: object
    ) -> list[tuple[object, ...]]:
        """Give the next answer."""
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return [
            (family, socket.SOCK_STREAM, 6, "", (host, port, 0, 0)[: 2 if "." in host else 4])
            for family, host in answer
        ]

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        """Not asked for."""
        raise NotImplementedError


V4, V6 = socket.AF_INET, socket.AF_INET6


# -- listening --


@pytest.mark.parametrize(
    ("endpoint", "resolved", "targets"),
    [
        ("tcp://*:*", "tcp://0.0.0.0:", ["127.0.0.1", "[::1]", "localhost"]),
        ("tcp://*:0", "tcp://0.0.0.0:", ["127.0.0.1", "[::1]"]),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:", ["127.0.0.1", "localhost"]),
        ("tcp://[::1]:*", "tcp://[::1]:", ["[::1]"]),
        ("tcp://[::]:*", "tcp://[::]:", ["[::1]", "127.0.0.1"]),
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


async def test_without_ipv6_nothing_listens_there() -> None:
    """The option holds for the wildcard."""
    async with listening("tcp://*:*", Options(ipv6=False)) as place:
        assert len(place.listeners) == 1
        with pytest.raises(ConnectionRefusedError):
            await dial(f"tcp://[::1]:{port_of(place)}")


async def test_addresses_are_shown_as_people_write_them() -> None:
    """IPv4 behind a dual-stack socket is IPv4; each side's peer is the other's own end."""
    async with listening("tcp://[::]:*") as place:
        async with connected(place, f"tcp://127.0.0.1:{port_of(place)}") as (ours, theirs):
            assert theirs.local_address == ours.peer_address == f"127.0.0.1:{port_of(place)}"
            assert theirs.peer_address == ours.local_address
            assert theirs.peer_address.startswith("127.0.0.1:")
        async with connected(place, f"tcp://[::1]:{port_of(place)}") as (ours, theirs):
            assert theirs.local_address == ours.peer_address == f"[::1]:{port_of(place)}"


async def test_a_name_is_bound_on_every_address_on_one_port() -> None:
    """The resolved endpoint is the IPv4 one, which everybody can connect to."""
    Resolver([(V6, "::1"), (V4, "127.0.0.1")])
    async with listening("tcp://both.example:*") as place:
        assert len(place.listeners) == 2
        for host in ("127.0.0.1", "[::1]"):
            async with connected(place, f"tcp://{host}:{port_of(place)}"):
                pass
        assert place.endpoint.startswith("tcp://127.0.0.1:")


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
    with pytest.raises(socket.gaierror, match=r"on tcp://nobody\.example:80: Name"):
        async with listening("tcp://nobody.example:80"):
            pass


# -- dialling --


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


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Yield an endpoint that neither accepts nor refuses: a listener whose queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(server.getsockname())
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


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


# -- options --


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


async def test_keepalive_can_be_left_off() -> None:
    """For links that cost by the packet."""
    options = Options(tcp_keepalive=False)
    async with (
        listening("tcp://*:*", options) as place,
        connected(place, place.endpoint, options) as ends,
    ):
        for stream in ends:
            assert option(stream, socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


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


async def test_no_child_process_inherits_a_descriptor() -> None:
    """Listeners and connections are closed in programs that we start."""
    async with listening("tcp://*:*") as place, connected(place, place.endpoint) as ends:
        for owner in (*ends, *place.listeners):
            assert isinstance(owner, (SocketStream, Listener))
            assert not owner._socket.get_inheritable()
