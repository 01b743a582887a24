"""A task of a random program: it calls a socket in every way, in cancel scopes of every kind.

This file is longer than most: all that a program may call is here, on one object.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import attrs
import trio
import trio.lowlevel

import trio_mq
from fuzz.programs.chance import NAMES, TOPICS, Chance
from fuzz.programs.story import Account, Story
from trio_mq import Receiver, Sender

_Call: TypeAlias = Callable[[], Awaitable[None]]

#: What a call may raise: errors of the situation that its documentation names.
_ALLOWED: Final = (
    OSError,
    trio.BusyResourceError,
    trio.TooSlowError,
    trio.WouldBlock,
    trio_mq.HandshakeError,
    trio_mq.PeerLost,
    trio_mq.RequestExpired,
    trio_mq.RequestFailed,
    trio_mq.StateError,
    trio_mq.Unroutable,
    trio_mq.zmtp.RemoteProtocolError,
)
#: And mistakes that random programs make.
_MISTAKES: Final = (
    "is not bound",
    "is not connected",
    "is connected already",
    "not subscribed",
    "has that routing id",
)


@attrs.define
class User:
    """Makes random calls of one socket.

    Args:
        account: Whose socket it is.
        partner: The type of the sockets that it may talk to.
        chance: What is done.
        story: Where it is written down.
    """

    account: Account
    partner: str
    chance: Chance
    story: Story

    async def run(self, calls: int) -> None:
        """Make that number of calls, or fewer if the socket is closed."""
        for _ in range(calls):
            name, call = self._choose()
            self.story.calls[name] += 1
            try:
                await self._in_a_scope(partial(self._noted, name, call))
            except trio.ClosedResourceError:
                return
            except _ALLOWED as error:
                self.story.calls[type(error).__name__] += 1
            except ValueError as error:
                if not any(text in str(error) for text in _MISTAKES):
                    raise
            if self.chance.percent(30):
                await trio.lowlevel.checkpoint()
            elif self.chance.percent(10):
                await trio.sleep(0.002)

    async def _noted(self, name: str, call: _Call) -> None:
        self.story.note(self.account, f"calls {name}")
        try:
            await call()
        except trio.Cancelled:
            self.story.note(self.account, f"calls {name}, which is cancelled")
            raise
        except Exception as error:
            self.story.note(self.account, f"calls {name}, which raises {error!r}")
            raise
        self.story.note(self.account, f"calls {name}, which returns")

    async def _in_a_scope(self, call: _Call) -> None:
        """Make a call, free or in one of the many ways to be cancelled."""
        choose = self.chance.random.choice
        match self.chance.random.randrange(5):
            case 0:
                await call()
            case 1:
                with trio.move_on_after(choose((0, 0.0005, 0.002, 0.01))):
                    await call()
            case 2:
                shielded = self.chance.percent(30)
                with (
                    trio.move_on_after(choose((0.001, 0.01))),
                    trio.move_on_after(choose((0, 0.001, 0.02)), shield=shielded),
                ):
                    await call()
            case 3:
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await call()
            case _:
                with trio.fail_after(choose((0.002, 0.02))):
                    await call()

    def _choose(self) -> tuple[str, _Call]:
        """Choose a call that the socket has; what moves messages, more often."""
        name = self.chance.random.choice(calls_of(self.account.kind, self.partner))
        call: _Call = getattr(self, name)
        return name, call

    # -- messages go --

    def _message(self) -> tuple[int, list[bytes]]:
        kind = self.account.kind
        number = self.story.new_message(kind)
        self.story.note(self.account, f"makes message {number}")
        frames = self.chance.body(number)
        if kind == "Router":
            frames = [self._somebody(), *([b""] if self.partner == "Req" else []), *frames]
        elif kind in {"Pub", "XPub"}:
            frames = [self.chance.random.choice((b"a", b"b", b"c")), *frames]
        elif kind == "Dealer" and self.partner == "Rep":
            frames = [b"", *frames]
        return number, frames

    def _somebody(self) -> bytes:
        ids = [peer.routing_id for peer in self.account.socket.peers]
        return self.chance.random.choice([*ids, *ids, *NAMES])

    @property
    def _sender(self) -> Sender:
        assert isinstance(self.account.socket, Sender)  # calls_of has looked
        return self.account.socket

    @property
    def _receiver(self) -> Receiver:
        assert isinstance(self.account.socket, Receiver)  # the same
        return self.account.socket

    async def send(self) -> None:
        """Send one."""
        number, frames = self._message()
        try:
            await self._sender.send(frames)
        except trio.Cancelled:
            self.story.not_sent([number])
            raise
        self.account.sent += 1

    async def send_many(self) -> None:
        """Send some."""
        messages = [self._message() for _ in range(self.chance.random.randrange(1, 8))]
        try:
            count = await self._sender.send_many([frames for _, frames in messages])
        except trio.Cancelled:
            self.story.not_sent([number for number, _ in messages])
            raise
        self.account.sent += count

    async def send_nowait(self) -> None:
        """Send one without waiting."""
        number, frames = self._message()
        try:
            self._sender.send_nowait(frames)
        except trio.WouldBlock:
            self.story.not_sent([number])
            raise
        self.account.sent += 1

    async def drain(self) -> None:
        """Wait until it has gone."""
        await self._sender.drain()

    # -- messages come --

    def _received(self, message: trio_mq.Message) -> int | None:
        self.account.received += 1
        number = self.story.arrived(message)
        self.story.note(self.account, f"gets message {number}")
        return number

    async def receive(self) -> None:
        """Receive one."""
        self._received(await self._receiver.receive())

    async def receive_from(self) -> None:
        """Receive one, with its peer."""
        message, peer = await self._receiver.receive_from()
        self._received(message)
        if not isinstance(peer, trio_mq.Peer):
            self.story.fault(f"{peer!r} is no peer")

    async def receive_many(self) -> None:
        """Receive what is there."""
        for message in await self._receiver.receive_many(self.chance.random.choice((1, 3, 1000))):
            self._received(message)

    async def receive_nowait(self) -> None:
        """Receive one without waiting."""
        self._received(self._receiver.receive_nowait())

    async def iterate(self) -> None:
        """Receive a few."""
        left = self.chance.random.randrange(1, 5)
        async for message in self._receiver:
            self._received(message)
            left -= 1
            if not left:
                break

    # -- requests and replies --

    async def request(self) -> None:
        """Ask, and look whether the reply is to that."""
        await self._ask(None)

    async def request_again(self) -> None:
        """Ask up to three times."""
        choose = self.chance.random.choice
        await self._ask(trio_mq.Retry(attempts=3, patience=choose((0.001, 0.01)), pause=0.001))

    async def _ask(self, retry: trio_mq.Retry | None) -> None:
        number, frames = self._message()
        if retry is not None:
            self.story.asked_again(number)
        self.account.unsure += 1
        req = self.account.socket
        assert isinstance(req, trio_mq.Req)  # calls_of has looked
        reply = await req.request(frames, retry=retry)
        self.account.received += 1
        self.story.note(self.account, f"gets the reply {reply[0]!r} to {number}")
        if bytes(reply[0]) != b"re:%d" % number:
            self.story.fault(f"request {number} got the reply {reply[0]!r}")

    async def serve(self) -> None:
        """Take a request and answer it, or the one that a cancelled call has left."""
        account, rep = self.account, self.account.socket
        assert isinstance(rep, trio_mq.Rep)  # calls_of has looked
        if account.pending is None:
            account.pending = self._received(await rep.receive()) or 0
        if self.chance.percent(80):
            await rep.send(b"re:%d" % account.pending)
        else:
            rep.discard()
        account.pending = None

    async def answer(self) -> None:
        """Take a request as a Router, and answer it."""
        message = await self._receiver.receive()
        number = self._received(message)
        if number is not None and b"" in message:
            envelope = message[: message.index(b"") + 1]
            await self._sender.send([*envelope, b"re:%d" % number])

    async def take_requests(self) -> None:
        """Take one in hand, or one that is there already; answer it, decline it or keep it."""
        in_hand = self.account.in_hand
        if not in_hand or self.chance.percent(60):
            async for request in self._service.requests():
                in_hand.append((request, self._received(request.message) or 0))
                break
        if self.chance.percent(30):
            return
        index = self.chance.random.randrange(len(in_hand))
        request, number = in_hand.pop(index)
        if self.chance.percent(20):
            request.decline()
            return
        try:
            await request.reply(b"re:%d" % number)
        except trio.Cancelled:
            in_hand.append((request, number))
            raise

    async def serve_with_a_function(self) -> None:
        """Answer some requests, in any order."""

        async def answer(request: trio_mq.Request) -> bytes | None:
            number = self._received(request.message) or 0
            if self.chance.percent(30):
                await trio.sleep(self.chance.random.choice((0, 0.001)))
            return None if self.chance.percent(20) else b"re:%d" % number

        with trio.move_on_after(self.chance.random.choice((0.001, 0.005))):
            most = self.chance.random.choice((1, 3, 100))
            await self._service.serve(answer, max_concurrent=most)

    @property
    def _service(self) -> trio_mq.Rep | trio_mq.Router:
        service = self.account.socket
        assert isinstance(service, (trio_mq.Rep, trio_mq.Router))  # calls_of has looked
        return service

    # -- subscriptions --

    async def subscribe(self) -> None:
        """Ask for a topic."""
        self._sub.subscribe(self.chance.random.choice(TOPICS))

    async def unsubscribe(self) -> None:
        """Take it back, whether it was asked for or not."""
        self._sub.unsubscribe(self.chance.random.choice(TOPICS))

    @property
    def _sub(self) -> trio_mq.Sub | trio_mq.XSub:
        sub = self.account.socket
        assert isinstance(sub, (trio_mq.Sub, trio_mq.XSub))  # calls_of has looked
        return sub

    async def wait_for_subscribers(self) -> None:
        """Wait for somebody who listens."""
        pub = self.account.socket
        assert isinstance(pub, (trio_mq.Pub, trio_mq.XPub))  # the same
        await pub.wait_for_subscribers(1, self.chance.random.choice((None, "a")))

    # -- endpoints and peers --

    async def bind(self) -> None:
        """Bind, sometimes."""
        if self.chance.percent(30):
            endpoint = self.chance.endpoint()
            options = self.chance.endpoint_options(self.chance.bind_options())
            await self.account.socket.bind(endpoint, **options)

    async def connect(self) -> None:
        """Connect, sometimes."""
        if self.chance.percent(30):
            endpoint = self.chance.endpoint()
            options = self.chance.endpoint_options(self.chance.connect_options())
            await self.account.socket.connect(endpoint, **options)

    async def connect_and_wait(self) -> None:
        """Connect and wait for the handshake, sometimes."""
        if self.chance.percent(30):
            endpoint, options = self.chance.endpoint(), self.chance.connect_options()
            await self.account.socket.connect(endpoint, wait=True, **options)

    async def connect_by_name(self) -> None:
        """Connect to a peer with a name of our choice, sometimes."""
        router = self.account.socket
        assert isinstance(router, trio_mq.Router)  # calls_of has looked
        if self.chance.percent(30):
            name = self.chance.random.choice(NAMES)
            endpoint, options = self.chance.endpoint(), self.chance.connect_options()
            await router.connect(endpoint, peer_routing_id=name, **options)

    async def unbind(self) -> None:
        """Unbind, now and then."""
        bound = [each.endpoint for each in self.account.socket.endpoints if each.bound]
        if bound and self.chance.percent(15):
            await self.account.socket.unbind(self.chance.random.choice(bound))

    async def disconnect(self) -> None:
        """Disconnect, now and then."""
        connected = [each.endpoint for each in self.account.socket.endpoints if not each.bound]
        if connected and self.chance.percent(15):
            await self.account.socket.disconnect(self.chance.random.choice(connected))

    async def cut_a_peer_off(self) -> None:
        """End a connection, now and then."""
        peers: Sequence[trio_mq.Peer] = self.account.socket.peers
        if peers and self.chance.percent(20):
            self.chance.random.choice(peers).disconnect()

    async def wait_for_peers(self) -> None:
        """Wait for a few."""
        await self.account.socket.wait_for_peers(self.chance.random.randrange(3))

    async def look_around(self) -> None:
        """Look at all there is to see, and at the books."""
        repr(self.account.socket)
        self.story.check(self.account)

    async def follow_events(self) -> None:
        """Wait for something to happen, for a moment."""
        closed = suppress(trio.EndOfChannel)  # if the socket was
        with self.account.socket.events() as events, trio.move_on_after(0.01), closed:
            await events.receive()


_SENDING: Final = ("send", "send", "send", "send_many", "send_nowait", "drain")
_RECEIVING: Final = (
    *("receive", "receive", "receive_many", "receive_nowait", "receive_from", "iterate"),
)
_ALWAYS: Final = (
    *("bind", "connect", "connect_and_wait", "unbind", "disconnect", "cut_a_peer_off"),
    *("wait_for_peers", "look_around", "follow_events"),
)
_OF_TYPE: Final[dict[str, tuple[str, ...]]] = {
    "Push": _SENDING,
    "Pull": _RECEIVING,
    "Pair": _SENDING + _RECEIVING,
    "Dealer": _SENDING + _RECEIVING,
    "Router": (*_SENDING, *_RECEIVING, "connect_by_name"),
    "Pub": (*_SENDING, "wait_for_subscribers"),
    "XPub": (*_SENDING, *_RECEIVING, "wait_for_subscribers"),
    "Sub": (*_RECEIVING, "subscribe", "unsubscribe"),
    "XSub": (*_SENDING, *_RECEIVING, "subscribe", "unsubscribe"),
    "Req": (*("request",) * 5, "request_again"),
    "Rep": (*("serve",) * 4, "take_requests", "take_requests", "serve_with_a_function"),
}
#: It says nothing but replies, each once: whoever sends others can't complain.
_ROUTER_OF_REQS: Final = (
    *("answer",) * 4,
    *("take_requests", "take_requests", "serve_with_a_function"),
)


def calls_of(kind: str, partner: str) -> Sequence[str]:
    """Return the names of what a user of a socket may do, some of them several times."""
    if kind == "Router" and partner == "Req":
        return _ROUTER_OF_REQS + _ALWAYS
    return _OF_TYPE[kind] + _ALWAYS


def every_call() -> set[str]:
    """Return the names of all that a user may do."""
    methods = inspect.getmembers(User, inspect.iscoroutinefunction)
    return {name for name, _ in methods if not name.startswith("_")} - {"run"}
