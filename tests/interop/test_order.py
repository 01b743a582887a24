"""Ten thousand messages each way: all arrive, once, in the order in which they were sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Frames, Libzmq
from tests.interop.pairs import PAIRS, Conversation, Link, Pair, join, open_ours, open_theirs

MANY: Final = 10_000
BODIES: Final[list[Frames]] = [(b"%d" % number,) for number in range(MANY)]
TELLING: Final = [pair for pair in PAIRS if pair.we_tell and not pair.in_turns]
HEARING: Final = [pair for pair in PAIRS if pair.we_hear and not pair.in_turns]
#: What would drop messages for a receiver that is too slow must not.
_UNLIMITED: Final = {"PUB", "XPUB", "ROUTER"}


@pytest.fixture(params=list(Link), ids=lambda link: link.value)
def meeting(request: pytest.FixtureRequest, folder: Path) -> tuple[Link, str]:
    """Return who binds, and where: tcp for one and ipc for the other is enough of both."""
    link = Link(request.param)
    return link, "tcp://127.0.0.1:*" if link is Link.WE_BIND else f"ipc://{folder}/meeting"


@asynccontextmanager
async def conversing(
    pair: Pair, libzmq: Libzmq, meeting: tuple[Link, str]
) -> AsyncIterator[Conversation]:
    """Open both sockets of a pair so that none drops, and join them."""
    theirs = await open_theirs(pair, libzmq, SNDHWM=0, RCVHWM=0)
    options = {"send_hwm": None} if pair.ours in _UNLIMITED else {}
    async with open_ours(pair, **options) as ours:
        await join(ours, theirs, *meeting)
        conversation = Conversation(pair, ours, theirs)
        await conversation.begin()
        yield conversation
        assert_accounted_for(ours)


async def receive_all(socket: trio_mq.Socket, count: int) -> list[Frames]:
    """Receive exactly so many messages, as many at a time as there are."""
    assert isinstance(
        socket, trio_mq.Pull | trio_mq.Sub | trio_mq.XSub | trio_mq.Dealer | trio_mq.Pair
    )
    messages: list[Frames] = []
    while len(messages) < count:
        messages += await socket.receive_many(count - len(messages))
    return messages


@pytest.mark.parametrize("pair", TELLING, ids=str)
async def test_libzmq_receives_all_in_order(
    libzmq: Libzmq, meeting: tuple[Link, str], pair: Pair
) -> None:
    """We send one by one and never wait for the other program."""
    async with conversing(pair, libzmq, meeting) as talk, trio.open_nursery() as nursery:
        assert isinstance(talk.ours, trio.abc.SendChannel)
        if pair.theirs == "ROUTER" and pair.ours == "ROUTER":
            await talk.tell((b"here we are",))
        for body in BODIES:
            await talk.ours.send(talk.to_send(body))
        arrived = await talk.theirs.receive_many(MANY)
        assert arrived == [talk.for_them(body) for body in BODIES]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("pair", HEARING, ids=str)
async def test_we_receive_all_in_order(
    libzmq: Libzmq, meeting: tuple[Link, str], pair: Pair
) -> None:
    """Libzmq floods us, and our high-water mark holds it back."""
    async with conversing(pair, libzmq, meeting) as talk, trio.open_nursery() as nursery:
        if pair.theirs == "ROUTER":
            await talk.tell((b"here we are",))
        messages = [talk.they_send(body) for body in BODIES]
        nursery.start_soon(talk.theirs.send_many, messages)
        assert isinstance(talk.ours, trio.abc.ReceiveChannel)
        for body in BODIES:
            assert await talk.ours.receive() == talk.for_us(body)


@pytest.mark.parametrize("server", ["REP", "ROUTER", "DEALER"])
async def test_every_request_gets_its_own_reply_from_libzmq(
    libzmq: Libzmq, meeting: tuple[Link, str], server: str
) -> None:
    """Libzmq sends back what it gets."""
    if server == "DEALER":
        ours: trio_mq.Socket = trio_mq.Dealer()
    else:
        ours = trio_mq.Req()
    theirs = await libzmq.open(server)
    async with ours, trio.open_nursery() as nursery:
        await join(ours, theirs, *meeting)
        nursery.start_soon(theirs.echo, 2000)
        assert isinstance(ours, trio_mq.Req | trio_mq.Dealer)
        for number in range(2000):
            await ours.send(b"%d" % number)
            assert await ours.receive() == (b"%d" % number,)
        assert_accounted_for(ours)


@pytest.mark.parametrize("ours", [trio_mq.Rep, trio_mq.Router])
async def test_libzmq_gets_the_reply_to_each_of_its_requests(
    libzmq: Libzmq, meeting: tuple[Link, str], ours: type[trio_mq.Rep | trio_mq.Router]
) -> None:
    """We send back what we get, envelope and all."""
    theirs = await libzmq.open("REQ")
    requests = BODIES[:2000]
    async with ours() as server, trio.open_nursery() as nursery:

        async def serve() -> None:
            async for request in server:
                await server.send(request)

        await join(server, theirs, *meeting)
        nursery.start_soon(serve)
        assert await theirs.ask(requests) == requests
        nursery.cancel_scope.cancel()
        assert_accounted_for(server)
