"""What a program sees in its log, without having asked for anything."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

import trio_mq
from tests.log_lines import log_lines
from trio_mq import (
    Connected,
    Disconnected,
    DropReason,
    HandshakeFailed,
    Listening,
    OnFull,
    Peer,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Retrying,
    Sub,
    XPub,
    auth,
)
from trio_mq._telling import Teller
from trio_mq.testing import assert_nothing_lost
from trio_mq.zmtp import PeerProperties, SocketType

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(trio_mq.__file__).parent.parent)}
NOBODY = "tcp://127.0.0.1:9"
REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, f"cannot connect to {NOBODY}: refused")


@pytest.fixture
def wrong_port() -> Iterator[str]:
    """Return an endpoint at which nobody listens, nor will: the port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{taken.getsockname()[1]}"


# -- the mistakes that everybody makes once --


async def test_a_wrong_port_is_told_once(wrong_port: str) -> None:
    """After a while in which the service might have come up."""
    with log_lines() as lines:
        async with Push(connect=wrong_port, linger=0) as push:
            line = await lines.wait_for("Push: cannot connect")
            with push.events() as events:
                for _ in range(2):
                    await next_retry(events)
    assert lines.records == [line]
    assert (line.levelname, line.name) == ("WARNING", "trio_mq.endpoints")
    assert line.getMessage().startswith(f"Push: cannot connect to {wrong_port}: ")


async def next_retry(events: trio_mq.EventStream) -> Retrying:
    """Wait for the next attempt to fail."""
    async for event in events:
        if isinstance(event, Retrying):
            return event
    raise AssertionError


async def test_an_unknown_host_is_told() -> None:
    """A name that can't exist."""
    with log_lines() as lines:
        async with Push(connect="tcp://no-such-host.invalid:1", linger=0):
            line = await lines.wait_for("cannot connect")
    assert "'no-such-host.invalid' is not a name that has an address" in line.getMessage()


async def test_wrong_types_are_told_at_both_ends() -> None:
    """With what would fit."""
    with log_lines() as lines:
        async with Rep() as rep, Push(linger=0) as push:
            await push.connect(await rep.bind("tcp://127.0.0.1:*"))
            at_push = await lines.wait_for("Push: cannot connect")
            at_rep = await lines.wait_for("Rep: cannot accept")
    assert "connect it to PULL" in at_push.getMessage()
    assert "connect it to REQ or DEALER" in at_rep.getMessage()


async def test_wrong_mechanisms_are_told_at_both_ends() -> None:
    """With the name of each."""
    with log_lines() as lines:
        async with Pull() as pull, Push(linger=0, mechanism=auth.PlainClient("a", "b")) as push:
            await push.connect(await pull.bind("tcp://127.0.0.1:*"))
            at_push = await lines.wait_for("Push: cannot connect")
            at_pull = await lines.wait_for("Pull: cannot accept")
    assert "mechanism is NULL, ours is PLAIN" in at_push.getMessage()
    assert "mechanism is PLAIN, ours is NULL" in at_pull.getMessage()


async def test_an_http_server_on_the_port_is_told() -> None:
    """By how it begins."""
    with log_lines() as lines, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with Push(connect=f"tcp://127.0.0.1:{port}", linger=0):
            accepted, _ = await trio.to_thread.run_sync(server.accept)
            with accepted:
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                line = await lines.wait_for("cannot connect")
    assert "HTTP/1.1" in line.getMessage()


async def test_a_browser_at_a_bound_port_is_told() -> None:
    """The same from the other side."""
    with log_lines() as lines:
        async with Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            port = int(endpoint.rpartition(":")[2])
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
                line = await lines.wait_for("cannot accept")
    assert "does not speak ZMTP 3" in line.getMessage()


async def test_a_full_house_is_told_at_both_ends() -> None:
    """Who is one too many can only guess, and the guess names it."""
    with log_lines() as lines:
        async with Pull(max_peers=1) as pull, Push(linger=0) as first, Push(linger=0) as second:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            await first.connect(endpoint, wait=True)
            await second.connect(endpoint)
            at_pull = await lines.wait_for("Pull: cannot accept")
            at_push = await lines.wait_for("Push: cannot connect")
    assert "max_peers=1" in at_pull.getMessage()
    assert "max_peers" in at_push.getMessage()


async def test_a_slow_consumer_is_told() -> None:
    """Somebody misses something."""
    with log_lines() as lines:
        async with (
            Pub(bind="inproc://news", send_hwm=1) as pub,
            Sub(connect="inproc://news", topics="", receive_hwm=1),
        ):
            await pub.wait_for_subscribers()
            for _ in range(5):
                await pub.send(b"x")
            line = await lines.wait_for("because a queue was full")
    assert (line.levelname, line.name) == ("WARNING", "trio_mq.messages")


def test_a_program_that_sets_nothing_up_sees_it_on_stderr() -> None:
    """Python writes warnings there by itself."""
    program = (
        "import trio, trio_mq\n"
        "async def main():\n"
        "    async with trio_mq.Rep() as rep, trio_mq.Push(linger=0) as push:\n"
        "        with push.events() as events:\n"
        "            await push.connect(await rep.bind('tcp://127.0.0.1:*'))\n"
        "            async for event in events:\n"
        "                if isinstance(event, trio_mq.Retrying):\n"
        "                    return\n"
        "trio.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env=ENVIRONMENT,
        text=True,
        timeout=25,
    )
    assert "Push: cannot connect to tcp://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr


# -- ordinary life --


@pytest.mark.parametrize("restart", [False, True])
async def test_peers_that_come_and_go_are_no_warning(*, restart: bool) -> None:
    """Nor is a service that is back at once; the rest of their lives is there at level INFO."""
    with log_lines(logging.INFO) as lines:
        async with Push(linger=0) as push:
            async with Pull() as pull:
                endpoint = await pull.bind("tcp://127.0.0.1:*")
                await push.connect(endpoint, wait=True)
            if restart:
                async with Pull(bind=endpoint):
                    with push.events() as events:
                        async for event in events:
                            if isinstance(event, Connected):
                                break
    assert {record.levelname for record in lines.records} == {"INFO"}
    assert lines.matching(rf"Pull listens on {endpoint}")
    assert lines.matching(rf"Push is connected to PULL at \S+ \({endpoint}\)")
    assert lines.matching(r"Push is no longer connected to PULL at .*: eof")
    assert lines.matching(rf"Pull has stopped listening on {endpoint}")


async def test_a_look_whether_the_port_is_open_is_no_warning() -> None:
    """Load balancers do that all day."""
    with log_lines(logging.DEBUG) as lines:
        async with Pull() as pull:
            endpoint = await pull.bind("tcp://127.0.0.1:*")
            stream = await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2]))
            await stream.aclose()
            line = await lines.wait_for("no handshake")
    assert line.levelname == "DEBUG"
    assert max(record.levelno for record in lines.records) == logging.INFO


def retrying(error: BaseException, time: float) -> Retrying:
    """An attempt failed at that time."""
    return Retrying(endpoint=NOBODY, delay=1.0, error=error, time=time)


def test_a_dial_that_fails_is_told_again_when_the_reason_changes() -> None:
    """And not as long as it is the same."""
    tell = Teller("Push")
    silent = TimeoutError(errno.ETIMEDOUT, f"cannot connect to {NOBODY}: no answer")
    with log_lines() as lines:
        for time, error in enumerate([REFUSED, REFUSED, REFUSED, silent, silent, REFUSED]):
            tell(retrying(error, float(time)))
    assert ["no answer" in record.getMessage() for record in lines.records] == [False, True, False]


def test_a_peer_that_leaves_in_the_handshake_is_told_of_once() -> None:
    """A proxy with nobody behind it ends one connection and resets the next, as it happens."""
    tell = Teller("Push")
    ended = ConnectionAbortedError(errno.ECONNABORTED, "the peer left")
    reset = ConnectionResetError(errno.ECONNRESET, "the peer reset the connection")
    with log_lines() as lines:
        for time, error in enumerate([ended, reset, ended, reset]):
            tell(retrying(error, float(time)))
    assert len(lines.records) == 1


def test_a_service_has_half_a_second_to_come_up() -> None:
    """Programs start in any order."""
    tell = Teller("Push")
    with log_lines() as lines:
        for time in (0.0, 0.1, 0.4):
            tell(retrying(REFUSED, time))
        assert lines.records == []
        tell(retrying(REFUSED, 0.6))
    assert len(lines.records) == 1


class NoLink:
    """No connection."""

    def hang_up(self, reason: str) -> None:
        """End nothing."""


def hog_at(endpoint: str) -> Peer:
    """Return a peer that came through an endpoint."""
    properties = PeerProperties(socket_type=SocketType.PUSH)
    return Peer(properties, endpoint=endpoint, address="y", link=NoLink())


async def test_an_endpoint_that_was_given_up_is_forgotten() -> None:
    """A program that connects to ever new places keeps nothing of them."""
    tell = Teller("Push")
    tell(retrying(REFUSED, 0.0))
    tell(retrying(REFUSED, 1.0))
    tell.forget(NOBODY)
    tell(Listening(endpoint="tcp://x"))
    tell(HandshakeFailed(endpoint="tcp://x", address="y", reason="timeout", error=None))
    tell(trio_mq.ListeningStopped(endpoint="tcp://x"))
    # Its connections may take a while to end.
    tell(Disconnected(peer=hog_at("tcp://x"), reason="receive-budget", error=None))
    kept = [getattr(tell, name) for name in Teller.__slots__]
    assert [each for each in kept if isinstance(each, (dict, set)) and each] == []


# -- more than others may --


async def test_a_peer_that_breaks_the_rules_is_a_warning() -> None:
    """Its connection has ended, and somebody should look at it."""
    with log_lines() as lines:
        async with Pull(max_message_size=10) as pull, Push(linger=0) as push:
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
            await push.send(bytes(1000))
            line = await lines.wait_for("Pull ended its connection to PUSH")
    assert "too-large" in line.getMessage()


# -- a request that nobody answers --


@pytest.mark.parametrize("immediate", [False, True], ids=["asked", "waiting for a service"])
async def test_a_request_that_is_given_up_says_why_nobody_could_get_it(
    wrong_port: str, *, immediate: bool
) -> None:
    """A bare TooSlowError says nothing."""
    with log_lines() as lines:
        async with Req(linger=0, immediate=immediate) as req:
            with req.events() as events:
                await req.connect(wrong_port)
                await next_retry(events)
            await give_up(req)
    (line,) = lines.matching("gave up a request")
    assert wrong_port in line.getMessage()
    assert line.name == "trio_mq.requests"


async def give_up(req: Req) -> None:
    """Ask, and lose patience once the request waits."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(req.request, b"anybody?")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_request_to_a_slow_service_says_nothing() -> None:
    """There is nothing wrong with the connection."""
    with log_lines() as lines:
        async with Rep(bind="inproc://slow"), Req(connect="inproc://slow", linger=0) as req:
            await req.wait_for_peers()
            await give_up(req)
    assert lines.records == []


class Publishing(logging.Handler):
    """Sends the log to whoever subscribes to it, as programs do."""

    def __init__(self, pub: Pub | XPub) -> None:
        super().__init__()
        self._pub = pub

    def emit(self, record: logging.LogRecord) -> None:
        """Publish a line."""
        with contextlib.suppress(trio.WouldBlock):
            self._pub.send_nowait((b"log", record.getMessage().encode()))


@pytest.mark.parametrize("on_full", ["drop_newest", "drop_oldest", "block", "disconnect"])
@pytest.mark.parametrize("kind", [Pub, XPub])
async def test_the_log_may_be_sent_over_the_socket_that_it_tells_of(
    kind: type[Pub | XPub], on_full: OnFull, autojump_clock: trio.testing.MockClock
) -> None:
    """The line about a message that is dropped takes the place of that message."""
    async with (
        kind(bind="inproc://log", on_full=on_full, send_hwm=2, linger=0) as pub,
        Sub(connect="inproc://log", topics="", receive_hwm=1),
    ):
        await pub.wait_for_subscribers()
        handler = Publishing(pub)
        logging.getLogger("trio_mq").addHandler(handler)
        try:
            for number in range(8):
                with contextlib.suppress(trio.WouldBlock):
                    pub.send_nowait(b"%d" % number)
                await trio.sleep(0.6)  # so that not every drop is in the pause after a line
            await trio.testing.wait_all_tasks_blocked()
        finally:
            logging.getLogger("trio_mq").removeHandler(handler)
        assert_nothing_lost(pub, allow=tuple(DropReason))


async def test_nothing_is_remembered_of_endpoints_that_are_gone() -> None:
    """A program may bind and connect for years, each time elsewhere."""
    async with Pull() as pull:
        for number in range(3):
            place = f"inproc://{number}"
            async with Push(bind=place):
                await pull.connect(place, wait=True)
                await pull.disconnect(place)
            await pull.bind(place)
            async with Push(connect=place):
                await pull.unbind(place)
        teller = pull._members.ledger.teller
        kept = {name: getattr(teller, name) for name in Teller.__slots__}
        assert not any(kept.pop(name) for name in tuple(kept) if isinstance(kept[name], set | dict))
