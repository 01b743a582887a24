"""No message is lost or doubled in silence, whatever happens to the connections.

Sequences of everything that can happen run on sockets of each type, over inproc and over streams
in memory, in virtual time. After each step both equations hold per socket and per peer:
accepted = waiting + written + dropped, decoded = delivered + waiting + dropped. Where nothing may
be lost, nothing is. And nothing of a socket knows a pipe or a connection that is gone: messages
would go there.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable
from typing import Final

import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tests.joined import MemoryListener, bind, connect
from tests.walk import ghosts
from trio_mq import (
    Dealer,
    Message,
    Pair,
    PeerLost,
    Pub,
    Pull,
    Push,
    Receiver,
    Rep,
    Req,
    Router,
    Sender,
    Socket,
    StateError,
    Sub,
    TrafficStatistics,
    XPub,
    XSub,
)

#: Examples for each of the sixteen kinds of sockets.
EXAMPLES: Final = max(25, settings().max_examples // 16)


class Step(enum.Enum):
    """What can happen to a binding socket and those that connect to it."""

    SEND = "the binder sends"
    SEND_BACK = "each connector sends"
    RECEIVE = "the binder receives"
    RECEIVE_BACK = "each connector receives"
    JOIN = "one more connects"
    LEAVE = "the oldest disconnects"
    CLOSE = "the youngest closes"
    CUT = "the binder cuts its first peer off"
    UNBIND = "the binder unbinds and binds again"
    REST = "everything settles"


#: A way to make each side, with small queues so that they fill.
SIDES: dict[str, tuple[Callable[[], Socket], Callable[[], Socket]]] = {
    "push to pull": (
        lambda: Push(send_hwm=2, linger=0),
        lambda: Pull(receive_hwm=2, linger=0),
    ),
    "pull from push": (
        lambda: Pull(receive_hwm=2, linger=0),
        lambda: Push(send_hwm=2, linger=0),
    ),
    "push without requeue": (
        lambda: Push(send_hwm=2, requeue=False, linger=0),
        lambda: Pull(receive_hwm=1, linger=0),
    ),
    "conflating": (
        lambda: Push(conflate=True, linger=0),
        lambda: Pull(conflate=True, linger=0),
    ),
    "few bytes": (
        lambda: Push(send_hwm_bytes=30, linger=0),
        lambda: Pull(receive_hwm_bytes=30, linger=0),
    ),
    "pub to sub": (lambda: Pub(send_hwm=2, linger=0), lambda: Sub(topics="", receive_hwm=1)),
    "pub drops the oldest": (
        lambda: Pub(send_hwm=2, on_full="drop_oldest", linger=0),
        lambda: Sub(topics="1", receive_hwm=1),
    ),
    "pub disconnects": (
        lambda: Pub(send_hwm=2, on_full="disconnect", linger=0),
        lambda: Sub(topics="", receive_hwm=1),
    ),
    "sub from pub": (
        lambda: Sub(topics=("1", "2"), receive_hwm=2),
        lambda: Pub(send_hwm=2, linger=0),
    ),
    "xpub and xsub": (lambda: XPub(send_hwm=2, linger=0), lambda: XSub(receive_hwm=2)),
    "dealers": (lambda: Dealer(send_hwm=2, linger=0), lambda: Dealer(receive_hwm=2, linger=0)),
    "router and dealers": (
        lambda: Router(send_hwm=2, linger=0),
        lambda: Dealer(send_hwm=2, receive_hwm=2, linger=0),
    ),
    "pair": (lambda: Pair(send_hwm=2, linger=0), lambda: Pair(receive_hwm=2, linger=0)),
    "rep and req": (lambda: Rep(linger=0), lambda: Req(linger=0)),
    "req and rep": (lambda: Req(linger=0), lambda: Rep(linger=0)),
    "req and rep by id": (lambda: Req(correlate=True, linger=0), lambda: Rep(linger=0)),
}


def assert_adds_up(figures: TrafficStatistics) -> None:
    """Both equations."""
    dropped_out = sum(figures.dropped_outgoing.values())
    dropped_in = sum(figures.dropped_incoming.values())
    assert figures.accepted == figures.written + figures.waiting_to_send + dropped_out
    assert figures.decoded == figures.delivered + figures.waiting_to_receive + dropped_in
    assert min(figures.waiting_to_send_bytes, figures.waiting_to_receive_bytes) >= 0


class World:
    """One binder, and connectors that come and go."""

    def __init__(self, sides: str, way: str) -> None:
        make_binder, self._make_connector = SIDES[sides]
        self._way = way
        self.binder = make_binder()
        self.connectors: list[Socket] = []
        self.closed: list[Socket] = []
        self._listener = MemoryListener()
        self._stack = contextlib.AsyncExitStack()
        self._sent = 0
        #: Who received which message.
        self._received: set[tuple[Socket, Message]] = set()

    async def run(self, steps: list[Step]) -> None:
        """Take the steps, and look at the books after each."""
        async with self._stack:
            await self._stack.enter_async_context(self.binder)
            self._listener = await bind(self.binder, self._way)
            for step in [Step.JOIN, *steps]:
                await self._take(step)
                self._check()
        self._check()
        assert self.binder.statistics().waiting_to_send == 0
        assert self.binder.statistics().waiting_to_receive == 0

    def _check(self) -> None:
        for socket in (self.binder, *self.connectors, *self.closed):
            figures = socket.statistics()
            assert_adds_up(figures)
            for peer in figures.peers:
                assert_adds_up(peer)
            assert ghosts(socket) == []

    async def _take(self, step: Step) -> None:
        match step:
            case Step.SEND:
                self._send(self.binder)
            case Step.SEND_BACK:
                for connector in self.connectors:
                    self._send(connector)
            case Step.RECEIVE:
                self._receive(self.binder)
            case Step.RECEIVE_BACK:
                for connector in self.connectors:
                    self._receive(connector)
            case Step.REST:
                await trio.sleep(1)
            case _:
                await self._change(step)

    async def _change(self, step: Step) -> None:
        match step:
            case Step.JOIN if self.binder.endpoints:
                connector = await self._stack.enter_async_context(self._make_connector())
                self.connectors.append(connector)
                await connect(connector, self.binder, self._listener, wait=False)
            case Step.LEAVE if self.connectors and self.connectors[0].endpoints:
                await self.connectors[0].disconnect(self.connectors[0].endpoints[0].endpoint)
            case Step.CLOSE if self.connectors:
                await self.connectors[-1].aclose()
                self.closed.append(self.connectors.pop())
            case Step.CUT if self.binder.peers:
                self.binder.peers[0].disconnect()
            case Step.UNBIND:
                await self.binder.unbind(self.binder.endpoints[0].endpoint)
                self._listener = await bind(self.binder, self._way)

    def _send(self, socket: Socket) -> None:
        if not isinstance(socket, Sender):
            return
        self._sent += 1
        message: list[bytes] = [b"%d" % self._sent, bytes(self._sent % 20)]
        if isinstance(socket, Router) and socket.peers:
            message.insert(0, socket.peers[self._sent % len(socket.peers)].routing_id)
        with contextlib.suppress(trio.WouldBlock, StateError):
            socket.send_nowait(message)

    def _receive(self, socket: Socket) -> None:
        if isinstance(socket, Receiver):
            with contextlib.suppress(trio.WouldBlock, StateError, PeerLost):
                received = (socket, socket.receive_nowait())
                assert received not in self._received
                self._received.add(received)


@pytest.mark.parametrize("way", ["inproc", "memory"])
@pytest.mark.parametrize("sides", SIDES)
@settings(max_examples=EXAMPLES)
@given(steps=st.lists(st.sampled_from(Step), max_size=30))
def test_the_books_balance_after_every_step(sides: str, way: str, steps: list[Step]) -> None:
    """Per socket and per peer, whoever comes, goes, or is cut off."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(World(sides, way).run, steps, clock=clock)
