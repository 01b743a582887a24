"""libzmq's tests of endpoints, handshakes, heartbeats and monitors, ported.

test_last_endpoint, test_unbind_wildcard, test_connect_resolve, test_rebind_ipc, test_ipc_wildcard,
test_pair_*, test_reconnect_ivl, test_reconnect_options, test_stream, test_stream_timeout,
test_heartbeats, test_monitor.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

import pytest
import trio

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import bounce, next_of, reserved_tcp
from tests.spec.raw_peer import raw_client, raw_server
from trio_mq import (
    Connected,
    Dealer,
    Disconnected,
    HandshakeFailed,
    Limits,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Retrying,
    Router,
    Sub,
)

# -- endpoints -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint", ["inproc://pair", "ipc://{}/pair", "ipc://@trio_mq-pair", "tcp://localhost:*"]
)
async def test_pair(endpoint: str, tmp_path: Path) -> None:
    """A message of two frames goes there and back, over each transport."""
    async with Pair() as one, Pair() as other:
        await other.connect(await one.bind(endpoint.format(tmp_path)))
        await bounce(one, other)


@pytest.mark.parametrize("path", ["x" * 120, "@" + "x" * 120, "@", ""])
async def test_pair_ipc_name_too_long(path: str) -> None:
    """A path longer than the system allows, and no path at all, are refused."""
    async with Pair() as pair:
        with pytest.raises((ValueError, OSError)):
            await pair.bind(f"ipc://{path}")
        assert not pair.endpoints


async def test_last_endpoint() -> None:
    """Bind returns the string for a given port, and the last of several is its own."""
    async with Router() as router:
        with reserved_tcp() as first, reserved_tcp() as second:
            assert await router.bind(first) == first
            assert await router.bind(second) == second
        assert [endpoint.endpoint for endpoint in router.endpoints] == [first, second]


@pytest.mark.parametrize("wildcard", ["tcp://*:*", "tcp://127.0.0.1:*", "tcp://127.0.0.1:0"])
async def test_unbind_wildcard(wildcard: str) -> None:
    """What bind returns can be connected to, disconnected from and unbound."""
    async with Dealer() as one, Dealer() as other:
        endpoint = await one.bind(wildcard)
        assert "*" not in endpoint
        await other.connect(endpoint)
        await bounce(one, other)
        await other.disconnect(endpoint)
        await one.unbind(endpoint)
        assert (one.endpoints, other.endpoints) == ((), ())


async def test_ipc_wildcard() -> None:
    """A wildcard of ipc is a path of its own, that is gone afterwards."""
    async with Pair() as one, Pair() as other:
        endpoint = await one.bind("ipc://*")
        path = trio.Path(endpoint.removeprefix("ipc://"))
        await other.connect(endpoint)
        await bounce(one, other)
        assert await path.is_socket()
    assert not await path.exists()


@departs(Departure.LIVE_PATH_IS_IN_USE)
async def test_rebind_ipc(tmp_path: Path) -> None:
    """A second socket takes the path of a living one over."""
    endpoint = f"ipc://{tmp_path}/live"
    async with Push(bind=endpoint) as living, Push() as second:
        with pytest.raises(OSError, match="live") as caught:
            await second.bind(endpoint)
        assert caught.value.errno == errno.EADDRINUSE
        async with Pull(connect=endpoint) as pull:
            await living.send(b"still mine")
            assert await pull.receive() == (b"still mine",)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://localhost:x",
        "tcp://in val id:1234",
        "tcp://",
        "invalid://localhost:1234",
        "tcp://a:*",
    ],
)
async def test_connect_resolve_refused(endpoint: str) -> None:
    """A malformed address and an unknown transport are refused by connect itself."""
    async with Pub() as pub:
        with pytest.raises(ValueError, match="://"):
            await pub.connect(endpoint)
        assert not pub.endpoints


# -- reconnecting ----------------------------------------------------------------------------------


@departs(Departure.REDIALS_FOR_EVER)
async def test_reconnect_ivl_one_attempt() -> None:
    """Without reconnecting, an endpoint that nobody listens on stays unconnected."""
    async with Push() as push:
        with reserved_tcp() as endpoint, pytest.raises(OSError, match=r"127\.0\.0\.1"):
            await push.connect(endpoint, wait=True)
        assert not push.endpoints


async def test_reconnect_ivl_unbind_and_rebind(unbound: str) -> None:
    """After unbind and rebind the connection comes back by itself, and messages pass."""
    async with Pair(connect=unbound) as client, Pair(bind=unbound) as server:
        await bounce(server, client)
        (connection,) = client.peers
        await server.unbind(unbound)
        await connection.wait_closed()
        await server.bind(unbound)
        await server.wait_for_peers()
        await bounce(server, client)


async def test_reconnect_options_default() -> None:
    """The events of a client: connected; disconnected, retrying; and connected once more."""
    with reserved_tcp() as endpoint:
        async with Sub(reconnect_interval=0.01, reconnect_interval_max=0.01) as sub:
            with sub.events() as events:
                async with Pub(bind=endpoint):
                    await sub.connect(endpoint)
                    await next_of(events, Connected)
                assert (await next_of(events, Disconnected)).reason == "eof"
                assert (await next_of(events, Retrying)).delay <= 0.01
                async with Pub(bind=endpoint):
                    await next_of(events, Connected)
    assert sub.statistics().reconnects == 1


async def test_reconnect_options_long_interval() -> None:
    """With a long interval the endpoint says when it will be dialled again, and is not before."""
    async with (
        raw_server() as server,
        Sub(reconnect_interval=60, reconnect_interval_max=60) as sub,
    ):
        with sub.events() as events:
            await sub.connect(server.endpoint)
            async with server.accept() as peer:
                await peer.shake_hands(b"PUB")
                await next_of(events, Connected)
            retrying = await next_of(events, Retrying)
        (endpoint,) = sub.endpoints
        assert endpoint.next_retry == pytest.approx(trio.current_time() + retrying.delay, abs=5)
        assert isinstance(endpoint.last_error, ConnectionError)


# -- test_stream, test_stream_timeout --------------------------------------------------------------


async def test_stream_to_dealer() -> None:
    """Greeting and READY of a DEALER, byte for byte, and a message each way."""
    async with Dealer() as dealer, raw_client(await dealer.bind("tcp://127.0.0.1:*")) as peer:
        await peer.send(b"\xff" + bytes(8) + b"\x7f\3\1NULL" + bytes(16 + 1 + 31))
        greeting = await peer.receive(64)
        assert greeting[0] == 0xFF
        assert greeting[9:12] == b"\x7f\3\1"
        assert greeting[12:] == b"NULL" + bytes(16 + 1 + 31)
        ready = b"\4\x29\5READY\x0bSocket-Type\0\0\0\6DEALER\x08Identity\0\0\0\0"
        await peer.send(b"\4\x29\5READY\x0bSocket-Type\0\0\0\6ROUTER\x08Identity\0\0\0\0")
        await peer.expect(ready)
        await dealer.send(b"Hello")
        await peer.expect(b"\0\5Hello")
        await peer.send(b"\0\5World")
        assert await dealer.receive() == (b"World",)


async def test_stream_timeout_of_who_accepts() -> None:
    """A peer that connects and says nothing is dropped when the handshake takes too long."""
    async with Dealer(handshake_timeout=0.05) as dealer:
        with dealer.events() as events:
            async with raw_client(await dealer.bind("tcp://127.0.0.1:*")) as peer:
                await next_of(events, trio_mq.Accepted)
                assert (await next_of(events, HandshakeFailed)).reason == "timeout"
                await peer.expect_end()


async def test_stream_timeout_of_who_connects() -> None:
    """A server that accepts and says nothing is dropped, and dialled again."""
    async with raw_server() as server, Dealer(handshake_timeout=0.05) as dealer:
        with dealer.events() as events:
            await dealer.connect(server.endpoint)
            async with server.accept() as peer:
                assert (await next_of(events, HandshakeFailed)).reason == "timeout"
                await next_of(events, Retrying)
                await peer.expect_end()


# -- test_heartbeats -------------------------------------------------------------------------------


async def test_heartbeats_drop_a_silent_peer() -> None:
    """A peer that answers no PING is dropped."""
    async with Router(heartbeat_interval=0.03) as router:
        with router.events() as events:
            async with raw_client(await router.bind("tcp://127.0.0.1:*")) as peer:
                await peer.shake_hands(b"DEALER")
                assert (await next_of(events, Disconnected)).reason == "heartbeat"
                await peer.expect_end()


@pytest.mark.parametrize("context", [b"", b"x", b"0123456789abcdef"])
async def test_heartbeats_echo_the_context(context: bytes) -> None:
    """A PONG repeats the context of its PING."""
    async with Router() as router, raw_client(await router.bind("tcp://127.0.0.1:*")) as peer:
        await peer.shake_hands(b"DEALER")
        await peer.send(bytes([4, 7 + len(context)]) + b"\4PING\0\0" + context)
        await peer.expect(bytes([4, 5 + len(context)]) + b"\4PONG" + context)


@departs(Departure.SMALL_TTL_IS_RAISED)
async def test_heartbeats_ttl() -> None:
    """A peer that asks for 100 ms and is then silent is dropped after 100 ms."""
    async with Router() as router:
        patient = await router.bind("tcp://127.0.0.1:*", limits=Limits(min_remote_ttl=60))
        strict = await router.bind("tcp://127.0.0.1:*", limits=Limits(min_remote_ttl=0.05))
        async with raw_client(patient) as kept, raw_client(strict) as dropped:
            with router.events() as events:
                for peer in (kept, dropped):
                    await peer.shake_hands(b"DEALER")
                    await peer.send(b"\4\7\4PING\0\1")
                    await peer.expect(b"\4\5\4PONG")
                lost = await next_of(events, Disconnected)
            assert (lost.peer.endpoint, lost.reason) == (strict, "heartbeat")
            assert [peer.endpoint for peer in router.peers] == [patient]


@pytest.mark.parametrize(
    ("one", "other"),
    [(Dealer, Router), (Req, Rep), (Pull, Push), (Sub, Pub), (Pair, Pair)],
    ids=lambda socket_type: socket_type.__name__,
)
async def test_heartbeats_keep_quiet_connections(
    one: type[trio_mq.Socket], other: type[trio_mq.Socket]
) -> None:
    """Two ends that only exchange PINGs stay connected and know their round trip."""
    first = trio_mq.open_socket(one.__name__, heartbeat_interval=0.01, heartbeat_timeout=20)
    async with first, trio_mq.open_socket(other.__name__) as second:
        with first.events() as events:
            await first.connect(await second.bind("tcp://127.0.0.1:*"))
            peer = (await next_of(events, Connected)).peer
            while peer.round_trip_time is None:
                await trio.lowlevel.checkpoint()
        assert not peer.closed


def test_heartbeats_ttl_has_a_longest() -> None:
    """A time to live that does not fit into its field is refused."""
    with pytest.raises(ValueError, match="heartbeat_ttl"):
        Router(heartbeat_ttl=6554)


# -- test_monitor ----------------------------------------------------------------------------------


async def test_monitor_basic() -> None:
    """What the two ends see of one connection, from the bind to the close, in order."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(Rep())
        seen = stack.enter_context(server.events())
        endpoint = await server.bind("tcp://127.0.0.1:*")
        async with Req(connect=endpoint) as client:
            await client.wait_for_peers()
            await next_of(seen, Connected)
            assert client.endpoints[0].state is trio_mq.EndpointState.CONNECTED
        await next_of(seen, Disconnected)
        await server.aclose()
        assert [event async for event in seen] == [trio_mq.ListeningStopped(endpoint=endpoint)]


async def test_monitor_sequence() -> None:
    """Listening, accepted, connected, disconnected: the names, the endpoint and the peer."""
    async with Pull() as server:
        with server.events() as events:
            endpoint = await server.bind("tcp://127.0.0.1:*")
            async with Push(connect=endpoint) as client:
                await client.wait_for_peers()
            seen = [await events.receive() for _ in range(4)]
    names = [type(event).__name__ for event in seen]
    assert names == ["Listening", "Accepted", "Connected", "Disconnected"]
    assert seen[0] == trio_mq.Listening(endpoint=endpoint)
    assert isinstance(seen[2], Connected)
    assert isinstance(seen[3], Disconnected)
    assert seen[2].peer is seen[3].peer


async def test_monitor_of_a_refused_connection() -> None:
    """A wrong socket type is seen on both ends, with the reason."""
    async with Pull() as pull, Pub() as pub:
        with pull.events() as ours, pub.events() as theirs:
            await pub.connect(await pull.bind("tcp://127.0.0.1:*"))
            for events in (ours, theirs):
                assert (await next_of(events, HandshakeFailed)).reason in WRONG_TYPE


#: The side that judges says what is wrong; the other repeats the ERROR, or finds the same itself.
WRONG_TYPE = {"incompatible-peer", "peer-error"}
