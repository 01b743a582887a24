"""What costs the same for few peers and for many, by the calls that it makes."""

from __future__ import annotations

import gc
import math
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TypeGuard

import pytest
import trio
import trio.testing

from tests.hostile.test_hogs import connect
from tests.hostile.wire import hello, message
from tests.joined import MemoryListener
from tests.spec.meeting import eventually
from trio_mq import Dealer, Pull, Push, Router, Socket
from trio_mq._connections import leaving
from trio_mq._connections.link import Link


@contextmanager
def calls() -> Iterator[list[int]]:
    """Count the calls of Python and of C functions."""
    counted = [0]

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            counted[0] += 1

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


async def with_peers(count: int, act: Callable[[Router], object]) -> int:
    """Return the calls that something makes on a Router with so many peers."""
    listener = MemoryListener()
    async with Router(linger=0) as router:
        await router.bind("memory", listener=listener)
        # Everybody says something, so that there is something to count.
        for _ in range(count):
            await (await listener.dial()).write_all(hello(b"DEALER") + message(b"hello"))
        for _ in range(count):
            await router.receive()
        await trio.testing.wait_all_tasks_blocked()
        act(router)
        with calls() as counted:
            act(router)
    return counted[0]


async def stay(name: str) -> None:
    """Connect, say something and stay."""
    async with Dealer(linger=0, connect=name) as dealer:
        await dealer.send(b"hello")
        await trio.sleep_forever()


@pytest.mark.parametrize(
    "act",
    [Socket.statistics, repr, lambda router: router.peers, lambda router: router.endpoints],
    ids=["statistics", "repr", "peers", "endpoints"],
)
async def test_looking_costs_the_same_for_few_and_for_many(act: Callable[[Router], object]) -> None:
    """The calls are counted, since time depends on the machine."""
    assert await with_peers(10, act) == await with_peers(300, act)


async def test_the_figures_of_a_peer_are_made_when_they_are_looked_at() -> None:
    """Of the peers that were there, in order of arrival, as they are now."""
    async with Router(linger=0, bind="inproc://figures") as router, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(stay, "inproc://figures")
        await router.wait_for_peers(3)
        await trio.testing.wait_all_tasks_blocked()
        figures = router.statistics().peers
        assert [each.peer for each in figures] == list(router.peers)
        assert [each.waiting_to_receive for each in figures[1:]] == [1, 1]
        for _ in range(3):
            await router.receive()
        assert [each.delivered for each in figures] == [1, 1, 1]
        assert figures == router.statistics().peers
        assert "3 peers" in repr(figures)
        with pytest.raises(IndexError):
            figures[3]
        nursery.cancel_scope.cancel()


async def test_totals_stay_when_peers_have_gone() -> None:
    """With what was counted for them, in both directions."""
    async with Router(linger=0, bind="inproc://gone") as router:
        for _ in range(3):
            async with Dealer(connect="inproc://gone") as dealer:
                await dealer.send(b"hello")
                name, _ = await router.receive()
                await router.send([name, b"hello"])
                await dealer.receive()
        totals = router.statistics()
        assert (totals.decoded, totals.delivered, totals.accepted, totals.written) == (3, 3, 3, 3)
        assert totals.peers == ()


@contextmanager
def deliveries() -> Iterator[Counter[str]]:
    """Count how often trio raises `trio.Cancelled` in some task."""
    counted = Counter[str]()

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "raise_cancel":
            counted[frame.f_code.co_name] += 1

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


async def close(socket: Pull | Push, way: str) -> None:
    """Close in the midst of a block."""
    if way in ("aclose", "linger"):
        await socket.aclose()
    else:
        raise RuntimeError(way)


async def be_visited(pull: Pull, visitors: int, strangers: AsyncExitStack) -> None:
    """Let so many peers come that say who they are, and then nothing."""
    endpoint = await pull.bind("tcp://127.0.0.1:*")
    for _ in range(visitors):
        stranger = await strangers.enter_async_context(await connect(endpoint))
        await stranger.send_all(hello(b"PUSH"))
    await pull.wait_for_peers(visitors)
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("way", ["aclose", "an exception"])
async def test_the_end_of_many_connections_cancels_no_tasks(way: str) -> None:
    """Exceptions with tracebacks, in groups of thousands, took most of the time of closing."""
    visitors = 50
    async with AsyncExitStack() as strangers:
        with suppress(RuntimeError), deliveries() as counted:
            async with Pull(linger=10) as pull:
                await be_visited(pull, visitors, strangers)
                counted.clear()
                await close(pull, way)
        assert counted.total() < visitors // 5


async def tracked_with(peers: int) -> int:
    """Return how many objects there are for the garbage collector with so many idle peers."""
    async with AsyncExitStack() as strangers, Pull(linger=0) as pull:
        await be_visited(pull, peers, strangers)
        gc.collect()
        return len(gc.get_objects())


async def test_an_idle_connection_is_few_objects() -> None:
    """The collector goes through all of them again and again while thousands of peers come.

    The bound leaves room for what Python's versions and the other end take: eight each.
    """
    few, many = await tracked_with(20), await tracked_with(60)
    assert (many - few) / 40 < 76


async def leave_with(stranger: trio.SocketStream) -> None:
    """Read to the end, and hang up then, as any peer does."""
    async with stranger:
        while await stranger.receive_some(1000):
            pass


async def test_the_end_of_many_connections_that_got_messages_cancels_no_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each waits until its peer has read everything, and does not have to be cut off."""
    visitors = 50
    # A look at what the peer has taken meanwhile is the end of a pause, which counts as well.
    monkeypatch.setattr(leaving, "_LOOK_BETWEEN", math.inf)
    async with AsyncExitStack() as strangers, trio.open_nursery() as nursery:
        async with Router(linger=math.inf) as router:
            endpoint = await router.bind("tcp://127.0.0.1:*")
            for _ in range(visitors):
                stranger = await strangers.enter_async_context(await connect(endpoint))
                await stranger.send_all(hello(b"DEALER"))
                nursery.start_soon(leave_with, stranger)
            await router.wait_for_peers(visitors)
            for peer in router.peers:
                await router.send_to(peer, b"message")
            await trio.testing.wait_all_tasks_blocked()
            with deliveries() as counted:
                await router.aclose()
        assert counted.total() < visitors // 5
        assert router.statistics().written == visitors


class PeersEachTurn(trio.abc.Instrument):
    """Notes how many peers there are between two turns of the scheduler.

    Args:
        socket: Whose.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.seen: list[int] = []

    def before_io_wait(self, timeout: float) -> None:
        """Note it."""
        self.seen.append(len(self._socket.peers))


@pytest.mark.parametrize("way", ["aclose", "an exception"])
async def test_others_run_while_many_connections_end(way: str) -> None:
    """A server with thousands of peers may be one of several in its program."""
    visitors = 250
    async with AsyncExitStack() as strangers:
        with suppress(RuntimeError):
            async with Pull(linger=10) as pull:
                await be_visited(pull, visitors, strangers)
                counted = PeersEachTurn(pull)
                trio.lowlevel.add_instrument(counted)
                await close(pull, way)
    trio.lowlevel.remove_instrument(counted)
    # Of all that it has had between two turns, none ended more than a part.
    assert len(counted.seen) > 3
    assert max(a - b for a, b in pairwise(counted.seen)) < visitors // 2


class Spawned(trio.abc.Instrument):
    """Counts the tasks that are started."""

    def __init__(self) -> None:
        self.count = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Count it."""
        self.count += 1


async def test_the_end_of_an_idle_connection_starts_no_task_and_waits_for_nobody() -> None:
    """Nothing was written to the peer, so nothing of it can be lost; and it need not answer."""
    async with Router(linger=math.inf) as router:
        endpoint = await router.bind("tcp://127.0.0.1:*")
        async with await connect(endpoint) as stranger:
            await stranger.send_all(hello(b"DEALER"))
            await router.wait_for_peers(1)
            await trio.testing.wait_all_tasks_blocked()
            spawned = Spawned()
            trio.lowlevel.add_instrument(spawned)
            await router.aclose()
            trio.lowlevel.remove_instrument(spawned)
    assert spawned.count == 0


async def test_who_keeps_a_peer_keeps_no_connection() -> None:
    """Its buffers would be kept with it, for as long as somebody looks at old figures."""
    async with Pull(linger=0) as pull:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        async with await connect(endpoint) as stranger:
            await stranger.send_all(hello(b"PUSH"))
            await pull.wait_for_peers(1)
            (peer,) = pull.peers
            (link,) = (weakref.ref(link) for link in gc.get_referents(peer) if is_link(link))
            assert link() is not None
        await peer.wait_closed()
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        assert link() is None
        assert peer.statistics().decoded == 0


def is_link(thing: object) -> TypeGuard[Link]:
    """Tell whether it is a connection."""
    return isinstance(thing, Link)


@pytest.mark.parametrize("way", ["aclose", "linger", "an exception", "disconnect"])
async def test_the_end_of_many_connected_endpoints_cancels_no_tasks(
    way: str, tmp_path: Path
) -> None:
    """Whoever dialled; and whether there is somebody at an endpoint, or nobody yet."""
    count = 50
    places = [tmp_path / f"{number}" for number in range(2 * count)]
    async with Pull(linger=0) as pull:
        await pull.bind(f"ipc://{tmp_path}/bound")
        for place in places[:count]:
            place.symlink_to(tmp_path / "bound")
        with suppress(RuntimeError), deliveries() as counted:
            async with Push(linger=10 if way == "linger" else 0, reconnect_interval=1000) as push:
                for place in places:
                    await push.connect(f"ipc://{place}")
                await push.wait_for_peers(count)
                await eventually(lambda: all(each.next_retry for each in push.endpoints[count:]))
                await trio.testing.wait_all_tasks_blocked()
                counted.clear()
                if way == "disconnect":
                    async with trio.open_nursery() as nursery:
                        for place in places:
                            nursery.start_soon(push.disconnect, f"ipc://{place}")
                else:
                    await close(push, way)
        assert counted.total() < count // 5
