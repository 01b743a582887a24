"""The good peer of each socket type, and how the two exchange a message."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import trio

from trio_mq import (
    Dealer,
    Message,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Socket,
    StateError,
    Sub,
    XPub,
    XSub,
)

#: What goes with a socket of ours.
_GOOD: Mapping[type[Socket], Callable[[], Socket]] = {
    Pull: lambda: Push(linger=0),
    Push: lambda: Pull(linger=0),
    Pub: lambda: Sub(topics=b"", linger=0),
    XPub: lambda: Sub(topics=b"", linger=0),
    Sub: lambda: Pub(linger=0),
    XSub: lambda: Pub(linger=0),
    Req: lambda: Rep(linger=0),
    Rep: lambda: Req(linger=0),
    Pair: lambda: Pair(linger=0),
    Dealer: lambda: Dealer(linger=0),
    Router: lambda: Dealer(linger=0),
}


def good_peer_of(ours: Socket) -> Socket:
    """Return a new socket that goes with one of ours."""
    return _GOOD[type(ours)]()


def may_have_several(ours: Socket) -> bool:
    """Tell whether a socket can have a good peer and a bad one at a time."""
    return not isinstance(ours, Pair)


def unread(ours: Socket) -> Iterator[Message]:
    """Yield what has arrived at a socket, if it can receive at all."""
    if not isinstance(ours, (Pull, Sub, XSub, XPub, Dealer, Router, Rep, Pair)):
        return
    with contextlib.suppress(trio.WouldBlock, StateError):
        while True:
            yield ours.receive_nowait()


async def exchange(ours: Socket, good: Socket, word: bytes) -> None:
    """Carry a word between the two, whichever way their types allow."""
    match ours, good:
        case Push(), Pull():
            await _push(ours, good, word)
        case Pub() | XPub(), Sub():
            await ours.wait_for_subscribers(len(ours.peers), topic=word)
            await ours.send(word)
            await _until(good, word)
        case Req(), Rep():
            await _ask(ours, good, word)
        case Rep(), Req():
            await _answer(ours, good, word)
        case Sub() | XSub(), Pub():
            ours.subscribe(b"")
            await good.wait_for_subscribers()
            await good.send(word)
            await _until(ours, word)
        case ((Pull() | Dealer() | Router() | Pair()), (Push() | Dealer() | Pair())):
            await good.send(word)
            await _until(ours, word)
        case _:
            raise AssertionError(f"no way to exchange between {ours!r} and {good!r}")


async def _until(receiver: Pull | Sub | XSub | Dealer | Router | Pair | XPub, word: bytes) -> None:
    while word not in await receiver.receive():
        pass


async def _push(ours: Push, good: Pull, word: bytes) -> None:
    """Send until the good one gets it: each worker has its turn."""

    async def send() -> None:
        while True:
            await ours.send(word)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await _until(good, word)
        nursery.cancel_scope.cancel()


async def _ask(ours: Req, good: Rep, word: bytes) -> None:
    """Ask every peer at once, so that it does not matter whose turn it is."""
    async with trio.open_nursery() as nursery:
        for _ in ours.peers:
            nursery.start_soon(ours.request, word)
        assert bytes(await good.receive()) == word
        await good.send(word)
        nursery.cancel_scope.cancel()


async def _answer(ours: Rep, good: Req, word: bytes) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(good.request, word)
        assert bytes(await ours.receive()) == word
        await ours.send(word)
