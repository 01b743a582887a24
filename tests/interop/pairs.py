"""Which socket types go together, and how to say the same thing in each pair of them.

A *body* is what two programs want to tell each other. Around it, Router puts the name of a peer,
and Req and Rep an empty frame on the wire (RFC 28), which Dealer and Router see and write
themselves. `sent` and `received` say it for every pair, so that one test does for all.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs
import trio

import trio_mq
from tests.interop.libzmq import Frames, Libzmq, LibzmqSocket

#: What each calls itself for a Router.
OUR_NAME: Final = b"trio_mq"
THEIR_NAME: Final = b"libzmq"
_NAMED: Final = {"REQ", "DEALER", "ROUTER"}
_SHOW_DELIMITER: Final = {"DEALER", "ROUTER"}
_HIDE_DELIMITER: Final = {"REQ", "REP"}
_PUBLISH: Final = {"PUB", "XPUB"}
_SUBSCRIBE: Final = {"SUB", "XSUB"}
_HELLO: Final = (b"hello",)
_READY: Final = (b"ready",)


class Link(enum.Enum):
    """Who binds and who connects."""

    WE_BIND = "we-bind"
    WE_CONNECT = "we-connect"


@attrs.frozen
class Pair:
    """A socket type of ours and one of libzmq's that go together (RFC 28 to 31)."""

    ours: str
    theirs: str

    @property
    def we_tell(self) -> bool:
        """Bodies go from us to libzmq."""
        return self.ours not in {"PULL", *_SUBSCRIBE}

    @property
    def we_hear(self) -> bool:
        """Bodies come from libzmq to us."""
        return self.ours not in {"PUSH", *_PUBLISH}

    @property
    def in_turns(self) -> bool:
        """One end can't send twice without receiving."""
        return bool({self.ours, self.theirs} & _HIDE_DELIMITER)

    def __str__(self) -> str:
        return f"{self.ours}-{self.theirs}"


#: Who may talk to whom (RFC 28 to 31), written out by hand.
COUNTERPARTS: Final = {
    "REQ": "REP ROUTER",
    "REP": "REQ DEALER",
    "DEALER": "REP DEALER ROUTER",
    "ROUTER": "REQ DEALER ROUTER",
    "PUB": "SUB XSUB",
    "XPUB": "SUB XSUB",
    "SUB": "PUB XPUB",
    "XSUB": "PUB XPUB",
    "PUSH": "PULL",
    "PULL": "PUSH",
    "PAIR": "PAIR",
}
PAIRS: Final = [
    Pair(ours, theirs) for ours, others in COUNTERPARTS.items() for theirs in others.split()
]


def sent(sender: str, receiver: str, receiver_name: bytes, body: Frames) -> Frames:
    """Return what a sender's program sends to tell a body."""
    name = (receiver_name,) if sender == "ROUTER" else ()
    writes_delimiter = sender in _SHOW_DELIMITER and receiver in _HIDE_DELIMITER
    return (*name, *((b"",) if writes_delimiter else ()), *body)


def received(sender: str, receiver: str, sender_name: bytes, body: Frames) -> Frames:
    """Return what a receiver's program receives when a body is told."""
    name = (sender_name,) if receiver == "ROUTER" else ()
    sees_delimiter = receiver in _SHOW_DELIMITER and sender in _HIDE_DELIMITER
    return (*name, *((b"",) if sees_delimiter else ()), *body)


async def join(ours: trio_mq.Socket, theirs: LibzmqSocket, link: Link, place: str) -> str:
    """Connect one to the other, and return the endpoint."""
    if link is Link.WE_BIND:
        endpoint = await ours.bind(place)
        await theirs.connect(endpoint)
    else:
        endpoint = await theirs.bind(place)
        await ours.connect(endpoint)
    return endpoint


def open_ours(pair: Pair, **options: object) -> trio_mq.Socket:
    """Make our socket of a pair, not entered yet."""
    if pair.ours in _NAMED:
        options["routing_id"] = OUR_NAME
    if pair.ours == "SUB":
        options["topics"] = ""
    return trio_mq.open_socket(pair.ours, **options)


async def open_theirs(pair: Pair, program: Libzmq, **options: bytes | int) -> LibzmqSocket:
    """Make libzmq's socket of a pair."""
    if pair.theirs in _NAMED:
        options["ROUTING_ID"] = THEIR_NAME
    if pair.theirs == "SUB":
        options["SUBSCRIBE"] = b""
    return await program.open(pair.theirs, **options)


@attrs.define(eq=False)
class Conversation:
    """Two joined sockets that can tell each other bodies."""

    pair: Pair
    ours: trio_mq.Socket
    theirs: LibzmqSocket

    async def begin(self) -> None:
        """Wait until nothing told from now on can get lost for want of a peer or subscription."""
        if isinstance(self.ours, trio_mq.XSub):
            self.ours.subscribe(b"")
        if self.pair.theirs == "XSUB":
            await self.theirs.send(b"\x01")
        await self.ours.wait_for_peers()
        await self.theirs.meet_peer()
        if isinstance(self.ours, (trio_mq.Pub, trio_mq.XPub)):
            await self.ours.wait_for_subscribers(topic=b"")
        if isinstance(self.ours, trio_mq.XPub):
            assert await self.ours.receive() == (b"\x01",)
        elif self.pair.theirs == "XPUB":
            assert await self.theirs.receive() == (b"\x01",)
        elif self.pair.theirs == "PUB":
            await self._wait_for_our_subscription()

    async def _wait_for_our_subscription(self) -> None:
        """A Pub of libzmq can't tell who has subscribed: say hello until we hear it."""
        assert isinstance(self.ours, (trio_mq.Sub, trio_mq.XSub))
        heard = False
        while not heard:
            await self.theirs.send(*_HELLO)
            with trio.move_on_after(0.01):
                heard = await self.ours.receive() == _HELLO
        await self.theirs.send(*_READY)
        while await self.ours.receive() != _READY:
            pass

    def to_send(self, body: Frames) -> Frames:
        """Return what we send to tell libzmq a body."""
        return sent(self.pair.ours, self.pair.theirs, THEIR_NAME, body)

    def for_them(self, body: Frames) -> Frames:
        """Return what libzmq receives when we tell it a body."""
        return received(self.pair.ours, self.pair.theirs, OUR_NAME, body)

    def for_us(self, body: Frames) -> Frames:
        """Return what we receive when libzmq tells us a body."""
        return received(self.pair.theirs, self.pair.ours, THEIR_NAME, body)

    def they_send(self, body: Frames) -> Frames:
        """Return what libzmq sends to tell us a body."""
        return sent(self.pair.theirs, self.pair.ours, OUR_NAME, body)

    async def tell(self, body: Frames) -> None:
        """Tell libzmq a body, and check what arrives."""
        assert isinstance(self.ours, trio.abc.SendChannel)
        await self.ours.send(self.to_send(body))
        assert await self.theirs.receive() == self.for_them(body)

    async def hear(self, body: Frames) -> None:
        """Be told a body by libzmq, and check what arrives."""
        assert isinstance(self.ours, trio.abc.ReceiveChannel)
        await self.theirs.send(*self.they_send(body))
        assert await self.ours.receive() == self.for_us(body)

    async def exchange(self, body: Frames) -> None:
        """Pass a body in each direction that the pair has, requests before replies."""
        directions = [self.tell] * self.pair.we_tell + [self.hear] * self.pair.we_hear
        they_ask = self.pair.ours == "REP" or self.pair.theirs == "REQ"
        for direction in reversed(directions) if they_ask else directions:
            await direction(body)
