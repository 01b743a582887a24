"""Readiness: whether a call that does not wait would succeed, without calling it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from trio_mq import Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Socket, StateError, Sub
from trio_mq.lowlevel import wait_readable, wait_writable


async def returns(wait: Callable[[], Awaitable[None]]) -> bool:
    """Tell whether a wait is over when nothing else can happen any more."""
    over = False

    async def waited() -> None:
        nonlocal over
        await wait()
        over = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waited)
        await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()
    return over


@pytest.mark.parametrize("place", ["inproc://there", "tcp://127.0.0.1:*"])
async def test_a_message_can_be_waited_for_and_is_not_taken(place: str) -> None:
    """Also again, and also by a task that waited before it came."""
    async with Pull() as pull, Push() as push:
        await push.connect(await pull.bind(place), wait=True)
        assert not await returns(lambda: wait_readable(pull))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_readable, pull)
            await trio.testing.wait_all_tasks_blocked()
            await push.send(b"x")
        assert await returns(lambda: wait_readable(pull))
        assert pull.receive_nowait() == b"x"
        assert pull.statistics().delivered == 1


async def test_who_waits_to_look_does_not_stand_in_the_way() -> None:
    """The task behind it gets the message."""
    async with Pull(bind="inproc://p") as pull, Push(connect="inproc://p") as push:
        got = []

        async def receive() -> None:
            got.append(await pull.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_readable, pull)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await push.send(b"x")
        assert got == [b"x"]


@pytest.mark.parametrize(("kind", "sink"), [(Push, Pull), (Dealer, Router), (Pair, Pair)])
async def test_room_can_be_waited_for(kind: type[Socket], sink: type[Socket]) -> None:
    """First a peer, then room at it; nothing is sent, and nobody loses a turn."""
    async with (
        kind(send_hwm=1) as sender,
        sink(receive_hwm=1) as receiver,
    ):
        assert isinstance(sender, (Push, Dealer, Pair))
        assert isinstance(receiver, (Pull, Router, Pair))
        assert not await returns(lambda: wait_writable(sender))
        await sender.connect(await receiver.bind("inproc://there"))
        for _ in range(2):
            assert await returns(lambda: wait_writable(sender))
            sender.send_nowait(b"x")
        assert not await returns(lambda: wait_writable(sender))
        with pytest.raises(trio.WouldBlock):
            sender.send_nowait(b"x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_writable, sender)
            await trio.testing.wait_all_tasks_blocked()
            await receiver.receive()
        sender.send_nowait(b"x")
        await receiver.receive()
        await receiver.receive()


async def test_a_look_leaves_the_turns_as_they_are() -> None:
    """Each worker gets its share, however often it was asked for room."""
    async with Push() as push, Pull() as one, Pull() as other:
        for pull, name in ((one, "inproc://1"), (other, "inproc://2")):
            await push.connect(await pull.bind(name), wait=True)
        for _ in range(4):
            await wait_writable(push)
            push.send_nowait(b"x")
        assert [len(await pull.receive_many()) for pull in (one, other)] == [2, 2]


async def test_a_publisher_is_waited_for_only_where_it_waits() -> None:
    """Where it drops, there is always room."""
    for on_full, expected in (("block", False), ("drop_newest", True)):
        async with (
            Pub(bind="inproc://n", on_full=on_full, send_hwm=1) as pub,  # type: ignore[arg-type]
            Sub(connect="inproc://n", topics="", receive_hwm=1),
        ):
            await pub.wait_for_subscribers()
            for _ in range(2):
                pub.send_nowait(b"x")
            assert await returns(lambda pub=pub: wait_writable(pub)) is expected  # type: ignore[misc]


async def test_turns_are_kept() -> None:
    """A Rep answers first; a Req waits for its reply itself."""
    async with Rep(bind="inproc://r") as rep, Req(connect="inproc://r") as req:
        await req.send(b"x")
        await wait_readable(rep)
        await rep.receive()
        with pytest.raises(StateError, match="answers a request"):
            await wait_readable(rep)
        with pytest.raises(TypeError, match="other than a Req"):
            await wait_readable(req)
        rep.discard()


async def test_closing_ends_the_waits() -> None:
    """As every call."""

    async def ended(wait: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await wait()

    async with Pull() as pull, Push() as push, trio.open_nursery() as nursery:
        nursery.start_soon(ended, lambda: wait_readable(pull))
        nursery.start_soon(ended, lambda: wait_writable(push))
        await trio.testing.wait_all_tasks_blocked()
        await pull.aclose()
        await push.aclose()


@pytest.mark.parametrize("wait", [wait_readable, wait_writable])
async def test_what_is_no_socket_is_refused(wait: Callable[[object], Awaitable[None]]) -> None:
    """By name."""
    with pytest.raises(TypeError, match=r"takes a socket that .*, not 5"):
        await wait(5)
