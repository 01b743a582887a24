"""A Req with several endpoints asks those that are there, while any is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal, TypeAlias

import pytest
import trio
import trio.testing

from tests.property.pipes import Books, lend, new_pipe
from tests.spec.meeting import eventually
from trio_mq import Rep, Req, Router
from trio_mq._patterns.reach import Reach
from trio_mq._pipes.pipe import Pipe
from trio_mq.testing import assert_nothing_lost

Service: TypeAlias = Rep | Router

NAMES: Final = ("inproc://a", "inproc://b", "inproc://c")
each_service = pytest.mark.parametrize("kind", [Rep, Router])


@asynccontextmanager
async def service(kind: type[Service], name: str) -> AsyncIterator[Service]:
    """Answer every request with the name of the service."""
    async with kind(bind=name, linger=0) as opened, trio.open_nursery() as nursery:
        nursery.start_soon(opened.serve, lambda _: name.encode())
        yield opened
        nursery.cancel_scope.cancel()


async def ask(req: Req, count: int) -> Counter[str]:
    """Make so many requests at once, and count who answers."""
    answers = Counter[str]()

    async def request() -> None:
        answers[(await req.request(b"who")).text] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(request)
    return answers


@each_service
@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize("correlate", [None, True])
@pytest.mark.parametrize("living", NAMES)
async def test_a_service_that_is_down_gets_no_requests(
    kind: type[Service], living: str, *, immediate: bool, correlate: bool | None
) -> None:
    """Whichever it is: with one that lives, every request is answered."""
    async with (
        service(kind, living),
        Req(connect=NAMES, immediate=immediate, correlate=correlate, linger=0) as req,
    ):
        for _ in range(5):
            assert await ask(req, 4) == {living: 4}
        assert_nothing_lost(req)


@each_service
@pytest.mark.parametrize("living", NAMES)
async def test_what_waits_for_services_goes_to_the_first_that_comes(
    kind: type[Service], living: str
) -> None:
    """Though it was chosen for others, while nobody was there."""
    async with Req(connect=NAMES, linger=0) as req, trio.open_nursery() as nursery:
        answers = []

        async def request() -> None:
            answers.append((await req.request(b"who")).text)

        for _ in range(6):
            nursery.start_soon(request)
        await trio.testing.wait_all_tasks_blocked()
        assert req.statistics().waiting_to_send > 0
        async with service(kind, living):
            await eventually(lambda: len(answers) == 6)
        assert set(answers) == {living}


@each_service
async def test_services_take_turns_as_they_come_and_go(kind: type[Service]) -> None:
    """Each gets its share while it is there, and nothing is lost when it is not."""
    a, b, c = NAMES
    async with Req(connect=NAMES, linger=0) as req, service(kind, a):
        await req.wait_for_peers(1)
        assert set(await ask(req, 6)) == {a}
        async with service(kind, b):
            await req.wait_for_peers(2)
            assert set(await ask(req, 6)) == {a, b}
            async with service(kind, c):
                await req.wait_for_peers(3)
                assert set(await ask(req, 6)) == {a, b, c}
        await eventually(lambda: len(req.peers) == 1)
        assert set(await ask(req, 6)) == {a}
        async with service(kind, b):
            await req.wait_for_peers(2)
            assert set(await ask(req, 6)) == {a, b}
        assert_nothing_lost(req)


@each_service
async def test_when_the_only_service_has_left_others_may_come(kind: type[Service]) -> None:
    """What is asked meanwhile waits, and whoever comes gets all of it."""
    a, b, _ = NAMES
    async with Req(connect=[a, b], linger=0) as req, trio.open_nursery() as nursery:
        async with service(kind, a):
            assert await ask(req, 2) == {a: 2}
        await eventually(lambda: not req.peers)
        answers = []

        async def request() -> None:
            answers.append((await req.request(b"who")).text)

        for _ in range(4):
            nursery.start_soon(request)
        await trio.testing.wait_all_tasks_blocked()
        async with service(kind, b):
            await eventually(lambda: len(answers) == 4)
        assert set(answers) == {b}


@each_service
async def test_an_endpoint_that_is_disconnected_leaves_the_requests_to_others(
    kind: type[Service],
) -> None:
    """It is as when nobody is there: whoever comes gets them."""
    a, b, _ = NAMES
    async with service(kind, a), Req(connect=[a, b], linger=0) as req:
        assert await ask(req, 2) == {a: 2}
        await req.disconnect(a)
        async with service(kind, b):
            assert await ask(req, 3) == {b: 3}


async def test_a_request_that_waits_for_a_service_that_is_down_keeps_its_turn() -> None:
    """It is rerouted before anything new is sent."""
    a, b, _ = NAMES
    async with Req(connect=[a, b], linger=0) as req, Rep(linger=0) as rep:
        await req.send(b"first")  # to the first endpoint, which nobody binds
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(req.request, b"%d" % number)
            await rep.bind(b)
            requests = rep.requests()
            taken = [await anext(requests) for _ in range(4)]
            assert b"first" in {bytes(request.message) for request in taken}
            for request in taken:
                await request.reply(b"re " + bytes(request.message))
        assert await req.receive() == b"re first"


# -- the decisions alone --


def pipes(reach: Reach, *states: Literal["up", "down"]) -> list[Pipe]:
    """Return a pipe for each word, attached, and with a connection if it is up."""
    made = [new_pipe(Books()) for _ in states]
    for pipe, state in zip(made, states, strict=True):
        if state == "up":
            lend(pipe)
        reach.attach(pipe)
    return made


def test_the_first_connection_sends_the_others_away() -> None:
    """And nobody is sent away before there is one."""
    reach = Reach()
    first, second, third = pipes(reach, "down", "down", "down")
    lend(second)
    change = reach.arrive(second)
    assert (change.away, change.back) == ((first, third), ())
    assert [reach.is_away(pipe) for pipe in (first, second, third)] == [True, False, True]


def test_another_connection_brings_its_own_endpoint_back_alone() -> None:
    """The others have none still."""
    reach = Reach()
    _, second, third = pipes(reach, "up", "down", "down")
    lend(third)
    change = reach.arrive(third)
    assert (change.away, change.back) == ((), (third,))
    assert reach.is_away(second)


def test_a_connection_that_is_lost_sends_its_endpoint_away_while_there_is_another() -> None:
    """Its requests go where somebody is."""
    reach = Reach()
    first, _ = pipes(reach, "up", "up")
    change = reach.leave(first)
    assert (change.away, change.back) == ((first,), ())


def test_the_loss_of_the_last_connection_brings_everybody_back() -> None:
    """Whoever comes first gets what waits, and the lost one is as good as any."""
    reach = Reach()
    first, second = pipes(reach, "up", "down")
    change = reach.leave(first)
    assert (change.away, change.back) == ((), (second,))
    assert not reach.is_away(first)


def test_an_endpoint_that_is_taken_away_counts_as_lost() -> None:
    """If it was the last with a connection, the others come back; if not, nothing changes."""
    reach = Reach()
    first, second, third = pipes(reach, "up", "up", "down")
    change = reach.detach(first)
    assert (change.away, change.back) == ((), ())
    change = reach.detach(second)
    assert (change.away, change.back) == ((), (third,))
