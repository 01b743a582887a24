"""Large boxes are sealed and opened in threads, and nothing else of a connection is."""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import attrs
import pytest
import trio
import trio.testing

import trio_mq
from tests.connections.test_link import next_of
from tests.interop.accounts import assert_accounted_for
from tests.interop.relay import relaying
from trio_mq import (
    Dealer,
    Disconnected,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Socket,
    XPub,
    XSub,
    auth,
)
from trio_mq._connections import elsewhere, reader, writer
from trio_mq.testing import Network
from trio_mq.testing.wire import End

KEYS: Final = auth.CurveKeys.generate()
SERVER: Final = auth.CurveServer(KEYS)
CLIENT: Final = auth.CurveClient(server=KEYS.public)
TCP: Final = "tcp://127.0.0.1:*"
#: What counts as large here, and a body that does.
FEW: Final = 2000
BODY: Final = b"large" * 500

Work = Callable[[], None]
WorkElsewhere = Callable[[Work], Awaitable[None]]


@attrs.frozen
class Held:
    """A box that waits for its thread."""

    _work: Work
    _done: trio.Event

    def release(self) -> None:
        """Do what the thread would do, and tell the task that waits for it, if one does."""
        self._work()
        self._done.set()


class Bench:
    """Takes the place of all threads: boxes are worked on when the test says so."""

    def __init__(self) -> None:
        self._put, self._boxes = trio.open_memory_channel[Held](math.inf)

    async def work(self, work: Work) -> None:
        """Wait until the test has had the work done."""
        done = trio.Event()
        self._put.send_nowait(Held(work, done))
        await done.wait()

    async def next(self) -> Held:
        """Wait for the next box."""
        return await self._boxes.receive()

    @property
    def empty(self) -> bool:
        """No box has come."""
        return not self._boxes.statistics().current_buffer_used


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a frame for large that fits into any kernel's buffers."""
    monkeypatch.setattr(elsewhere, "LARGE", FEW)


async def work_here(work: Work) -> None:
    """Do it at once."""
    await trio.lowlevel.checkpoint()
    work()


@pytest.fixture
def sealing(monkeypatch: pytest.MonkeyPatch, _few: None) -> Bench:
    """Hold each box that is to be sealed."""
    bench = Bench()
    monkeypatch.setattr(writer, "work_elsewhere", bench.work)
    return bench


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch, _few: None) -> Bench:
    """Hold each box that is to be opened; none is sealed in a thread, as the clock may jump."""
    bench = Bench()
    monkeypatch.setattr(reader, "work_elsewhere", bench.work)
    monkeypatch.setattr(writer, "work_elsewhere", work_here)
    return bench


@asynccontextmanager
async def joined(
    server: Socket, client: Socket, *, place: str = TCP
) -> AsyncIterator[trio.Nursery]:
    """Open both and connect the client; the nursery is the test's."""
    async with server, client, trio.open_nursery() as nursery:
        await client.connect(await server.bind(place), wait=True)
        await server.wait_for_peers()
        yield nursery


def pull(**options: object) -> Pull:
    """Return a Pull that lets everybody in."""
    return Pull(**{"mechanism": SERVER, "authenticator": auth.ALLOW_ANY, **options})  # type: ignore[arg-type]


def push(**options: object) -> Push:
    """Return a Push that fits it, and comes back at once."""
    return Push(**{"mechanism": CLIENT, "reconnect_interval": 0.001, **options})  # type: ignore[arg-type]


# -- while a box is being sealed --


def counts(wire: bytes) -> list[int]:
    """Return the counts of the boxes in what one end has said, in order."""
    found, at = list[int](), 64
    while at < len(wire):
        header = 9 if wire[at] & 2 else 2
        size = int.from_bytes(wire[at + 1 : at + header], "big")
        body = wire[at + header : at + header + size]
        # The last one may be half there.
        if body.startswith(b"\7MESSAGE") and len(body) == size:
            found.append(int.from_bytes(body[8:16], "big"))
        at += header + size
    return found


async def test_whoever_seals_meanwhile_waits_behind_the_box(sealing: Bench) -> None:
    """Messages, subscriptions and their ends, PING and PONG go in the order of their counts."""
    xpub = XPub(mechanism=SERVER, authenticator=auth.ALLOW_ANY, linger=0)
    xsub = XSub(mechanism=CLIENT, linger=0)
    async with xpub, xsub, relaying(await xpub.bind(TCP)) as relay:
        await xsub.connect(relay.endpoint, wait=True)
        await xpub.wait_for_peers()
        await xsub.send([b"first", BODY, b"small", BODY])
        first = await sealing.next()
        await xsub.send(b"behind")
        xsub.subscribe(b"a")
        xsub.subscribe(b"t" * 3000)
        xsub.unsubscribe(b"a")
        for socket in (xsub, xpub):
            (link,) = socket._members.links.values()
            link._keep_heartbeat()._ping()  # type: ignore[attr-defined]
        # The other end's PING has come, and its PONG is due.
        (link,) = xsub._members.links.values()
        heartbeat = link._pulse.heartbeat  # type: ignore[attr-defined]
        while heartbeat._pong_due is None:
            await trio.testing.wait_all_tasks_blocked(0.001)
        await xsub.send([BODY, b"and", b"last"])
        assert sealing.empty
        first.release()
        for _ in range(2):
            (await sealing.next()).release()
        assert await xpub.receive() == (b"first", BODY, b"small", BODY)
        # Whatever was counted meanwhile is next, before what was only queued.
        assert await xpub.receive() == b"\1a"
        assert await xpub.receive() == b"\1" + b"t" * 3000
        assert await xpub.receive() == b"\0a"
        assert await xpub.receive() == b"behind"
        assert await xpub.receive() == (BODY, b"and", b"last")
        # And the same where only small messages come behind it.
        await xsub.send(BODY)
        held = await sealing.next()
        xsub.subscribe(b"z")
        await xsub.send(b"tail")
        held.release()
        assert [await xpub.receive() for _ in range(3)] == [BODY, b"\1z", b"tail"]
        # The relay notes what it has passed on.
        await relay.heard(b"\7MESSAGE", from_target=False, times=4 + 3 + 2 + 4 + 3)
        said = counts(bytes(relay._said[False]))
        # The handshake has two. Then 4 frames, 3 commands, PONG and PING, 1 and 3 frames, 3 more;
        # and another PONG if the other end asks again because it does not read meanwhile.
        assert said == list(range(3, 3 + len(said)))
        await relay.heard(b"\7MESSAGE", from_target=True, times=2)
        assert xpub.peers[0].round_trip_time is not None


def we_drop(push: Push, pull: Pull, grants: list[auth.Revocation]) -> None:
    """The end that seals ends the connection."""
    push.peers[0].disconnect()


def they_drop(push: Push, pull: Pull, grants: list[auth.Revocation]) -> None:
    """The other end ends it."""
    pull.peers[0].disconnect()


def revoke(push: Push, pull: Pull, grants: list[auth.Revocation]) -> None:
    """The key is revoked, and then granted anew."""
    grants[-1].revoke()


@pytest.mark.parametrize("late", [False, True], ids=["thread-first", "thread-last"])
@pytest.mark.parametrize("we_serve", [False, True], ids=["as-client", "as-server"])
@pytest.mark.parametrize("end", [we_drop, they_drop, revoke])
async def test_a_connection_that_ends_meanwhile_loses_and_doubles_nothing(
    sealing: Bench,
    end: Callable[[Push, Pull, list[auth.Revocation]], None],
    we_serve: bool,  # noqa: FBT001  # pytest passes it
    late: bool,  # noqa: FBT001  # as above
) -> None:
    """The message goes over the next one, in a box of its own, whatever the thread still does."""
    grants: list[auth.Revocation] = []

    async def grant(_request: auth.Request) -> auth.Granted:
        grants.append(auth.Revocation())
        return auth.Granted("somebody", revocations=(grants[-1],))

    options: list[dict[str, object]] = [
        {"mechanism": SERVER, "authenticator": grant},
        {"mechanism": CLIENT, "authenticator": None, "reconnect_interval": 0.001},
    ]
    sender, receiver = push(**options[not we_serve]), pull(**options[we_serve])
    server, client = (sender, receiver) if we_serve else (receiver, sender)
    async with joined(server, client):
        with sender.events() as events:
            await sender.send(BODY)
            held = await sealing.next()
            end(sender, receiver, grants)
            await next_of(events, Disconnected)
            if not late:
                held.release()
            await sender.send(b"next")
            (await sealing.next()).release()
            if late:
                held.release()
        # An accepted peer is another one when it comes back: what waited for it has moved on.
        assert await receiver.receive() == BODY
        assert await receiver.receive() == b"next"
        assert sealing.empty
        assert_accounted_for(sender)


async def test_a_socket_that_closes_waits_for_the_box(sealing: Bench) -> None:
    """It has its linger, as for any write."""
    async with pull() as receiver, trio.open_nursery() as nursery:
        async with push(linger=math.inf) as sender:
            await sender.connect(await receiver.bind(TCP), wait=True)
            await sender.send(BODY)
            held = await sealing.next()
            nursery.start_soon(sender.aclose)
            await trio.testing.wait_all_tasks_blocked()
            held.release()
        assert await receiver.receive() == BODY


async def test_a_socket_that_closes_at_once_makes_its_last_attempt(sealing: Bench) -> None:
    """It seals the box itself: the same one, whatever the thread makes of it later."""
    async with pull() as receiver:
        async with push(linger=0) as sender:
            await sender.connect(await receiver.bind(TCP), wait=True)
            await sender.send(BODY)
            held = await sealing.next()
        assert await receiver.receive() == BODY
        held.release()


async def test_a_send_that_is_cancelled_meanwhile_sends_nothing(sealing: Bench) -> None:
    """It waited for room behind the box."""
    sender, receiver = push(send_hwm=1), pull()
    async with joined(receiver, sender):
        await sender.send(BODY)
        held = await sealing.next()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sender.send, b"cancelled")
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        held.release()
        await sender.send(b"next")
        assert await receiver.receive() == BODY
        assert await receiver.receive() == b"next"
        assert_accounted_for(sender)


# -- while a box is being opened --


async def test_what_comes_behind_it_waits_and_what_others_send_does_not(opening: Bench) -> None:
    """That is the point of it."""
    async with pull() as receiver, push() as sender, push() as other:
        endpoint = await receiver.bind(TCP)
        for socket in (sender, other):
            await socket.connect(endpoint, wait=True)
        await receiver.wait_for_peers(2)
        await sender.send(BODY)
        held = await opening.next()
        await sender.send(b"behind")
        for _ in range(10):
            await other.send(b"other")
            assert await receiver.receive() == b"other"
        held.release()
        assert await receiver.receive() == BODY
        assert await receiver.receive() == b"behind"


async def test_a_receive_that_is_cancelled_meanwhile_takes_nothing(opening: Bench) -> None:
    """The message is for the next one."""
    async with joined(receiver := pull(), sender := push()):
        await sender.send(BODY)
        held = await opening.next()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receiver.receive)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        held.release()
        assert await receiver.receive() == BODY
        assert_accounted_for(receiver)


async def test_a_peer_that_leaves_meanwhile_has_sent_what_it_has_sent(opening: Bench) -> None:
    """What it wrote before it left is received, in order."""
    async with pull() as receiver:
        with receiver.events() as events:
            async with push() as sender:
                await sender.connect(await receiver.bind(TCP), wait=True)
                await sender.send(BODY)
                await sender.send(BODY + b"2")
                held = await opening.next()
            held.release()
            (await opening.next()).release()
            await next_of(events, Disconnected)
        assert await receiver.receive() == BODY
        assert await receiver.receive() == BODY + b"2"
        assert_accounted_for(receiver)


@pytest.mark.parametrize("late", [False, True], ids=["thread-first", "thread-last"])
async def test_a_connection_that_we_end_meanwhile_delivers_nothing_more(
    opening: Bench,
    late: bool,  # noqa: FBT001  # pytest passes it
) -> None:
    """A peer that was dropped, or whose key was revoked, is not heard, whatever a thread opens."""
    async with joined(receiver := pull(), sender := push()):
        with receiver.events() as events:
            await sender.send(BODY)
            held = await opening.next()
            receiver.peers[0].disconnect()
            if not late:
                held.release()
            await next_of(events, Disconnected)
            held.release()
        await sender.send(b"next")
        assert await receiver.receive() == b"next"
        assert_accounted_for(receiver)


async def test_a_socket_closes_without_waiting_for_the_thread(opening: Bench) -> None:
    """It has nobody to give the message to."""
    async with push(linger=0) as sender:
        async with pull(linger=0) as receiver:
            await sender.connect(await receiver.bind(TCP), wait=True)
            await sender.send(BODY)
            held = await opening.next()
        assert receiver.statistics().delivered == 0
        held.release()


@pytest.mark.usefixtures("_few")
async def test_what_a_peer_has_left_is_opened_as_there_is_room() -> None:
    """It is decoded in the calls that make room, where no thread can be waited for."""
    async with pull(receive_hwm=1) as receiver:
        with receiver.events() as events:
            async with push(linger=math.inf) as sender:
                await sender.connect(await receiver.bind(TCP), wait=True)
                for number in range(5):
                    await sender.send([BODY, b"%d" % number, BODY])
            await next_of(events, Disconnected)
        for number in range(5):
            assert await receiver.receive() == (BODY, b"%d" % number, BODY)
        assert_accounted_for(receiver)


async def test_a_peer_is_not_dead_while_its_box_is_being_opened(
    mq_network: Network, opening: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signs of life are behind the box, and nobody reads them."""
    monkeypatch.setattr(End, "takes_real_time", True)
    receiver = pull(context=mq_network.host("field"), heartbeat_interval=1, heartbeat_timeout=1)
    async with joined(
        receiver, sender := push(context=mq_network.host("lab")), place="tcp://field:5"
    ):
        (peer,) = receiver.peers
        await sender.send(BODY)
        held = await opening.next()
        await trio.sleep(100)
        held.release()
        assert await receiver.receive() == BODY
        await trio.sleep(100)
        assert receiver.peers == (peer,)


# -- in threads --

#: Bodies of one frame and of many, at and about the size from which on a frame is large.
BODIES: Final = [
    (bytes(FEW - 1),),
    (bytes(FEW),),
    (b"", bytes(FEW + 1), b"between", bytes(70_000), b""),
    (b"small",),
    (bytes(2**20),),
]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch, _few: None) -> list[int]:
    """Return the threads in which boxes were worked on, by their numbers."""
    numbers: list[int] = []
    work_elsewhere = elsewhere.work_elsewhere

    async def spy(work: Work) -> None:
        def noted() -> None:
            numbers.append(threading.get_ident())
            work()

        await work_elsewhere(noted)

    for module in (reader, writer):
        monkeypatch.setattr(module, "work_elsewhere", spy)
    return numbers


@pytest.mark.parametrize("hwm", [1, 1000])
async def test_messages_of_all_sizes_arrive_in_order(threads: list[int], hwm: int) -> None:
    """Also where each has to wait for room; the large ones come through threads, and only they."""
    async with joined(receiver := pull(receive_hwm=hwm), sender := push(send_hwm=hwm)) as nursery:
        sent = BODIES * 10

        async def send_all() -> None:
            for body in sent:
                await sender.send(body)

        nursery.start_soon(send_all)
        for body in sent:
            assert await receiver.receive() == body
    large = sum(len(frame) >= FEW for body in sent for frame in body)
    assert len(threads) == 2 * large
    assert threading.get_ident() not in threads


async def test_a_task_that_waits_for_a_reply_gets_a_large_one(threads: list[int]) -> None:
    """It watches the connection itself, and the reader goes on from there."""
    rep = Rep(mechanism=SERVER, authenticator=auth.ALLOW_ANY)
    async with joined(rep, req := Req(mechanism=CLIENT)) as nursery:
        nursery.start_soon(rep.serve, reverse)
        for body in BODIES * 3:
            assert await req.request(body) == body[::-1]
        nursery.cancel_scope.cancel()
    large = sum(len(frame) >= FEW for body in BODIES * 3 for frame in body)
    # Sealed and opened on the way there, and on the way back.
    assert len(threads) == 4 * large
    assert threading.get_ident() not in threads


async def test_what_is_large_at_the_end_of_a_turn_is_left_to_the_task(threads: list[int]) -> None:
    """Requests and replies are written there without a task, where they are small."""
    router = Router(mechanism=SERVER, authenticator=auth.ALLOW_ANY)
    async with joined(router, dealer := Dealer(mechanism=CLIENT, routing_id=b"it")):
        (link,) = router._members.links.values()
        of_router = link._writer  # type: ignore[attr-defined]
        # Each message seems to follow the last write at once.
        of_router._last_write = 0.0
        of_router._clock = lambda: 0.0
        for body in BODIES:
            await router.send([b"it", *body])
            assert await dealer.receive() == body
    large = sum(len(frame) >= FEW for body in BODIES for frame in body)
    assert len(threads) == 2 * large


async def reverse(request: trio_mq.Request) -> tuple[bytes, ...]:
    """Answer with the frames in reverse order."""
    return tuple(request.message)[::-1]


async def test_only_so_many_are_worked_on_at_once() -> None:
    """Other threads of the program are not among them."""
    token = trio.lowlevel.current_trio_token()
    begun, go = trio.Semaphore(0), threading.Event()
    boxes = elsewhere.MOST_THREADS + 3
    at_work = most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        token.run_sync_soon(begun.release)
        go.wait()
        with lock:
            at_work -= 1

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(boxes):
                nursery.start_soon(elsewhere.work_elsewhere, work)
            for _ in range(elsewhere.MOST_THREADS):
                await begun.acquire()
            await trio.testing.wait_all_tasks_blocked()
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            go.set()
    finally:
        go.set()
    assert most == elsewhere.MOST_THREADS


async def test_a_cancelled_task_leaves_the_thread_to_itself() -> None:
    """It does not wait for it."""
    token = trio.lowlevel.current_trio_token()
    begun, go, done = trio.Event(), threading.Event(), trio.Event()

    def work() -> None:
        token.run_sync_soon(begun.set)
        go.wait()
        token.run_sync_soon(done.set)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(elsewhere.work_elsewhere, work)
            await begun.wait()
            nursery.cancel_scope.cancel()
        assert not done.is_set()
    finally:
        go.set()
    await done.wait()


async def test_without_a_thread_the_work_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system may have none left."""

    async def no_thread(*_: object, **_options: object) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", no_thread)
    done: list[bool] = []
    await elsewhere.work_elsewhere(lambda: done.append(True))
    assert done == [True]


# -- where not --


async def test_in_virtual_time_there_are_no_threads(
    mq_network: Network, threads: list[int]
) -> None:
    """The clock would jump while one works."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with joined(
        receiver := pull(context=field), sender := push(context=lab), place="tcp://field:5"
    ):
        start = trio.current_time()
        for body in BODIES:
            await sender.send(body)
            assert await receiver.receive() == body
        assert trio.current_time() - start < 1
    assert threads == []
