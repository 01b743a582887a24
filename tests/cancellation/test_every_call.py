"""Every public coroutine of the library, found by walking it: what all of them promise alike.

Two promises are easily forgotten in the next call that somebody writes. A Ctrl-C may not come
between two of its own lines (`trio.lowlevel.enable_ki_protection`): a task that was interrupted
while it joined a wait list is woken a second time later, out of something else. And cancellation
comes first: in a cancelled scope every call raises `trio.Cancelled`, also one that would raise
something else, so that an ordinary end does not turn into an error when a socket was closed a
moment before. So the calls are found here, not listed; a new one without arguments for it fails.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import CodeType, FrameType
from typing import Final, TypeAlias

import pytest
import trio

import trio_mq
import trio_mq.zmtp
from trio_mq import Dealer, EventStream, Pair, Peer, Request, Router, Socket

#: A public coroutine function with the class that it was found on, if it is a method.
Found: TypeAlias = tuple[type | None, str, Callable[..., Awaitable[object]]]

#: What to call each with; methods of the same name take the same.
ARGUMENTS: Final[dict[str, tuple[object, ...]]] = {
    "__aenter__": (),
    "__anext__": (),
    "aclose": (),
    "bind": ("inproc://new",),
    "connect": ("inproc://new",),
    "disconnect": ("inproc://never-connected",),
    "drain": (),
    "receive": (),
    "receive_from": (),
    "receive_many": (),
    "reply": (b"answer",),
    "request": (b"question",),
    "send": (b"message",),
    "send_many": ([b"message"],),
    "send_to": (None, b"message"),
    "serve": (print,),
    "unbind": ("inproc://never-bound",),
    "wait_closed": (),
    "wait_for_peers": (),
    "wait_for_subscribers": (),
}
#: What each would refuse, were there no cancellation: methods that take something.
WRONG: Final[dict[str, dict[str, object]]] = {
    "aclose": {"linger": "long"},
    "bind": {"endpoint": 5},
    "connect": {"endpoint": 5},
    "disconnect": {"endpoint": 5},
    "receive_many": {"max": "all"},
    "reply": {"message": "text"},
    "request": {"message": "text"},
    "send": {"message": "text"},
    "send_many": {"messages": 5},
    "send_to": {"peer": b"me", "message": "text"},
    "serve": {"handler": 5},
    "unbind": {"endpoint": 5},
    "wait_for_peers": {"n": "all"},
    "wait_for_subscribers": {"n": "all"},
}
#: How many sockets each function takes.
SOCKETS: Final = {"proxy": 2, "wait_readable": 1, "wait_writable": 1}
#: The end of a block is not a call: it must do its work whatever has happened.
NOT_CALLS: Final = {"__aexit__"}
#: Written in trio, on top of methods that are found here.
TRIOS_OWN: Final = "trio."


def public_coroutines() -> Iterator[Found]:
    """Find them all: functions, and methods with those that the classes inherit."""
    for module in (trio_mq, trio_mq.lowlevel, trio_mq.zmtp):
        for name in module.__all__ if hasattr(module, "__all__") else vars(module):
            thing = getattr(module, name)
            if inspect.iscoroutinefunction(thing):
                yield None, name, thing
            elif inspect.isclass(thing):
                yield from methods(thing)


def methods(owner: type) -> Iterator[Found]:
    """Find the asynchronous methods of a class, our own protocol's too."""
    for name in dir(owner):
        member = inspect.getattr_static(owner, name)
        if name in NOT_CALLS or (name.startswith("_") and not name.startswith("__")):
            continue
        if inspect.iscoroutinefunction(member) and not member.__module__.startswith(TRIOS_OWN):
            yield owner, name, member


def title(found: Found) -> str:
    """Name it as users do."""
    owner, name, _ = found
    return name if owner is None else f"{owner.__name__}.{name}"


FOUND: Final = sorted(public_coroutines(), key=title)
every_call = pytest.mark.parametrize("found", FOUND, ids=title)


def test_the_walk_finds_what_it_should() -> None:
    """A walk that finds nothing would agree with everything."""
    titles = {title(found) for found in FOUND}
    assert {"proxy", "Peer.wait_closed", "EventStream.receive", "Req.request"} <= titles
    assert {"XPub.wait_for_subscribers", "Router.connect", "Socket.wait_for_peers"} <= titles
    assert len(titles) > 100


async def made(kind: type) -> object:
    """Return one of that class whose life is over."""
    if issubclass(kind, EventStream):
        async with Pair() as pair:
            events = pair.events()
        events.close()
        return events
    if issubclass(kind, Peer):
        async with Pair(bind="inproc://pair") as one, Pair() as other:
            await other.connect("inproc://pair", wait=True)
            (peer,) = one.peers
        return peer
    if issubclass(kind, Request):
        async with Router(bind="inproc://router") as router, Dealer() as dealer:
            await dealer.connect("inproc://router", wait=True)
            await dealer.send(b"question")
            return await anext(router.requests())
    assert issubclass(kind, Socket), f"{kind.__name__} is new: make one here"
    # A Pair does whatever sockets have in common.
    async with (socket := (Pair if issubclass(Pair, kind) else kind)()):
        pass
    return socket


async def call_of(found: Found) -> Callable[[], Awaitable[object]]:
    """Return what makes the call, on something that is closed: nothing good could come of it."""
    owner, name, function = found
    if owner is None:
        closed = await made(Pair)
        return lambda: function(*[closed] * SOCKETS[name])
    thing = await made(owner)
    arguments = ARGUMENTS[name]
    return lambda: getattr(thing, name)(*arguments)


@every_call
async def test_cancellation_comes_first(found: Found) -> None:
    """Before the socket is found closed, an endpoint unknown, a turn not ours."""
    call = await call_of(found)
    with trio.CancelScope() as scope:
        scope.cancel()
        await call()
    assert scope.cancelled_caught


TAKING: Final = [
    found for found in FOUND if inspect.signature(found[2]).parameters.keys() - {"self"}
]


@pytest.mark.parametrize("found", TAKING, ids=title)
async def test_cancellation_comes_before_a_wrong_argument(found: Found) -> None:
    """A program that is about to end is not the place to learn of it."""
    owner, name, function = found
    if owner is None:
        call = partial(function, *[None] * SOCKETS[name])
    else:
        call = partial(getattr(await made(owner), name), **WRONG[name])
    with trio.CancelScope() as scope:
        scope.cancel()
        await call()
    assert scope.cancelled_caught


class Watcher:
    """Notes, when a code begins to run, whether a Ctrl-C could interrupt it there."""

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self.was_protected: list[bool] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """See a call (the interface of `sys.settrace`)."""
        if event == "call" and frame.f_code is self._code and not self.was_protected:
            self.was_protected.append(trio.lowlevel.currently_ki_protected())


@every_call
async def test_no_interrupt_comes_between_its_lines(found: Found) -> None:
    """From its first line on, whoever calls it."""
    call = await call_of(found)
    watcher, before = Watcher(found[2].__code__), sys.gettrace()
    sys.settrace(watcher)
    try:
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()
    finally:
        sys.settrace(before)
    assert watcher.was_protected == [True]


async def test_an_unprotected_call_is_seen() -> None:
    """Or the test above would be true of anything."""

    async def unprotected() -> None:
        await trio.lowlevel.checkpoint()

    watcher, before = Watcher(unprotected.__code__), sys.gettrace()
    sys.settrace(watcher)
    try:
        await unprotected()
    finally:
        sys.settrace(before)
    assert watcher.was_protected == [False]


def plain_methods() -> Iterator[tuple[str, Callable[..., object]]]:
    """Find the public methods that are no coroutines; properties only look."""
    for name in trio_mq.__all__:
        owner = getattr(trio_mq, name)
        if not (inspect.isclass(owner) and issubclass(owner, (Socket, Peer, EventStream, Request))):
            continue
        for method in dir(owner):
            member = inspect.getattr_static(owner, method)
            if method.startswith("_") or not inspect.isfunction(member):
                continue
            if member.__module__.startswith("trio_mq") and not inspect.iscoroutinefunction(member):
                yield f"{name}.{method}", member


def test_no_interrupt_comes_between_the_lines_of_a_plain_call() -> None:
    """A Ctrl-C in the midst of `subscribe` would leave it half done, as in any other call."""
    found = dict(plain_methods())
    assert {
        "Sub.subscribe",
        "Request.decline",
        "Push.send_nowait",
        "Peer.disconnect",
        "XPub.accept",
    } <= set(found)
    open_to_it = {
        name
        for name, method in found.items()
        if "@" not in (head := inspect.getsource(method).partition("def ")[0])
        or "enable_ki_protection" not in head
    }
    assert open_to_it == set()
