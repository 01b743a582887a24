"""Connections that do not come to be: one documented error for each, which says what to do.

Whatever the network does is an `OSError`, so that one ``except`` around a connection is enough.
"""

from __future__ import annotations

import contextlib
import errno
import math
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
import trio
import trio.testing

from tests.hostile.wire import GREETING, hello
from trio_mq import (
    HandshakeFailed,
    IncompatiblePeer,
    MQError,
    Pair,
    ProtocolError,
    Pub,
    Pull,
    Push,
    Refusal,
    Req,
    Retrying,
    Router,
    Socket,
    zmtp,
)

Behaviour: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]


@contextlib.asynccontextmanager
async def service(behave: Behaviour) -> AsyncIterator[str]:
    """Listen as something that is no 0MQ socket, and return the endpoint."""

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await behave(stream)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"tcp://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def stay_silent(stream: trio.SocketStream) -> None:
    """Wait to be spoken to in another language."""
    while await stream.receive_some():
        pass


async def greet_half_and_stay(stream: trio.SocketStream) -> None:
    """Say a part of the greeting, and no more."""
    await stream.send_all(GREETING[:30])
    await stay_silent(stream)


async def greet_and_stay(stream: trio.SocketStream) -> None:
    """Say the greeting, and no more."""
    await stream.send_all(GREETING)
    await stay_silent(stream)


async def close_unread(stream: trio.SocketStream) -> None:
    """Close when a word has come that is not understood, and leave the rest unread."""
    await stream.receive_some(1)


async def reset(stream: trio.SocketStream) -> None:
    """Cut it off."""
    await stream.receive_some(1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def read_and_close(stream: trio.SocketStream) -> None:
    """Hear the greeting, and go in order."""
    await stream.receive_some()
    await stream.send_eof()
    await stay_silent(stream)


async def greet_half_and_close(stream: trio.SocketStream) -> None:
    """Go within one's own greeting."""
    await stream.send_all(GREETING[:5])
    await read_and_close(stream)


async def greet_and_close(stream: trio.SocketStream) -> None:
    """Refuse as 0MQ does: without a word, when the other end has introduced itself."""
    await stream.send_all(GREETING)
    heard = 0
    while heard < len(hello(b"REQ")):
        heard += len(await stream.receive_some())
    await stream.send_eof()
    await stay_silent(stream)


@pytest.mark.parametrize(
    ("behave", "kind", "says"),
    [
        (stay_silent, TimeoutError, "no handshake within 0.2 s.*sent 0 of the 64.*no 0MQ socket"),
        (greet_half_and_stay, TimeoutError, "handshake_timeout.*30 of the 64.*no 0MQ socket"),
        (greet_and_stay, TimeoutError, "waited for READY.*overloaded"),
        (close_unread, ConnectionResetError, "reset the connection.*0 of the 64.*nobody behind it"),
        (reset, ConnectionResetError, "reset the connection.*0 of the 64.*no 0MQ socket"),
        (read_and_close, ConnectionAbortedError, "left after 0 of the 64.*no 0MQ socket"),
        (greet_half_and_close, ConnectionAbortedError, "left after 5 of the 64.*no 0MQ socket"),
        (greet_and_close, ConnectionAbortedError, "Pair is taken.*max_peers.*routing_id is in use"),
    ],
)
async def test_what_a_service_does_that_is_not_zmtp(
    behave: Behaviour, kind: type[OSError], says: str
) -> None:
    """The endpoint, what came of it, and what is probably behind it."""
    async with service(behave) as endpoint, Req() as req:
        with pytest.raises(OSError, match=f"cannot connect to {endpoint}: .*{says}") as caught:
            await req.connect(endpoint, wait=True, handshake_timeout=0.2)
        assert type(caught.value) is kind
        assert req.endpoints == ()


@pytest.mark.parametrize("place", ["tcp://127.0.0.1:*", "inproc://there"])
async def test_two_ends_that_do_not_go_together(place: str) -> None:
    """The error is one of ours, and names the endpoint."""
    async with Pub() as pub, Req() as req:
        endpoint = await pub.bind(place)
        with pytest.raises(MQError, match=f"cannot connect to {endpoint}: ") as caught:
            await req.connect(endpoint, wait=True)
        assert isinstance(caught.value, (IncompatiblePeer, ProtocolError))


async def test_another_protocol_is_told_with_the_endpoint() -> None:
    """As of a web server."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.0 400 Bad\r\n\r\n")
        await stay_silent(stream)

    async with service(answer) as endpoint, Req() as req:
        with pytest.raises(zmtp.RemoteProtocolError, match=f"connect to {endpoint}: .*HTTP/1.0"):
            await req.connect(endpoint, wait=True)


async def test_a_place_that_is_taken_on_our_side() -> None:
    """The socket's own verdict, with the endpoint that was meant."""
    async with Pair(bind="inproc://a"), Pair(bind="tcp://127.0.0.1:*") as other, Pair() as pair:
        await pair.connect("inproc://a", wait=True)
        endpoint = other.endpoints[0].endpoint
        with pytest.raises(Refusal, match=f"cannot connect to {endpoint}: .*taken.*inproc://a"):
            await pair.connect(endpoint, wait=True)


@pytest.mark.parametrize("taken", ["Pair", "routing id", "house"])
async def test_a_place_that_is_taken_on_the_other_side(taken: str) -> None:
    """We see an end of the stream, and the text names the likely causes."""
    there: Socket = Pair() if taken == "Pair" else Router(max_peers=1 if taken == "house" else None)
    ours = Pair if taken == "Pair" else Req
    routing_id = b"me" if taken == "routing id" else b""
    async with there, ours(routing_id=routing_id) as first, ours(routing_id=routing_id) as second:
        endpoint = await there.bind("tcp://127.0.0.1:*")
        await first.connect(endpoint, wait=True)
        with pytest.raises(ConnectionError, match=f"{endpoint}: .*has probably refused us"):
            await second.connect(endpoint, wait=True)


async def test_an_accepted_stranger_is_told_with_its_address() -> None:
    """In the event of the bound socket."""
    async with Pull() as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        with pull.events() as events:
            stream = await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2]))
            async with stream:
                await stream.send_all(b"GET / HTTP/1.0\r\n\r\n")
                event = await events.receive()
                while not isinstance(event, HandshakeFailed):
                    event = await events.receive()
        assert str(event.error).startswith(f"cannot accept {event.address} on {endpoint}: ")


async def test_nobody_at_a_name(autojump_clock: trio.testing.MockClock) -> None:
    """A name is waited for as long as an attempt to connect may last."""
    async with Req(connect_timeout=3) as req:
        with pytest.raises(TimeoutError, match=r"inproc://nobody: nobody binds that name"):
            await req.connect("inproc://nobody", wait=True)
        assert trio.current_time() == pytest.approx(3)
        assert req.endpoints == ()
        with pytest.raises(TimeoutError), trio.fail_after(1):
            await req.connect("inproc://nobody", wait=True, connect_timeout=0.5)
        with trio.move_on_after(100) as patience:
            await req.connect("inproc://nobody", wait=True, connect_timeout=None)
        assert patience.cancelled_caught


# -- what users give --


async def too_slow() -> trio.abc.Stream:
    """Run into a time-out of its own."""
    with trio.fail_after(0):
        await trio.sleep_forever()
    raise AssertionError


async def buggy() -> trio.abc.Stream:
    """Make a mistake."""
    await trio.lowlevel.checkpoint()
    raise LookupError("no such tunnel")


async def nothing() -> trio.abc.Stream:
    """Return what is no stream."""
    await trio.lowlevel.checkpoint()
    return None  # type: ignore[return-value]  # that is the mistake


async def untrusted() -> trio.abc.Stream:
    """Fail as TLS does, with a number that is not the system's."""
    await trio.lowlevel.checkpoint()
    raise ssl.SSLError(1, "certificate verify failed")


async def unheard() -> trio.abc.Stream:
    """Fail as the system does, without a number."""
    await trio.lowlevel.checkpoint()
    raise ConnectionRefusedError("nobody listens")


@pytest.mark.parametrize(
    ("open_stream", "kind", "cause"),
    [
        (too_slow, TimeoutError, trio.TooSlowError),
        (buggy, ConnectionError, LookupError),
        (nothing, ConnectionError, TypeError),
        (untrusted, ConnectionError, ssl.SSLError),
        (unheard, ConnectionRefusedError, ConnectionRefusedError),
    ],
)
async def test_what_a_users_open_stream_raises_is_its_own(
    open_stream: Callable[[], Awaitable[trio.abc.Stream]],
    kind: type[OSError],
    cause: type[Exception],
) -> None:
    """Retried, told and kept, as every failure to connect; the socket lives."""
    async with Push(linger=0, reconnect_interval=0.001) as push:
        with pytest.raises(kind, match="cannot connect to tunnel: its open_stream") as caught:
            await push.connect("tunnel", open_stream=open_stream, wait=True)
        assert isinstance(caught.value.__cause__, cause)
        with push.events() as events:
            await push.connect("tunnel", open_stream=open_stream)
            told = [await events.receive() for _ in range(2)]
        (status,) = push.endpoints
        assert type(status.last_error) is kind
        assert [type(event.error) for event in told if isinstance(event, Retrying)] == [kind] * 2


class Failing(trio.abc.Stream):
    """A stream of a user's that raises what it likes."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send_all(self, _: object) -> None:
        """Fail."""
        await trio.lowlevel.checkpoint()
        raise self._error

    async def receive_some(self, _: int | None = None) -> bytes:
        """Fail."""
        await trio.lowlevel.checkpoint()
        raise self._error

    async def wait_send_all_might_not_block(self) -> None:
        """Say that it can be tried."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Do nothing."""
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLError(1, "made_by_hand"),  # without the reason that those of OpenSSL have
        EOFError(),  # and without a word
        OSError(errno.EIO, "input or output"),
        trio.BusyResourceError("two readers"),
        ExceptionGroup("several", [ValueError("one")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_users_stream_raises_ends_its_connection_alone(error: Exception) -> None:
    """It is told in words, with the endpoint; the socket lives."""

    async def open_stream() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return Failing(error)

    async with Pull(bind="inproc://good") as pull, Push(linger=0) as push:
        with pytest.raises(OSError, match=r"cannot connect to tunnel: .*\w\W{0,2}$"):
            await push.connect("tunnel", open_stream=open_stream, wait=True)
        with push.events() as events:
            await push.connect("tunnel", open_stream=open_stream)
            while not isinstance(await events.receive(), Retrying):
                pass
        await push.connect("inproc://good", wait=True)
        await push.disconnect("tunnel")
        await push.send(b"still alive")
        assert await pull.receive() == b"still alive"


async def closed_already() -> trio.abc.Stream:
    """Return what is of no use any more."""
    stream, _ = trio.testing.memory_stream_pair()
    await stream.aclose()
    return stream


async def test_a_stream_that_is_closed_already_is_told_in_words() -> None:
    """It is a mistake of the program, and no bug of ours."""
    async with Push(linger=0) as push:
        with push.events() as events:
            with pytest.raises(ConnectionError, match=r"tunnel: .* is closed") as caught:
                await push.connect("tunnel", open_stream=closed_already, wait=True)
            assert isinstance(caught.value.__cause__, trio.ClosedResourceError)
            failed = await events.receive()
            assert isinstance(failed, HandshakeFailed)
            assert failed.reason == "connection-lost"


async def test_an_open_stream_that_is_none_is_refused_where_it_is_given() -> None:
    """A stream that is open already is good for one connection only."""
    ours, _ = trio.testing.memory_stream_pair()
    async with Push() as push:
        with pytest.raises(TypeError, match=r"open_stream is an async function .* not Stapled"):
            await push.connect("label", open_stream=ours)  # type: ignore[arg-type]
        assert push.endpoints == ()


async def test_several_listeners_of_trio_are_one_endpoint() -> None:
    """As `trio.open_tcp_listeners` returns them; peers have their own addresses."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listeners += await trio.open_tcp_listeners(0, host="127.0.0.1")
    ports = [listener.socket.getsockname()[1] for listener in listeners]
    async with Pull() as pull, Push() as push:
        assert await pull.bind("both", listener=listeners) == "both"
        for port in ports:
            await push.connect(f"tcp://127.0.0.1:{port}", wait=True)
        await pull.wait_for_peers(2)
        assert {peer.endpoint for peer in pull.peers} == {"both"}
        assert all(peer.address.startswith("127.0.0.1:") for peer in pull.peers)
        assert len({peer.address for peer in pull.peers}) == 2


@pytest.mark.parametrize("listener", [5, [], ["tcp://*:5"], object()])
async def test_what_is_no_listener_is_refused_where_it_is_given(listener: object) -> None:
    """Before anything was done with it."""
    async with Pull() as pull:
        with pytest.raises(TypeError, match=r"trio\.abc\.Listener"):
            await pull.bind("label", listener=listener)  # type: ignore[arg-type]  # as a user may
        assert pull.endpoints == ()


class Broken(trio.abc.Listener[trio.abc.Stream]):
    """A listener that fails in a way that stays, when accepting and when closing."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.calls = 0

    async def accept(self) -> trio.abc.Stream:
        """Fail."""
        await trio.lowlevel.checkpoint()
        self.calls += 1
        raise self.error

    async def aclose(self) -> None:
        """Fail again."""
        await trio.lowlevel.checkpoint()
        raise self.error


@pytest.mark.parametrize(
    "error",
    [OSError(9, "Bad file descriptor"), LookupError("a bug"), trio.ClosedResourceError()],
    ids=repr,
)
async def test_a_broken_listener_is_given_up_and_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Not tried again for ever in silence, and the socket lives."""
    async with Pull() as pull, Push(linger=math.inf) as push:
        with pull.events() as events:
            await pull.bind("label", listener=(listener := Broken(error)))
            told = [await events.receive() for _ in range(2)]
        await trio.testing.wait_all_tasks_blocked()
        assert "broken=True" in repr(told[1])
        (status,) = pull.endpoints
        assert (status.state.value, status.last_error) == ("failed", error)
        assert listener.calls == 1
        await pull.unbind("label")
        await push.connect(await pull.bind("inproc://anew"))
        await push.send(b"x")
        assert await pull.receive() == b"x"
    assert [record.levelname for record in caplog.records][:1] == ["ERROR"]
