"""Requests that are made again: how often, whom they ask, and what is said when it was in vain."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

import attrs
import pytest
import trio
import trio.testing

from tests.spec.meeting import eventually, reserved_tcp
from trio_mq import PeerLost, Rep, Req, Request, RequestFailed, Retry, Router
from trio_mq._chance import set_chance
from trio_mq.testing import assert_nothing_lost

Service: TypeAlias = Rep | Router
#: A partner that repeats ids, one that does not, and one that gets ids in any case.
PARTNERS: Final = [(Rep, None), (Router, None), (Router, True)]
each_partner = pytest.mark.parametrize(
    ("kind", "correlate"), PARTNERS, ids=["rep", "router", "correlate"]
)


@attrs.define(eq=False)
class Sleepy:
    """A service that answers each request after a number of seconds of its own."""

    #: Seconds to each, in turn; what comes after the last is answered at once.
    delays: list[float]
    asked: list[bytes] = attrs.field(factory=list)

    async def __call__(self, request: Request) -> bytes:
        """Echo, with the number of the request."""
        number = len(self.asked)
        self.asked.append(bytes(request.message))
        await trio.sleep(self.delays[number] if number < len(self.delays) else 0)
        return b"%d: %s" % (number, bytes(request.message))


@asynccontextmanager
async def serving(kind: type[Service], name: str, sleepy: Sleepy) -> AsyncIterator[Service]:
    """Let it answer; nobody's leaving is a reason to stop."""
    async with kind(bind=name, linger=0) as service, trio.open_nursery() as nursery:

        async def serve() -> None:
            await service.serve(sleepy, cancel_when_gone=False)

        nursery.start_soon(serve)
        yield service
        nursery.cancel_scope.cancel()


# -- one service: the lazy pirate --


@each_partner
async def test_a_request_is_made_again_until_it_is_answered(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """And late replies to earlier attempts are not taken for the one to the last."""
    sleepy = Sleepy([5.5, 3.5])
    async with (
        serving(kind, "inproc://service", sleepy),
        Req(connect="inproc://service", correlate=correlate, linger=0) as req,
    ):
        reply = await req.request(b"work", retry=Retry(attempts=3, patience=2.0))
        assert reply == b"2: work"
        assert autojump_clock.current_time() == pytest.approx(4.0, abs=0.5)
        for _ in range(3):  # while the late ones come
            assert (await req.request(b"more")).text.endswith("more")
            await trio.sleep(1)
        assert sleepy.asked == [b"work"] * 3 + [b"more"] * 3


@each_partner
async def test_when_all_was_in_vain_the_error_says_why(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """Each attempt, how long it took, and with whom."""
    sleepy = Sleepy([math.inf] * 3)
    async with (
        serving(kind, "inproc://service", sleepy),
        Req(connect="inproc://service", correlate=correlate, linger=0) as req,
    ):
        with pytest.raises(RequestFailed, match="made 3 times") as caught:
            await req.request(b"work", retry=Retry(attempts=3, patience=2.0))
        assert autojump_clock.current_time() == pytest.approx(6.0, abs=0.5)
        failures = caught.value.attempts
        assert [type(failure) for failure in failures] == [trio.TooSlowError] * 3
        assert str(failures[0]) == "inproc://service gave no reply in time (2.0 s)"
        assert caught.value.__cause__ is failures[-1]
        assert await req.request(b"more") == b"3: more"


async def test_a_service_that_can_not_be_reached_is_told_of_with_its_error() -> None:
    """What a time-out around the call could not say."""
    with reserved_tcp() as nobody:
        async with Req(connect=nobody, linger=0) as req:
            await eventually(lambda: req.endpoints[0].last_error is not None)
            with pytest.raises(RequestFailed, match=r"could not be reached.*refused") as caught:
                await req.request(b"work", retry=Retry(attempts=2, patience=0.01))
            assert len(caught.value.attempts) == 2
            assert nobody in str(caught.value)


async def test_without_an_endpoint_nobody_can_be_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The error says that, too."""
    async with Req() as req:
        with pytest.raises(RequestFailed, match="made 1 time: a service could not be reached"):
            await req.request(b"work", retry=Retry(attempts=1, patience=60))
    assert autojump_clock.current_time() == pytest.approx(60, abs=1)


@each_partner
async def test_a_service_that_is_lost_is_asked_again_at_once(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """Its connection ends with a request out, and the next one brings the reply."""
    sleepy = Sleepy([math.inf])
    async with (
        serving(kind, "inproc://service", sleepy) as service,
        Req(connect="inproc://service", correlate=correlate, linger=0) as req,
        trio.open_nursery() as nursery,
    ):

        async def cut() -> None:
            await trio.sleep(1)
            service.peers[0].disconnect("a test")

        nursery.start_soon(cut)
        assert await req.request(b"work", retry=Retry(patience=100.0)) == b"1: work"
        assert autojump_clock.current_time() < 10


async def test_a_lost_service_is_one_of_the_failures() -> None:
    """With what ended its connection."""
    sleepy = Sleepy([math.inf])
    async with (
        serving(Rep, "inproc://service", sleepy) as service,
        Req(connect="inproc://service", linger=0) as req,
        trio.open_nursery() as nursery,
    ):

        async def cut() -> None:
            await trio.testing.wait_all_tasks_blocked()
            service.peers[0].disconnect("a test")

        nursery.start_soon(cut)
        with pytest.raises(RequestFailed) as caught:
            await req.request(b"work", retry=Retry(attempts=1))
        (lost,) = caught.value.attempts
        assert isinstance(lost, PeerLost)
        assert (lost.endpoint, lost.reason) == ("inproc://service", "closed by the peer")


# -- several: the freelance pattern --


@asynccontextmanager
async def three(kind: type[Service], *sleepy: Sleepy, correlate: bool | None) -> AsyncIterator[Req]:
    """Let so many services answer one Req."""
    names = [f"inproc://{number}" for number in range(len(sleepy))]
    async with AsyncExitStack() as stack:
        for name, each in zip(names, sleepy, strict=True):
            await stack.enter_async_context(serving(kind, name, each))
        req = await stack.enter_async_context(Req(correlate=correlate, linger=0))
        for name in names:
            await req.connect(name, wait=True)
        yield req


@each_partner
async def test_another_service_is_asked_next(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """Each once before any is asked again, whoever's turn it would be."""
    sleepy = [Sleepy([math.inf] * 9) for _ in range(3)]
    async with three(kind, *sleepy, correlate=correlate) as req:
        for rounds in range(1, 3):
            with pytest.raises(RequestFailed):
                await req.request(b"work", retry=Retry(attempts=3, patience=2.0))
            assert [len(each.asked) for each in sleepy] == [rounds] * 3
    assert autojump_clock.current_time() == pytest.approx(12, abs=1)


@each_partner
async def test_who_has_failed_is_not_asked_though_it_is_its_turn(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """Another request comes between the attempts, and so the turn comes to the first again."""
    hangs, lives = Sleepy([math.inf] * 9), Sleepy([])
    async with (
        three(kind, hangs, lives, correlate=correlate) as req,
        trio.open_nursery() as nursery,
    ):

        async def come_between() -> None:
            await trio.sleep(1)
            assert await req.request(b"other") == b"0: other"

        nursery.start_soon(come_between)
        reply = await req.request(b"work", retry=Retry(attempts=5, patience=2.0))
        assert reply == b"1: work"
        assert hangs.asked == [b"work"]
    assert autojump_clock.current_time() == pytest.approx(2, abs=0.5)


@each_partner
async def test_others_do_not_change_who_is_asked_next(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """With one service that lives, one attempt for each that does not is enough."""
    dead = [Sleepy([math.inf] * 1000) for _ in range(2)]
    replies = Counter[str]()
    async with three(kind, dead[0], Sleepy([]), dead[1], correlate=correlate) as req:

        async def ask(number: int) -> None:
            await trio.sleep(number * 0.1)
            reply = await req.request(b"work", retry=Retry(attempts=30, patience=2.0))
            replies[reply.text.partition(": ")[2]] += 1

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
        assert replies == {"work": 20}
    assert autojump_clock.current_time() < 60


async def test_any_service_may_be_asked_next(autojump_clock: trio.testing.MockClock) -> None:
    """If that is wanted, it is the one whose turn it is."""
    sleepy = Sleepy([math.inf] * 2)
    async with three(Rep, sleepy, correlate=None) as req:
        retry = Retry(attempts=3, patience=2.0, then="any peer")
        assert await req.request(b"work", retry=retry) == b"2: work"
    assert autojump_clock.current_time() == pytest.approx(4, abs=0.5)


# -- how long --


@each_partner
async def test_the_whole_has_the_deadline_of_its_scope(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """It ends in the middle of an attempt, and leaves nothing behind."""
    sleepy = Sleepy([math.inf] * 4)
    async with (
        serving(kind, "inproc://service", sleepy),
        Req(connect="inproc://service", correlate=correlate, linger=0) as req,
    ):
        with trio.move_on_after(7) as scope:
            await req.request(b"work", retry=Retry(attempts=None, patience=2.0))
        assert scope.cancelled_caught
        assert len(sleepy.asked) == 4
        assert autojump_clock.current_time() == pytest.approx(7, abs=0.5)
        assert await req.request(b"more") == b"4: more"
        assert_nothing_lost(req)


async def test_there_may_be_any_number_of_attempts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Until there is a reply."""
    sleepy = Sleepy([math.inf] * 50)
    async with three(Rep, sleepy, correlate=None) as req:
        reply = await req.request(b"work", retry=Retry(attempts=None, patience=2.0))
        assert reply == b"50: work"
    assert autojump_clock.current_time() == pytest.approx(100, abs=1)


def test_pauses_grow_to_a_bound() -> None:
    """They are random, below twice the one before."""
    retry = Retry(pause=0.5, pause_max=3.0)
    assert retry.pause_before(0) == 0
    for attempt, longest in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (10_000, 3.0)):
        pauses = [retry.pause_before(attempt) for _ in range(200)]
        assert 0 <= min(pauses) < longest / 2 < max(pauses) <= longest
    assert Retry().pause_before(5) == 0


async def test_pauses_are_made(autojump_clock: trio.testing.MockClock) -> None:
    """Between attempts, and not before the first."""
    sleepy = Sleepy([math.inf] * 5)
    async with three(Rep, sleepy, correlate=None) as req:
        retry = Retry(attempts=None, patience=1.0, pause=1000.0, pause_max=1000.0)
        assert await req.request(b"work", retry=retry) == b"5: work"
    assert 5 < autojump_clock.current_time() < 5006


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 1.5},
        {"patience": 0},
        {"patience": -1},
        {"patience": None},
        {"pause": -1},
        {"pause_max": "long"},
        {"then": "nobody"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_by_name(wrong: dict[str, object]) -> None:
    """Where it is given."""
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=name):
        Retry(**wrong)  # type: ignore[arg-type]  # the mistakes


async def test_what_is_no_retry_is_refused() -> None:
    """A number of times, say."""
    async with Req() as req:
        with pytest.raises(TypeError, match="retry is a Retry"):
            await req.request(b"work", retry=3)  # type: ignore[call-overload]  # the mistake


# -- who --


@each_partner
async def test_the_reply_may_come_with_its_peer(
    kind: type[Service], autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """Who has answered, also when others were asked before."""
    async with three(kind, Sleepy([]), Sleepy([]), correlate=correlate) as req:
        answered = set()
        for _ in range(2):
            reply, peer = await req.request(b"work", with_peer=True)
            assert reply == b"0: work"
            assert peer in req.peers
            answered.add(peer.endpoint)
        assert answered == {"inproc://0", "inproc://1"}
    async with three(kind, Sleepy([math.inf]), Sleepy([]), correlate=correlate) as req:
        reply, peer = await req.request(b"work", with_peer=True, retry=Retry(patience=2.0))
        assert reply == b"0: work"
        assert peer.endpoint == "inproc://1"
        assert autojump_clock.current_time() == pytest.approx(2.0, abs=0.5)


async def test_nothing_is_asked_again_of_a_socket_that_was_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was closed between two attempts: the call ends at once, not when its pause is over."""
    retry = Retry(attempts=2, patience=1.0, pause=1000.0, pause_max=1000.0)
    set_chance(random.Random(0))  # so that the pause is no tiny one
    async with Req(connect="inproc://nobody", linger=5000) as req, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await req.request(b"work", retry=retry)

        nursery.start_soon(ask)
        await trio.sleep(2)
        nursery.start_soon(req.aclose)
    assert autojump_clock.current_time() == 2
    assert req.statistics().accepted == 0
