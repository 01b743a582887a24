"""The good peer of each socket type, and how the two exchange a message."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import trio

from tests.hostile import secured
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
    Sub,
    XPub,
    XSub,
    open_socket,
)

#: Seconds that no test takes: good peers keep their heartbeat from the first moment on, so that a
#: PING of ours starts no task of theirs.
NEVER = 3600.0
#: What goes with a socket of ours.
_GOOD: Mapping[type[Socket], type[Socket]] = {
    Pull: Push,
    Push: Pull,
    Pub: Sub,
    XPub: Sub,
    Sub: Pub,
    XSub: Pub,
    Req: Rep,
    Rep: Req,
    Pair: Pair,
    Dealer: Dealer,
    Router: Dealer,
}


def good_peer_of(ours: Socket) -> Socket:
    """Return a new socket that goes with one of ours, under the same mechanism."""
    mechanism, authenticator = secured.counterpart(ours._options.mechanism)
    good = open_socket(
        _GOOD[type(ours)].socket_type,
        linger=0,
        heartbeat_interval=NEVER,
        mechanism=mechanism,
        authenticator=authenticator,
    )
    if isinstance(good, Sub):
        good.subscribe(b"")
    return good


def may_have_several(ours: Socket) -> bool:
    """Tell whether a socket can have a good peer and a bad one at a time."""
    return not isinstance(ours, Pair)


def unread(ours: Socket) -> Iterator[Message]:
    """Yield what has arrived at a socket, if it can receive at all."""
    if not isinstance(ours, (Pull, Sub, XSub, XPub, Dealer, Router, Rep, Pair)):
        return
    with contextlib.suppress(trio.WouldBlock):
        while True:
            yield ours.receive_nowait()
            if isinstance(ours, Rep):
                ours.discard()


async def exchange(ours: Socket, good: Sequence[Socket], word: bytes) -> None:
    """Carry a word between ours and each of its good peers, whichever way their types allow."""
    if isinstance(ours, Req):
        await _ask(ours, good, word)
        return
    for peer in good:
        await _exchange_with_one(ours, peer, word)


async def _exchange_with_one(ours: Socket, good: Socket, word: bytes) -> None:
    match ours, good:
        case Push(), Pull():
            await _push(ours, good, word)
        case Pub() | XPub(), Sub():
            await ours.wait_for_subscribers(len(ours.peers), topic=word)
            await ours.send(word)
            await _until(good, word)
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


async def _until(receiver: Pull | Sub | XSub | Dealer | Router | Pair, word: bytes) -> None:
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


async def _ask(ours: Req, good: Sequence[Socket], word: bytes) -> None:
    """Ask every peer at once, so that it does not matter whose turn it is."""
    async with trio.open_nursery() as nursery:
        for peer in good:
            nursery.start_soon(ours.request, word)
            assert isinstance(peer, Rep)
            nursery.start_soon(_echo, peer, word)


async def _echo(good: Rep, word: bytes) -> None:
    assert bytes(await good.receive()) == word
    await good.send(word)


async def _answer(ours: Rep, good: Req, word: bytes) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(good.request, word)
        assert bytes(await ours.receive()) == word
        await ours.send(word)
