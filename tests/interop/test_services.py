"""Requests of libzmq programs in hand, any number at once."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import pytest
import trio

from tests.interop.libzmq import Libzmq
from tests.spec.meeting import eventually
from trio_mq import Dealer, DropReason, Rep, Request, Router
from trio_mq.testing import assert_nothing_lost

each_service = pytest.mark.parametrize("kind", [Rep, Router])
CLIENTS: Final = 5


@each_service
@pytest.mark.parametrize("correlate", [0, 1])
async def test_reqs_of_libzmq_are_answered_in_any_order(
    place: str, libzmq: Libzmq, kind: type[Rep | Router], correlate: int
) -> None:
    """Each gets its own reply, with its id in front if it wants that."""
    async with kind() as service:
        endpoint = await service.bind(place)
        reqs = [await libzmq.open("REQ", REQ_CORRELATE=correlate) for _ in range(CLIENTS)]
        for number, req in enumerate(reqs):
            await req.connect(endpoint)
            await req.send(b"%d" % number, b"and more")
        requests = service.requests()
        for request in reversed([await anext(requests) for _ in reqs]):
            await request.reply([b"for " + request.message[0], b""])
        for number, req in enumerate(reqs):
            assert await req.receive() == (b"for %d" % number, b"")
        assert_nothing_lost(service)


@each_service
@pytest.mark.parametrize("envelope", [(b"",), (b"1", b"22", b"333", b"")], ids=["plain", "deep"])
async def test_replies_overtake_one_another_on_a_dealer_of_libzmq(
    place: str, libzmq: Libzmq, kind: type[Rep | Router], envelope: tuple[bytes, ...]
) -> None:
    """In the envelope of the request, of any depth: what came last is answered first."""
    async with kind() as service, trio.open_nursery() as nursery:
        dealer = await libzmq.open("DEALER")
        await dealer.connect(await service.bind(place))
        before: list[trio.Event] = [trio.Event() for _ in range(10)]

        async def answer(request: Request) -> None:
            number = int(request.message[0])
            if number < 9:
                await before[number + 1].wait()
            await request.reply(b"re %d" % number)
            before[number].set()

        nursery.start_soon(service.serve, answer)
        await dealer.send_many([(*envelope, b"%d" % number) for number in range(10)])
        replies = await dealer.receive_many(10)
        assert replies == [(*envelope, b"re %d" % number) for number in reversed(range(10))]
        nursery.cancel_scope.cancel()


@each_service
async def test_a_program_of_libzmq_that_ends_is_worked_for_no_more(
    place: str, libzmq: Libzmq, kind: type[Rep | Router]
) -> None:
    """Its handler is cancelled, and what it would have got is counted."""
    cancelled = trio.Event()

    async def work(_: Request) -> bytes:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with kind() as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, work)
        req = await libzmq.open("REQ")
        await req.connect(await service.bind(place))
        await req.send(b"question")
        await eventually(lambda: service.statistics().delivered == 1)
        await req.close()
        await cancelled.wait()
        await eventually(lambda: service.statistics().dropped == {DropReason.UNROUTABLE: 1})
        nursery.cancel_scope.cancel()


async def test_a_broker_stands_between(place: str, libzmq: Libzmq) -> None:
    """Of libzmq: it puts a name in front of each request, and finds it in front of the reply."""
    async with AsyncExitStack() as stack:
        front, back = await libzmq.open("ROUTER"), await libzmq.open("DEALER")
        to_front = await front.bind(place)
        to_back = await back.bind("tcp://127.0.0.1:*")
        nursery = await stack.enter_async_context(trio.open_nursery())
        rep = await stack.enter_async_context(Rep(connect=to_back))
        nursery.start_soon(rep.serve, lambda request: b"re " + bytes(request.message))
        dealer = await stack.enter_async_context(Dealer(connect=to_front))
        for number in range(5):
            await dealer.send([b"", b"%d" % number])
        for request in await front.receive_many(5):
            await back.send(*request)
        for reply in await back.receive_many(5):
            await front.send(*reply)
        received = sorted([(await dealer.receive())[-1] for _ in range(5)])
        assert received == [b"re %d" % number for number in range(5)]
        nursery.cancel_scope.cancel()
