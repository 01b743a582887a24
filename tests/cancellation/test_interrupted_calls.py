"""SIGINT at every line that a call runs, in a program that catches it and goes on.

Other tests look at programs that end by it. Here each public call is interrupted at one line after
another of the library, its own and those of the tasks that work meanwhile; then the books must
balance, and the same sockets do all that they could do before. An ordinary run takes some lines of
each call, evenly spread (`LINES`); a thorough one takes all.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

import attrs
import pytest
import trio
import trio.testing

import trio_mq
from tests.cancellation.test_interrupts import Interrupter
from tests.hostile.secured import CURVE_CLIENT, counterpart
from trio_mq import (
    Dealer,
    EventStream,
    Peer,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Request,
    Router,
    Socket,
    Sub,
    XPub,
)
from trio_mq._connections.elsewhere import LARGE
from trio_mq.zmtp import MechanismFactory

#: Lines of each call that an ordinary run takes.
LINES: Final = 5
PATIENCE: Final = 20.0


@attrs.define
class World:
    """Sockets that are joined, with something to send, to receive and to wait for."""

    pull: Pull
    push: Push
    #: Not joined yet.
    loner: Push
    host: Pull
    rep: Rep
    req: Req
    pub: Pub
    sub: Sub
    router: Router
    dealer: Dealer
    xpub: XPub
    nursery: trio.Nursery
    #: What whoever else connects over tcp needs.
    client: MechanismFactory | None
    serving: bool = False

    @classmethod
    @contextlib.asynccontextmanager
    async def made(cls, client: MechanismFactory | None) -> AsyncIterator[World]:
        """Join them, over tcp with the mechanism that clients have."""
        tcp = "tcp://127.0.0.1:*"
        server, judge = counterpart(client)
        async with (
            Pull(bind=tcp, mechanism=server, authenticator=judge) as pull,
            Push(connect=pull.endpoints[0].endpoint, linger=1, mechanism=client) as push,
            Push(linger=0, mechanism=client) as loner,
            Pull(bind=["inproc://host", tcp], mechanism=server, authenticator=judge) as host,
            Rep(bind=tcp, mechanism=server, authenticator=judge) as rep,
            Req(connect=rep.endpoints[0].endpoint, linger=0, mechanism=client) as req,
            Pub(bind="inproc://pub", linger=0) as pub,
            Sub(connect="inproc://pub", topics="t") as sub,
            Router(bind="inproc://router", linger=0) as router,
            Dealer(connect="inproc://router", routing_id=b"d", linger=0) as dealer,
            XPub(bind="inproc://xpub", manual=True, linger=0) as xpub,
            Sub(connect="inproc://xpub", topics="q"),
            trio.open_nursery() as nursery,
        ):
            await dealer.send(b"here")
            await push.send_many([b"1", b"2"])
            await pull.wait_for_peers()
            await req.wait_for_peers()
            sockets = (pull, push, loner, host, rep, req, pub, sub, router, dealer, xpub)
            yield cls(*sockets, nursery, client)
            nursery.cancel_scope.cancel()

    def later(self, call: Callable[[], Awaitable[object]]) -> None:
        """Call something when nothing else can happen any more."""

        async def wait() -> None:
            await trio.testing.wait_all_tasks_blocked(0.001)
            await call()

        self.nursery.start_soon(wait)

    def serve(self) -> None:
        """Answer every request from now on; one that was taken already gets nothing."""
        if self.serving:
            return
        self.serving = True
        with contextlib.suppress(trio_mq.StateError):
            self.rep.discard()

        async def echo() -> None:
            async for question in self.rep:
                await self.rep.send(question)

        self.nursery.start_soon(echo)


Call: TypeAlias = Callable[[World], Awaitable[object]]


async def a_whole_life(_: World) -> None:
    """Open a socket and close it."""
    async with Pull(bind="inproc://life"), Push(connect="inproc://life", linger=0) as push:
        await push.send(b"x")


async def a_large_message(world: World) -> None:
    """Under CURVE, other threads seal and open it."""
    await world.pull.receive_many()
    await world.push.send(bytes(LARGE))
    await world.pull.receive()


async def a_wait_for_a_message(world: World) -> None:
    """Nothing is there yet."""
    await world.pull.receive_many()
    world.later(lambda: world.push.send(b"late"))
    await world.pull.receive()


async def a_request(world: World) -> None:
    """With somebody who answers."""
    world.serve()
    await world.req.request(b"question")


async def an_exchange(world: World) -> None:
    """In turns, from both sides."""
    await world.req.send(b"question")
    await world.rep.receive()
    await world.rep.send(b"answer")
    await world.req.receive()
    await world.req.send(b"another")
    await world.rep.receive_many()
    world.rep.discard()


async def a_wait_for_peers(world: World) -> None:
    """One comes."""
    world.later(lambda: world.loner.connect("inproc://host"))
    await world.host.wait_for_peers()


async def a_wait_for_subscribers(world: World) -> None:
    """One comes."""
    world.later(lambda: in_one_step(world.sub.subscribe, "new"))
    await world.pub.wait_for_subscribers(1, "new")


async def news(world: World) -> None:
    """What happens, as a stream."""
    with world.pull.events() as events:
        world.pull.peers[0].disconnect()
        await events.receive()
        await anext(events)
        with contextlib.suppress(trio.WouldBlock):
            events.receive_nowait()


async def the_end_of_a_peer(world: World) -> None:
    """It is waited for."""
    peer = world.pull.peers[0]
    world.later(lambda: in_one_step(peer.disconnect))
    await peer.wait_closed()


async def decisions(world: World) -> None:
    """What an XPub hears, and what it makes of it."""
    topic, peer = await world.xpub.receive_from()
    world.xpub.accept(peer, topic[0][1:])
    world.xpub.withdraw(peer, topic[0][1:])


async def a_proxy(world: World) -> None:
    """It is cut off in the middle of its work."""
    await world.loner.connect("inproc://host")
    with trio.move_on_after(0.005):
        await trio_mq.proxy(world.pull, world.loner)


async def requests_in_hand(world: World) -> None:
    """Two are taken, of which one is declined; a Router may go on with other calls."""
    requests = world.router.requests()
    one = await anext(requests)
    world.later(lambda: world.dealer.send(b"another"))
    two = await anext(requests)
    await two.reply(b"reply")
    one.decline()


async def a_service(world: World) -> None:
    """It is cut off while it waits for the next request."""
    with trio.move_on_after(0.005):
        await world.router.serve(lambda request: request.message)


async def in_one_step(call: Callable[..., object], *arguments: object) -> None:
    """Make a call that is no coroutine, ready or not."""
    with contextlib.suppress(trio.WouldBlock):
        call(*arguments)


def host_of(world: World) -> str:
    """Return where the host is."""
    return world.host.endpoints[1].endpoint


CALLS: Final[dict[str, Call]] = {
    "__aenter__ __aexit__": a_whole_life,
    "__anext__": lambda world: anext(world.pull),
    "receive": lambda world: world.pull.receive(),
    "receive waiting": a_wait_for_a_message,
    "receive_many": lambda world: world.pull.receive_many(),
    "receive_from": lambda world: world.pull.receive_from(),
    "receive_nowait": lambda world: in_one_step(world.pull.receive_nowait),
    "receive of a Router": lambda world: world.router.receive(),
    "send": lambda world: world.push.send(b"x"),
    "send of a large message": a_large_message,
    "send of frames": lambda world: world.push.send([b"x", b"y"]),
    "send_many": lambda world: world.push.send_many([b"x", [b"y", b"z"]]),
    "send_nowait": lambda world: in_one_step(world.push.send_nowait, b"x"),
    "send of a Pub": lambda world: world.pub.send(b"t1"),
    "send of a Router": lambda world: world.router.send([b"d", b"x"]),
    "drain": lambda world: world.push.drain(),
    "request": a_request,
    "send receive discard": an_exchange,
    "bind to tcp": lambda world: world.pull.bind("tcp://127.0.0.1:*"),
    "bind to ipc": lambda world: world.pull.bind("ipc://*"),
    "bind to inproc": lambda world: world.pull.bind("inproc://new"),
    "connect": lambda world: world.loner.connect(host_of(world)),
    "connect and wait": lambda world: world.loner.connect(host_of(world), wait=True),
    "connect to inproc": lambda world: world.loner.connect("inproc://host", wait=True),
    "disconnect": lambda world: world.push.disconnect(world.push.endpoints[0].endpoint),
    "unbind": lambda world: world.host.unbind(host_of(world)),
    "unbind of inproc": lambda world: world.host.unbind("inproc://host"),
    "aclose": lambda world: world.push.aclose(),
    "statistics": lambda world: in_one_step(world.pull.statistics),
    "events": news,
    "wait_closed disconnect": the_end_of_a_peer,
    "wait_for_peers": a_wait_for_peers,
    "wait_for_subscribers": a_wait_for_subscribers,
    "subscribe": lambda world: in_one_step(world.sub.subscribe, "new"),
    "unsubscribe": lambda world: in_one_step(world.sub.unsubscribe, "t"),
    "accept withdraw": decisions,
    "proxy": a_proxy,
    "requests reply decline": requests_in_hand,
    "serve": a_service,
    "send_to": lambda world: world.router.send_to(world.router.peers[0], b"x"),
}
#: The calls that speak over tcp.
OVER_TCP: Final = {
    *("__anext__", "receive", "receive waiting", "receive_many", "receive_from", "receive_nowait"),
    *("send", "send of a large message", "send of frames", "send_many", "send_nowait", "drain"),
    *("request", "send receive discard", "bind to tcp", "connect", "connect and wait"),
    *("disconnect", "unbind", "aclose", "events", "wait_closed disconnect"),
}
#: The mechanism of a client, and what is called with it.
CASES: Final = [
    *(pytest.param(None, name, id=name) for name in CALLS),
    *(pytest.param(CURVE_CLIENT, name, id=f"{name}, under CURVE") for name in sorted(OVER_TCP)),
]
#: It is a call of an event stream's that does what "events" does at the end of its block.
ELSEWHERE: Final = {"close"}


def test_every_public_call_is_interrupted() -> None:
    """Whoever adds one adds it here."""
    public = [getattr(trio_mq, name) for name in trio_mq.__all__]
    classes = [each for each in public if inspect.isclass(each)]
    found = {
        name
        for each in classes
        if issubclass(each, (Socket, Peer, EventStream, Request))
        for name, _ in inspect.getmembers(each, callable)
        if not name.startswith("_")
    }
    assert found - ELSEWHERE <= {word for name in CALLS for word in name.split()}


@pytest.mark.fuzz
@pytest.mark.parametrize(("client", "name"), CASES)
def test_an_interrupted_call_leaves_everything_working(
    pytestconfig: pytest.Config, client: MechanismFactory | None, name: str
) -> None:
    """Its program catches KeyboardInterrupt and goes on."""
    count = sys.maxsize - trio.run(interrupt, CALLS[name], sys.maxsize, client)[0]
    thorough = pytestconfig.getoption("--hypothesis-profile") == "thorough"
    stride = 1 if thorough else max(1, count // LINES)
    for line in range(1, count + 1, stride):
        try:
            _, where, raised = trio.run(interrupt, CALLS[name], line, client)
        except KeyboardInterrupt as error:  # would end the run of the tests, and name none
            pytest.fail("".join(traceback.format_exception(error)))
        # Other tasks may have taken other steps this time.
        assert raised or not where, f"nothing was raised at {where}"


async def interrupt(
    call: Call, line: int, client: MechanismFactory | None
) -> tuple[int, str, bool]:
    """Interrupt a call at a line of the library, and see that all goes on.

    Returns:
        How many lines were left, where the line is, and whether KeyboardInterrupt was raised.
    """
    interrupter, raised = Interrupter(line), False
    async with World.made(client) as world:
        before = sys.gettrace()
        sys.settrace(interrupter)
        try:
            with trio.fail_after(PATIENCE):
                await call(world)
        except* KeyboardInterrupt:
            raised = True
        finally:
            sys.settrace(before)
        if interrupter.where and not raised:
            raised = await is_delivered_late()
        with trio.fail_after(PATIENCE):
            await everything_works(world)
    return interrupter._left, interrupter.where, raised


async def is_delivered_late() -> bool:
    """Tell whether KeyboardInterrupt comes now: a protected line held it back."""
    try:
        await trio.sleep(PATIENCE)
    except KeyboardInterrupt:
        return True
    return False


async def everything_works(world: World) -> None:
    """Look at the books of the sockets, and use each that is open."""
    used = (world.pull, world.push, world.pub, world.sub, world.router, world.req, world.rep)
    for socket in used:
        assert_balanced(socket)
    if world.push.endpoints and world.pull.endpoints:
        await a_mark_arrives(world)
    world.sub.subscribe("mark")
    await world.pub.wait_for_subscribers(1, "mark")
    await world.pub.send(b"mark")
    while await world.sub.receive() != (b"mark",):
        pass
    world.serve()
    async with Req(connect=world.rep.endpoints[0].endpoint, mechanism=world.client) as req:
        assert await req.request(b"mark") == (b"mark",)
    await world.host.bind("inproc://again")
    await world.loner.connect("inproc://again", wait=True)


async def a_mark_arrives(world: World) -> None:
    """Send a mark until one arrives: the first may be lost with a connection that was cut off."""
    message: trio_mq.Message | None = None
    while message != (b"mark",):
        if message is None:
            await world.push.send(b"mark")
        with trio.move_on_after(0.5):
            message = None
            message = await world.pull.receive()


def assert_balanced(socket: Socket) -> None:
    """Both equations."""
    figures = socket.statistics()
    out = figures.written + figures.waiting_to_send + sum(figures.dropped_outgoing.values())
    into = figures.delivered + figures.waiting_to_receive + sum(figures.dropped_incoming.values())
    assert (figures.accepted, figures.decoded) == (out, into), socket
