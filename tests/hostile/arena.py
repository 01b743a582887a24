"""A socket of ours, a good peer, and a bad one: what every hostile case plays out in.

Whatever the bad peer says or does, the conditions that `Arena.check` looks at hold: good peers,
the one that was there before and one that comes after, exchange a message with the socket; the
bad connection ended once, with one event; and its tasks and descriptors are gone. That no
exception leaves the library and nothing is left to the garbage collector, every test of the
project checks. `play` is the usual course of a case, from its first byte to the check.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import attrs
import trio
import trio.testing

from tests.descriptors import open_sockets_and_pipes
from tests.hostile.good_peers import exchange, good_peer_of, may_have_several, unread
from trio_mq import (
    Disconnected,
    Event,
    EventStream,
    HandshakeFailed,
    Message,
    Options,
    Socket,
)

#: Which end of its connection the bad peer is.
Place: TypeAlias = Literal["connecting", "accepting"]
PLACES: tuple[Place, ...] = ("connecting", "accepting")
Terminal: TypeAlias = HandshakeFailed | Disconnected
MakeSocket: TypeAlias = Callable[[], Socket]
Ours = TypeVar("Ours", bound=Socket)

#: Where Linux lists what this process has open.
#: Seconds after which something that must happen has not.
PATIENCE = 60


@attrs.define(eq=False)
class BadPeer:
    """One connection whose other end is ours."""

    stream: trio.SocketStream
    heard: bytearray = attrs.field(factory=bytearray)

    async def say(self, data: bytes) -> None:
        """Send bytes; we may have hung up meanwhile, as we should."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def end(self) -> None:
        """Say no more; we may have hung up meanwhile, as we should."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self.stream.send_eof()

    async def hear(self, size: int) -> bytes:
        """Return all that was heard, once it is that many bytes."""
        with trio.fail_after(PATIENCE):
            while len(self.heard) < size:
                data = await self.stream.receive_some()
                assert data, f"the connection ended after {bytes(self.heard)!r}"
                self.heard += data
        return bytes(self.heard)

    async def hear_all(self) -> bytes:
        """Return all that was heard, once the connection has ended."""
        with trio.fail_after(PATIENCE), contextlib.suppress(trio.BrokenResourceError):
            while data := await self.stream.receive_some():
                self.heard += data
        return bytes(self.heard)

    async def leave(self) -> None:
        """Close the connection as programs do."""
        await self.stream.aclose()

    async def reset(self) -> None:
        """Close the connection so that it is gone at once and the other end is told so."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()


USUAL: Final = Options().handshake_timeout


@attrs.define(eq=False)
class Arena(Generic[Ours]):
    """A socket that has a good peer, and a place for bad ones."""

    ours: Ours
    endpoint: str
    before: Socket | None
    place: Place
    _stream: EventStream
    #: Where bad peers come, and the time that they alone have.
    _door: str
    _patience: float
    _census: Census = attrs.field(init=False)
    _ends: list[Terminal] = attrs.field(factory=list, init=False)
    _another_end: trio.Event = attrs.field(factory=trio.Event, init=False)
    _expected: int = attrs.field(default=0, init=False)

    @contextlib.asynccontextmanager
    async def bad_peer(self) -> AsyncIterator[BadPeer]:
        """Connect a bad peer and ours; in the end close its end, and wait for the end of ours."""
        self._expected += 1
        before = len(self._ends)
        stream = await (self._knock() if self.place == "connecting" else self._lure())
        name = "{}:{}".format(*stream.socket.getsockname())
        try:
            yield BadPeer(stream)
        finally:
            await stream.aclose()
        with trio.fail_after(PATIENCE):
            while not any(f"{name} " in _names(end) for end in self._ends[before:]):
                await self._another_end.wait()
        if self.place == "accepting":
            await self.ours.disconnect(f"tcp://{name}")

    @contextlib.contextmanager
    def stranger(self) -> Iterator[None]:
        """Expect one more connection, which the test makes in its own way."""
        self._expected += 1
        yield

    async def _knock(self) -> trio.SocketStream:
        host, port = self._door.removeprefix("tcp://").split(":")
        return await trio.open_tcp_stream(host, int(port))

    async def _lure(self) -> trio.SocketStream:
        """Listen for one connection of ours; our later attempts will reach nobody."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            port = listener.socket.getsockname()[1]
            await self.ours.connect(f"tcp://127.0.0.1:{port}", handshake_timeout=self._patience)
            with trio.fail_after(PATIENCE):
                return await listener.accept()

    async def end(self) -> Terminal:
        """Wait for the end of the bad connection, and return the event that told of it."""
        await self._wait_for_ends(1)
        return self._ends[-1]

    async def watch(self) -> None:
        """Collect the ends of connections as they come."""
        async for event in self._stream:
            if isinstance(event, (HandshakeFailed, Disconnected)):
                self._ends.append(event)
                self._another_end.set()
                self._another_end = trio.Event()

    async def _wait_for_ends(self, count: int) -> None:
        with trio.fail_after(PATIENCE):
            while len(self._ends) < count:
                await self._another_end.wait()

    async def begin(self) -> None:
        """Remember how things are without bad peers."""
        # A publisher's printer ends when a peer leaves. So it must not count among those that stay.
        self.ours._pattern.ledger.printer.rest()
        await trio.testing.wait_all_tasks_blocked()
        self._census = census()

    async def check(self) -> None:
        """See that nothing is left of the bad peers, and that good ones get on as ever."""
        await trio.testing.wait_all_tasks_blocked()
        assert census().left_since(self._census) == NOTHING, "tasks, and what is open"
        assert len(self.ours.peers) == (self.before is not None)
        await self._exchange_with_good_peers()
        await trio.testing.wait_all_tasks_blocked()
        assert len(self._ends) == self._expected, f"one end for each bad peer: {self._ends}"

    async def _exchange_with_good_peers(self) -> None:
        good = [] if self.before is None else [self.before]
        with trio.fail_after(PATIENCE):
            await exchange(self.ours, good, b"<")
            async with good_peer_of(self.ours) as after:
                await after.connect(self.endpoint, wait=True)
                await self.ours.wait_for_peers(len(good) + 1)
                await exchange(self.ours, [*good, after], b">")
                # Its own end is one more.
                self._expected += 1
            await self._wait_for_ends(self._expected)


@contextlib.asynccontextmanager
async def arena(
    ours: Ours, place: Place, *, handshake_timeout: float = USUAL
) -> AsyncIterator[Arena[Ours]]:
    """Open a socket and give it a good peer; in the end, check.

    Args:
        ours: The socket.
        place: Which end bad peers are.
        handshake_timeout: Of bad peers alone. A good one on a busy machine may need much longer
            than a test wants to wait for a bad one.
    """
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(ours)
        endpoint = await ours.bind("tcp://127.0.0.1:*")
        door = await ours.bind("tcp://127.0.0.1:*", handshake_timeout=handshake_timeout)
        before = None
        if may_have_several(ours):
            before = await stack.enter_async_context(good_peer_of(ours))
            await before.connect(endpoint, wait=True)
            await ours.wait_for_peers()
        stage = Arena(
            ours,
            endpoint,
            before,
            place,
            stack.enter_context(ours.events()),
            door,
            handshake_timeout,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.watch)
            await stage.begin()
            yield stage
            await stage.check()
            nursery.cancel_scope.cancel()


@attrs.frozen
class Outcome:
    """What became of a bad connection."""

    end: Terminal
    #: What we said to the bad peer.
    said: bytes
    #: What the socket got from it.
    delivered: list[Message]

    @property
    def reason(self) -> str:
        """The word for the end."""
        return self.end.reason


async def play(
    ours: Socket,
    place: Place,
    data: bytes,
    *,
    leave: bool = False,
    handshake_timeout: float = USUAL,
) -> Outcome:
    """Let a bad peer say its bytes, wait for the end of it, and check.

    Args:
        ours: The socket.
        place: Which end the bad peer is.
        data: All that it says.
        leave: It closes the connection then; otherwise it waits for us to do so.
        handshake_timeout: As for `arena`.
    """
    async with arena(ours, place, handshake_timeout=handshake_timeout) as stage:
        async with stage.bad_peer() as bad:
            await bad.say(data)
            if leave:
                await bad.end()
            said = await bad.hear_all()
        end = await stage.end()
        return Outcome(end, said, list(unread(ours)))


def _names(end: Terminal) -> str:
    """Return the addresses of the two ends of the connection that ended."""
    place = end if isinstance(end, HandshakeFailed) else end.peer
    return f"{place.address} {place.endpoint} "


def told(events: EventStream) -> Iterator[Event]:
    """Yield the events that are there."""
    with contextlib.suppress(trio.WouldBlock):
        while True:
            yield events.receive_nowait()


@attrs.frozen
class Census:
    """The tasks of this program, and what it has open."""

    tasks: int
    open: frozenset[str]

    def left_since(self, before: Census) -> tuple[int, set[str]]:
        """Return how many tasks there are more, and what is open that was not.

        What was open before may have been closed: garbage of an earlier test, collected meanwhile.
        """
        return self.tasks - before.tasks, set(self.open - before.open)


NOTHING: Final[tuple[int, set[str]]] = (0, set())


def census() -> Census:
    """Count the tasks of this program, and name what it has open.

    The task that logs the rest of a burst of drops ends by itself, a second after the first line.
    The task that writes to a peer begins when it is needed, and can't outlive the peer's own task.
    """
    root = trio.lowlevel.current_root_task()
    assert root is not None
    passing = ("trio_mq log of ", "trio_mq writer ")
    lasting = [task for task in _tasks(root) if not task.name.startswith(passing)]
    return Census(len(lasting), open_sockets_and_pipes())


def _tasks(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _tasks(child)
