"""A task that waits for a reply watches the connection itself, and the reader goes on after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import attrs
import pytest
import trio
import trio.testing

from tests.connections.test_link import next_of
from tests.hostile import wire
from trio_mq import Disconnected, EndpointState, PeerLost, Rep, Req, StateError
from trio_mq._connections.watch import StoodIn, Watch
from trio_mq._patterns.stand_in import StandIn
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import TakeBody
from trio_mq._transports.stream import PollableStream
from trio_mq.zmtp import RemoteProtocolError

REPLY = wire.message(b"", b"reply")
REQUEST = wire.message(b"", b"request")


class Service:
    """What a Req of ours is connected to over tcp: bytes by hand."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._heard = b""

    async def hear(self, expected: bytes) -> None:
        """Read exactly this."""
        while len(self._heard) < len(expected):
            data = await self.stream.receive_some()
            assert data, f"the connection ended after {self._heard!r}"
            self._heard += data
        heard, self._heard = self._heard[: len(expected)], self._heard[len(expected) :]
        assert heard == expected

    async def say(self, data: bytes) -> None:
        """Send this."""
        await self.stream.send_all(data)


@asynccontextmanager
async def asked(*, correlate: bool = False) -> AsyncIterator[tuple[Req, Service]]:
    """Open a Req and a service, connected; the test ends either."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with listener, Req(linger=0, correlate=correlate) as req:
        await req.connect(f"tcp://127.0.0.1:{port}")
        async with await listener.accept() as stream:
            service = Service(stream)
            await service.say(wire.hello(b"REP"))
            await service.hear(wire.GREETING + wire.ready(b"REQ", wire.prop(b"Identity", b"")))
            yield req, service


async def in_background(
    nursery: trio.Nursery, req: Req, service: Service, *, prior: int = 0
) -> list[object]:
    """Have a task stand in for its reply, after so many replies; return what comes of it."""
    outcomes: list[object] = []

    async def ask() -> None:
        for _ in range(prior):
            assert await req.request(b"request") == (b"reply",)
        try:
            outcomes.append(await req.request(b"request"))
        except (PeerLost, trio.ClosedResourceError) as error:
            outcomes.append(error)

    nursery.start_soon(ask)
    for _ in range(prior):
        await service.hear(REQUEST)
        await service.say(REPLY)
    await service.hear(REQUEST)
    await trio.testing.wait_all_tasks_blocked()
    return outcomes


#: Whether the reader's task has just been relieved, or sleeps since earlier requests.
priors = pytest.mark.parametrize("prior", [0, 1, 5])


@priors
async def test_a_reply_arrives(prior: int) -> None:
    """In any number of pieces."""
    async with asked() as (req, service):
        async with trio.open_nursery() as nursery:
            outcomes = await in_background(nursery, req, service, prior=prior)
            for piece in (REPLY[:1], REPLY[1:3], REPLY[3:]):
                assert outcomes == []
                await service.say(piece)
                await trio.testing.wait_all_tasks_blocked()
        assert outcomes == [(b"reply",)]


@priors
async def test_what_comes_between_requests_finds_the_reader(prior: int) -> None:
    """A PING is answered although nobody waits for anything."""
    async with asked() as (req, service):
        async with trio.open_nursery() as nursery:
            outcomes = await in_background(nursery, req, service, prior=prior)
            await service.say(wire.ping(context=b"1") + REPLY)
            await service.hear(wire.command(b"PONG", b"1"))
        assert outcomes == [(b"reply",)]
        await service.say(wire.ping(context=b"2"))
        await service.hear(wire.command(b"PONG", b"2"))


@priors
@pytest.mark.parametrize(
    ("last_words", "error"),
    [(b"", None), (REPLY[:2], None), (b"\xff\x00", RemoteProtocolError)],
    ids=["end", "torn", "garbage"],
)
async def test_an_end_that_a_stand_in_finds_is_the_end_of_the_connection(
    prior: int, last_words: bytes, error: type[Exception] | None
) -> None:
    """The request fails with `PeerLost`, and the event tells why."""
    async with asked() as (req, service):
        with req.events() as events:
            async with trio.open_nursery() as nursery:
                outcomes = await in_background(nursery, req, service, prior=prior)
                await service.say(last_words)
                await service.stream.send_eof()
            ended = await next_of(events, Disconnected)
        assert [type(outcome) for outcome in outcomes] == [PeerLost]
        assert type(ended.error) is (error or type(None))


@priors
@pytest.mark.parametrize(
    "end",
    [
        lambda req: req.peers[0].disconnect(),
        lambda req: req.disconnect(req.endpoints[0].endpoint),
        lambda req: req.aclose(),
    ],
    ids=["the peer", "the endpoint", "the socket"],
)
async def test_a_stand_in_is_recalled_when_our_side_ends(
    prior: int, end: Callable[[Req], object]
) -> None:
    """It does not wait for a word of the peer."""
    async with asked() as (req, service):
        async with trio.open_nursery() as nursery:
            outcomes = await in_background(nursery, req, service, prior=prior)
            ending = end(req)
            if ending is not None:
                await ending  # type: ignore[misc]  # two of them are awaited
        assert len(outcomes) == 1
        assert isinstance(outcomes[0], (PeerLost, trio.ClosedResourceError))


@priors
async def test_a_cancelled_stand_in_leaves_the_connection_to_the_reader(prior: int) -> None:
    """With ids, which make a late reply harmless, the connection lives on."""
    async with asked(correlate=True) as (req, service):
        request = b""
        for number in range(prior + 1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(req.request, b"request")
                await trio.testing.wait_all_tasks_blocked()
                (request,) = await _requests(service, 1)
                if number == prior:
                    nursery.cancel_scope.cancel()
                else:
                    await service.say(_reply_to(request))
        await service.say(_reply_to(request) + wire.ping(context=b"x"))
        await service.hear(wire.command(b"PONG", b"x"))
        assert req.endpoints[0].state is EndpointState.CONNECTED
        assert sum(req.statistics().dropped_incoming.values()) == 1


async def test_one_of_many_stands_in_and_all_get_their_replies() -> None:
    """Whichever reply comes first, and whoever it is for."""
    async with asked(correlate=True) as (req, service):
        replies: list[object] = []

        async def ask() -> None:
            replies.append(await req.request(b"request"))

        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(ask)
                for request in reversed(await _requests(service, 3)):
                    await trio.testing.wait_all_tasks_blocked()
                    await service.say(_reply_to(request))
        assert replies == [(b"reply",)] * 9


async def test_to_relieve_the_reader_does_not_disturb_the_writer() -> None:
    """It waits for the same socket: what the peer has not read yet is still written."""
    large = bytes(32 * 1024 * 1024)
    replies: list[object] = []
    async with asked(correlate=True) as (req, service):

        async def ask() -> None:
            replies.append(await req.request(b"request"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(req.request, large)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            left = len(wire.message(b"1234", b"", large))
            while left:
                left -= len(await service.stream.receive_some(min(left, 1 << 20)))
            (request,) = await _requests(service, 1)
            await service.say(_reply_to(request))
        assert replies == [(b"reply",)]


class _Steps(trio.abc.Instrument):
    """The tasks that have run."""

    def __init__(self) -> None:
        self.of: set[str] = set()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note it."""
        self.of.add(task.name)


async def test_the_reader_sleeps_while_one_request_follows_another() -> None:
    """To wake it for each of them costs as much as what it would do."""
    async with asked() as (req, service):
        steps = _Steps()

        async def answer(count: int) -> None:
            for _ in range(count):
                await service.hear(REQUEST)
                await service.say(REPLY)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, 12)
            for number in range(12):
                await req.request(b"request")
                if number == 1:
                    trio.lowlevel.add_instrument(steps)
            trio.lowlevel.remove_instrument(steps)
        # A request that follows at once is left to the writer's task.
        ours = {name for name in steps.of if name.startswith("trio_mq")}
        assert all("writer" in name for name in ours), ours


async def _requests(service: Service, count: int) -> list[bytes]:
    """Read so many correlated requests, and return their ids."""
    size = len(wire.message(b"1234", b"", b"request"))
    heard = b""
    while len(heard) < count * size:
        heard += await service.stream.receive_some(count * size - len(heard))
    return [heard[start + 2 : start + 6] for start in range(0, len(heard), size)]


def _reply_to(request: bytes) -> bytes:
    return wire.message(request, b"", b"reply")


# ------------------------------------------------------------------------------------------- Rep


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Rep, Service, list[object]]]:
    """Open a Rep with one client, and a task that answers; the requests it got, or its end."""
    got: list[object] = []
    async with Rep(bind="tcp://127.0.0.1:*", linger=0) as rep, trio.open_nursery() as nursery:

        async def answer() -> None:
            try:
                while True:
                    got.append(await rep.receive())
                    await rep.send(b"reply")
            except trio.ClosedResourceError as error:
                got.append(error)

        async with await client_of(rep) as stream:
            nursery.start_soon(answer)
            await trio.testing.wait_all_tasks_blocked()
            yield rep, Service(stream), got
        await rep.aclose()


async def client_of(rep: Rep) -> trio.SocketStream:
    """Connect a client that has said hello and been heard."""
    port = int(rep.endpoints[0].endpoint.rpartition(":")[2])
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(wire.hello(b"REQ"))
    repeats_ids = wire.prop(b"X-Correlate", b"1")
    await Service(stream).hear(wire.GREETING + wire.ready(b"REP", repeats_ids))
    await rep.wait_for_peers(len(rep.peers) or 1)
    return stream


async def test_a_server_watches_its_only_client() -> None:
    """It is counted as a task that waits, and is the only one that may."""
    async with serving() as (rep, client, got):
        for number in range(1, 4):
            await trio.testing.wait_all_tasks_blocked()
            assert rep.statistics().tasks_waiting_receive == 1
            with pytest.raises(trio.BusyResourceError):
                await rep.receive()
            with pytest.raises(trio.BusyResourceError):
                await rep.receive_from()
            await client.say(REQUEST)
            await client.hear(REPLY)
            assert got == [(b"request",)] * number


async def test_a_client_that_comes_meanwhile_is_served() -> None:
    """The server watches the first one when its request comes from the second."""
    async with serving() as (rep, first, got):
        await first.say(REQUEST)
        await first.hear(REPLY)
        async with await client_of(rep) as stream:
            second = Service(stream)
            for client in (second, second, first, second):
                await client.say(REQUEST)
                await client.hear(REPLY)
        assert got == [(b"request",)] * 5


async def test_the_server_is_recalled_when_it_closes() -> None:
    """It does not wait for a word of its client."""
    async with serving() as (rep, _, got):
        await rep.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in got] == [trio.ClosedResourceError]


async def test_the_server_goes_on_without_its_client() -> None:
    """And with the next one."""
    async with serving() as (rep, client, got):
        with rep.events() as events:
            await client.stream.aclose()
            await next_of(events, Disconnected)
        assert rep.peers == ()
        async with await client_of(rep) as stream:
            await stream.send_all(REQUEST)
            await Service(stream).hear(REPLY)
        assert got == [(b"request",)]


async def test_nobody_overtakes_the_task_that_watches() -> None:
    """A request that another connection brings is for who has waited."""
    async with serving() as (rep, _, got), await client_of(rep) as stream:
        await stream.send_all(REQUEST)
        while not got:
            # Or it has the request already, and only lets others run before it returns.
            with pytest.raises((trio.WouldBlock, StateError)):
                rep.receive_nowait()
            await trio.lowlevel.checkpoint()
        assert got == [(b"request",)]
        await Service(stream).hear(REPLY)


@attrs.define(eq=False)
class Connection:
    """A stream on which nothing arrives, and its reader, which finds nothing to do."""

    closed: bool = False
    waiting: trio.Event = attrs.field(factory=trio.Event)

    def watch(self) -> Watch:
        """Return its watch."""
        return Watch(cast("PollableStream", self), self)

    def readable(self) -> Awaitable[object]:
        """Wait for `interrupt`."""
        self.waiting = trio.Event()
        return self.waiting.wait()

    async def wait_readable(self) -> None:
        """Wait for `interrupt`."""
        await self.readable()

    def interrupt(self) -> None:
        """Let who waits look again."""
        self.waiting.set()

    def read_now(self) -> bytes | None:
        """Find nothing."""

    def stand_in(self, take_body: TakeBody[Pipe]) -> StoodIn:
        """Find nothing."""
        return StoodIn.NOTHING_LEFT


async def test_nobody_else_stands_in_before_the_last_one_has_gone() -> None:
    """Its going would be taken for that of the other, which nobody would recall then."""
    place, first, second = StandIn(), Connection().watch(), Connection().watch()
    over = False

    async def stand_in_at(watch: Watch) -> bool:
        return await watch.stand_in(place, lambda: over, lambda _pipe, _message: False)

    async with trio.open_nursery() as nursery:
        for watch in (first, second):
            nursery.start_soon(watch.receive)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(stand_in_at, first)
        await trio.testing.wait_all_tasks_blocked()
        over = True
        place.recall()
        # The first one is woken, and has not run yet.
        stood_in = True
        with trio.move_on_after(0):
            stood_in = await stand_in_at(second)
        assert not stood_in
        assert place.watched is first
        await trio.testing.wait_all_tasks_blocked()
        assert place.watched is None
        over = False
        nursery.start_soon(stand_in_at, second)
        await trio.testing.wait_all_tasks_blocked()
        assert place.watched is second
        over = True
        place.recall()
        for watch in (first, second):
            watch.release()
