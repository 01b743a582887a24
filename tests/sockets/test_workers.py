"""``serve``: a function that answers many requests at once, and what becomes of each call of it."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import attrs
import pytest
import trio
import trio.testing

from tests.connections.test_writer import a_client_of
from tests.hostile import wire
from tests.slices import count_messages_only
from tests.sockets.test_service import Service, ask, each_service, each_way, meeting
from tests.spec.meeting import arrived, eventually, fill
from trio_mq import Dealer, DropReason, Message, Rep, Request, Router
from trio_mq._sockets.one_error import the_one
from trio_mq.testing import assert_nothing_lost


@attrs.define(eq=False)
class Desk:
    """A handler that keeps requests until it is told to answer them."""

    begun: list[bytes] = attrs.field(factory=list)
    cancelled: list[bytes] = attrs.field(factory=list)
    at_once: int = 0
    most_at_once: int = 0
    open: trio.Event = attrs.field(factory=trio.Event)

    async def __call__(self, request: Request) -> bytes:
        """Wait for `open`, and echo."""
        body = bytes(request.message)
        self.begun.append(body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        except trio.Cancelled:
            self.cancelled.append(body)
            raise
        finally:
            self.at_once -= 1
        return body

    async def has(self, count: int) -> None:
        """Wait until so many requests are in hand."""
        await eventually(lambda: self.at_once == count)


async def replies(dealer: Dealer, count: int) -> list[bytes]:
    """Receive so many replies, and return their bodies in order."""
    return sorted([(await dealer.receive())[-1] for _ in range(count)])


# -- how many --


@each_service
@each_way
async def test_as_many_are_in_hand_as_are_allowed(kind: type[Service], way: str) -> None:
    """The others wait, and are taken as soon as others are answered."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(kind, dealer, way=way) as service, trio.open_nursery() as nursery:
        for number in range(10):
            await ask(dealer, b"", b"%d" % number)
        await arrived(service, 10)

        async def serve() -> None:
            await service.serve(desk, max_concurrent=3)

        nursery.start_soon(serve)
        await desk.has(3)
        for _ in range(20):
            await trio.lowlevel.checkpoint()  # no more are taken, though others may run
        figures = service.statistics()
        assert (figures.delivered, figures.waiting_to_receive) == (3, 7)
        desk.open.set()
        assert await replies(dealer, 10) == [b"%d" % number for number in range(10)]
        assert desk.most_at_once == 3
        nursery.cancel_scope.cancel()
    assert_nothing_lost(service)


@each_service
async def test_the_bound_reaches_the_clients(kind: type[Service]) -> None:
    """What is in hand, what may wait at either end, and no request more is accepted by a client."""
    dealer, desk = Dealer(linger=0, send_hwm=10), Desk()
    service = kind(linger=0, receive_hwm=20)
    async with meeting(kind, dealer, service=service), trio.open_nursery() as nursery:

        async def serve() -> None:
            await service.serve(desk, max_concurrent=5)

        nursery.start_soon(serve)
        accepted = 0
        for _ in range(50):
            accepted += fill(dealer, (b"", b"request"))
            await trio.testing.wait_all_tasks_blocked()
        assert accepted <= 5 + 20 + 10
        assert service.statistics().delivered == 5
        desk.open.set()
        await replies(dealer, accepted)
        assert desk.most_at_once == 5
        nursery.cancel_scope.cancel()


@each_service
async def test_a_function_that_never_waits_needs_few_tasks(kind: type[Service]) -> None:
    """It may be no async function; one task waits for the next request, and one may be pausing."""
    dealer = Dealer(linger=0)
    count_messages_only()
    tasks: set[trio.lowlevel.Task] = set()

    def echo(request: Request) -> Message:
        tasks.add(trio.lowlevel.current_task())
        return request.message

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, echo)
        for number in range(500):
            await ask(dealer, b"", b"%03d" % number)
        assert await replies(dealer, 500) == [b"%03d" % number for number in range(500)]
        assert len(tasks) <= 3
        nursery.cancel_scope.cancel()


@each_service
@each_way
async def test_a_function_that_never_waits_answers_in_order(kind: type[Service], way: str) -> None:
    """Each client gets its replies as if one were answered after the other."""
    dealers = [Dealer(linger=0) for _ in range(3)]

    async def echo(request: Request) -> Message:
        return request.message

    async with meeting(kind, *dealers, way=way) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, echo)
        for number in range(300):
            for dealer in dealers:
                await ask(dealer, b"", b"%d" % number)
        for dealer in dealers:
            for number in range(300):
                assert (await dealer.receive())[-1] == b"%d" % number
        nursery.cancel_scope.cancel()


@each_service
async def test_who_has_finished_overtakes_nobody(kind: type[Service]) -> None:
    """A request is given to the task that waits while another one finishes: it is answered first.

    Which of the two runs first is chance, so this is tried many times.
    """
    dealer, go = Dealer(linger=0), trio.Event()

    async def echo(request: Request) -> Message:
        if request.message == b"wait":
            await go.wait()
        return request.message

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, echo)
        for _ in range(20):
            await ask(dealer, b"", b"wait")
            await trio.testing.wait_all_tasks_blocked()
            go.set()
            dealer.send_nowait([b"", b"1"])
            dealer.send_nowait([b"", b"2"])
            received = [(await dealer.receive())[-1] for _ in range(3)]
            received.remove(b"wait")
            assert received == [b"1", b"2"]
            go = trio.Event()
        nursery.cancel_scope.cancel()


@each_service
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"handler": print, "max_concurrent": 0}, ValueError),
        ({"handler": print, "max_concurrent": 1.5}, TypeError),
        ({"handler": None}, TypeError),
    ],
)
async def test_what_makes_no_sense_is_refused(
    kind: type[Service], arguments: dict[str, object], error: type[Exception]
) -> None:
    """At once, by name."""
    async with kind() as service:
        with pytest.raises(error, match=r"max_concurrent|function"):
            await service.serve(**arguments)  # type: ignore[arg-type]  # on purpose


# -- no reply --


Handler = Callable[[Request], Awaitable[bytes | None]]


async def fail(_: Request) -> bytes:
    """Raise what a handler raises."""
    raise ValueError("of the handler")


async def fail_in_a_group(_: Request) -> bytes:
    """The same, as a nursery does."""
    raise ExceptionGroup("of the handler", [ValueError("of the handler")])


async def return_text(_: Request) -> bytes:
    """Return what can't be sent."""
    return "text"  # type: ignore[return-value]  # the mistake


@each_service
@pytest.mark.parametrize("handler", [fail, fail_in_a_group, return_text])
async def test_an_exception_is_logged_and_goes_no_further(
    kind: type[Service], handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """It declines its request, is counted, and others are answered."""
    dealer = Dealer(linger=0)

    async def handle(request: Request) -> bytes | None:
        return b"good" if request.message == b"good" else await handler(request)

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        with caplog.at_level(logging.ERROR, "trio_mq"):
            await ask(dealer, b"", b"bad")
            await ask(dealer, b"", b"good")
            assert await replies(dealer, 1) == [b"good"]
        await eventually(lambda: bool(service.statistics().dropped))
        assert service.statistics().dropped == {DropReason.DECLINED: 1}
        (record,) = caplog.records
        assert "declined" in record.message
        assert record.exc_info is not None
        nursery.cancel_scope.cancel()
    assert_nothing_lost(service, allow=[DropReason.DECLINED])


@each_service
async def test_what_is_not_answered_is_declined(kind: type[Service]) -> None:
    """By returning nothing or by saying so; counted once, and not an error."""
    dealer = Dealer(linger=0)

    def handle(request: Request) -> None:
        if request.message == b"decline":
            request.decline()

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        await ask(dealer, b"", b"decline")
        await ask(dealer, b"", b"nothing")
        await eventually(lambda: service.statistics().dropped == {DropReason.DECLINED: 2})
        nursery.cancel_scope.cancel()


@each_service
async def test_a_handler_may_reply_itself(
    kind: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    """And go on working; a second reply is its mistake."""
    dealer = Dealer(linger=0)

    async def handle(request: Request) -> bytes | None:
        await request.reply(b"early")
        return b"late" if request.message == b"twice" else None

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        await ask(dealer, b"", b"once")
        assert await replies(dealer, 1) == [b"early"]
        assert caplog.records == []
        with caplog.at_level(logging.ERROR, "trio_mq"):
            await ask(dealer, b"", b"twice")
            assert await replies(dealer, 1) == [b"early"]
            await eventually(lambda: bool(caplog.records))
        assert "answered already" in caplog.text
        nursery.cancel_scope.cancel()
    assert_nothing_lost(service)


# -- gone --


@each_service
@each_way
async def test_the_handler_for_who_has_left_is_cancelled(kind: type[Service], way: str) -> None:
    """Its place is free for others, and what it owed is counted."""
    leaving, staying, desk = Dealer(linger=0), Dealer(linger=0), Desk()
    async with (
        meeting(kind, leaving, staying, way=way) as service,
        trio.open_nursery() as nursery,
    ):

        async def serve() -> None:
            await service.serve(desk, max_concurrent=2)

        nursery.start_soon(serve)
        for client in (leaving, staying):
            await ask(client, b"", b"leaves" if client is leaving else b"stays")
        await desk.has(2)
        await leaving.aclose()
        await eventually(lambda: desk.cancelled == [b"leaves"])
        await ask(staying, b"", b"next")
        await desk.has(2)
        desk.open.set()
        assert await replies(staying, 2) == [b"next", b"stays"]
        assert service.statistics().dropped == {DropReason.UNROUTABLE: 1}
        nursery.cancel_scope.cancel()
    assert_nothing_lost(service, allow=[DropReason.UNROUTABLE])


@each_service
@pytest.mark.parametrize("cancel", [True, False])
async def test_no_handler_is_begun_for_who_has_left(kind: type[Service], *, cancel: bool) -> None:
    """Nobody waits for the reply; without the option, the work is done all the same."""
    dealer, desk = Dealer(linger=0), Desk()
    desk.open.set()
    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        await ask(dealer, b"", b"request")
        (peer,) = service.peers
        await dealer.aclose()
        await peer.wait_closed()

        async def serve() -> None:
            await service.serve(desk, cancel_when_gone=cancel)

        nursery.start_soon(serve)
        await eventually(lambda: service.statistics().dropped == {DropReason.UNROUTABLE: 1})
        assert desk.begun == ([] if cancel else [b"request"])
        nursery.cancel_scope.cancel()


@each_service
@each_way
async def test_the_work_for_who_has_left_is_finished_if_wanted(
    kind: type[Service], way: str
) -> None:
    """The reply is dropped, and counted."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(kind, dealer, way=way) as service, trio.open_nursery() as nursery:

        async def serve() -> None:
            await service.serve(desk, cancel_when_gone=False)

        nursery.start_soon(serve)
        await ask(dealer, b"", b"request")
        await desk.has(1)
        (peer,) = service.peers
        await dealer.aclose()
        await peer.wait_closed()
        desk.open.set()
        await eventually(lambda: service.statistics().dropped == {DropReason.UNROUTABLE: 1})
        assert desk.cancelled == []
        nursery.cancel_scope.cancel()


@each_service
async def test_an_exception_of_a_cancelled_handler_is_logged(
    kind: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    """Though it comes in a group with the cancellation."""
    dealer, begun = Dealer(linger=0), trio.Event()

    async def handle(_: Request) -> bytes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            begun.set()
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while it cleans up")

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        await ask(dealer, b"", b"request")
        await begun.wait()
        with caplog.at_level(logging.ERROR, "trio_mq"):
            nursery.cancel_scope.cancel()
    assert "while it cleans up" in caplog.text


# -- the end --


@each_service
async def test_cancelled_it_declines_what_is_in_hand(kind: type[Service]) -> None:
    """And has taken nothing else: that can be served later."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(kind, dealer) as service:
        for number in range(5):
            await ask(dealer, b"", b"%d" % number)
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await service.serve(desk, max_concurrent=2)

            nursery.start_soon(serve)
            await desk.has(2)
            nursery.cancel_scope.cancel()
        assert sorted(desk.cancelled) == [b"0", b"1"]
        assert service.statistics().dropped == {DropReason.DECLINED: 2}
        desk.open.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.serve, desk)
            assert await replies(dealer, 3) == [b"2", b"3", b"4"]
            nursery.cancel_scope.cancel()
        assert_nothing_lost(service, allow=[DropReason.DECLINED])


@each_service
async def test_an_answer_that_is_ready_is_given_in_spite_of_cancellation(
    kind: type[Service],
) -> None:
    """The work was done; only to wait for it would be to go on."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        async with trio.open_nursery() as nursery:

            def handle(request: Request) -> Message:
                nursery.cancel_scope.cancel()
                return request.message

            nursery.start_soon(service.serve, handle)
            await ask(dealer, b"", b"request")
        assert await replies(dealer, 1) == [b"request"]
        assert_nothing_lost(service)


@each_service
async def test_closing_the_socket_ends_it(
    kind: type[Service], caplog: pytest.LogCaptureFixture
) -> None:
    """With the bare error that every call raises; handlers are cancelled, and not to blame."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(kind, dealer) as service:

        async def serve() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await service.serve(desk)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await ask(dealer, b"", b"request")
            await desk.has(1)
            await service.aclose()
        assert desk.cancelled == [b"request"]
    assert caplog.records == []


@each_service
@pytest.mark.parametrize("cancel", [True, False])
async def test_closing_the_socket_ends_it_when_no_request_can_be_taken(
    kind: type[Service], *, cancel: bool
) -> None:
    """Though nobody waits for the next one then, and whoever has left is worked for."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(kind, dealer) as service:

        async def serve() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await service.serve(desk, max_concurrent=1, cancel_when_gone=cancel)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await ask(dealer, b"", b"request")
            await desk.has(1)
            await service.aclose()
        assert desk.cancelled == [b"request"]


# -- the handler's surroundings --

VARIABLE: Final = contextvars.ContextVar("VARIABLE", default="clean")


class Uncomparable:
    """Something that can't be compared, as an array of several numbers can't."""

    def __eq__(self, other: object) -> bool:
        """Refuse."""
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]  # nobody asks


@each_service
@pytest.mark.parametrize("value", ["dirty", Uncomparable()], ids=["plain", "uncomparable"])
async def test_context_variables_are_each_calls_own(kind: type[Service], value: object) -> None:
    """What one call sets, the next one does not see."""
    dealer = Dealer(linger=0)
    seen: list[object] = []

    def handle(request: Request) -> Message:
        seen.append(VARIABLE.get())
        VARIABLE.set(value)  # type: ignore[arg-type]  # anything
        return request.message

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        for _ in range(5):
            await ask(dealer, b"", b"request")
            await replies(dealer, 1)
        nursery.cancel_scope.cancel()
    assert seen == ["clean"] * 5


@each_service
async def test_ctrl_c_may_interrupt_a_handler(kind: type[Service]) -> None:
    """It is code of the program, though it runs in a task of the library."""
    dealer = Dealer(linger=0)
    protected: list[bool] = []

    async def handle(request: Request) -> Message:
        protected.append(trio.lowlevel.currently_ki_protected())
        await trio.lowlevel.checkpoint()
        protected.append(trio.lowlevel.currently_ki_protected())
        return request.message

    async with meeting(kind, dealer) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, handle)
        await ask(dealer, b"", b"request")
        await replies(dealer, 1)
        nursery.cancel_scope.cancel()
    assert protected == [False, False]


@each_service
async def test_what_is_no_exception_ends_it(kind: type[Service]) -> None:
    """Ctrl-C, say, which leaves as it is."""
    dealer = Dealer(linger=0)

    def handle(_: Request) -> None:
        raise KeyboardInterrupt

    async with meeting(kind, dealer) as service:
        await ask(dealer, b"", b"request")
        with pytest.raises(KeyboardInterrupt):
            await service.serve(handle)
        assert service.statistics().dropped == {DropReason.DECLINED: 1}


def test_one_error_stands_for_all() -> None:
    """Ctrl-C before what came first."""
    error, interrupt = ValueError(), KeyboardInterrupt()
    group = BaseExceptionGroup("", [BaseExceptionGroup("", [error]), interrupt])
    assert the_one(group) is interrupt
    assert the_one(BaseExceptionGroup("", [error])) is error


async def test_a_rep_is_busy_while_it_serves() -> None:
    """Also while no more requests can be taken."""
    dealer, desk = Dealer(linger=0), Desk()
    async with meeting(Rep, dealer) as rep, trio.open_nursery() as nursery:

        async def serve() -> None:
            await rep.serve(desk, max_concurrent=1)

        nursery.start_soon(serve)
        await ask(dealer, b"", b"request")
        await desk.has(1)
        with pytest.raises(trio.BusyResourceError, match=r"serve\(\)"):
            await rep.receive()
        nursery.cancel_scope.cancel()


async def test_a_router_may_receive_beside_serving() -> None:
    """Any number of tasks may, each message goes to one, and a reply finds its way."""
    dealer = Dealer(linger=0)
    async with meeting(Router, dealer) as router, trio.open_nursery() as nursery:
        nursery.start_soon(router.serve, lambda request: request.message)
        nursery.start_soon(router.receive)
        await eventually(lambda: router.statistics().tasks_waiting_receive == 2)
        for _ in range(3):
            await dealer.send(b"request")
        assert await replies(dealer, 2) == [b"request"] * 2
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def asked_by_two(kind: type[Service], each: int) -> AsyncIterator[Service]:
    """Open a service at which two clients, called 1 and 2, have so many requests each."""
    async with (
        kind(linger=0) as service,
        a_client_of(service) as one,
        a_client_of(service) as two,
    ):
        for arrived_by_now, (client, name) in enumerate([(one, b"1"), (two, b"2")], start=1):
            await client.send_all(wire.message(b"", name) * each)
            await arrived(service, each * arrived_by_now)
        yield service


@each_service
async def test_a_few_requests_of_one_client_are_taken_in_its_turn(kind: type[Service]) -> None:
    """Their replies go together; then it is the turn of the next, however many are left."""
    count_messages_only()
    order: list[bytes] = []

    def note(request: Request) -> bytes:
        order.append(bytes(request.message)[:1])
        return b""

    async with asked_by_two(kind, 6) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, note)
        await eventually(lambda: len(order) == 12)
        nursery.cancel_scope.cancel()
    assert b"".join(order) == b"111122221122"


@each_service
async def test_a_function_that_waits_is_given_the_requests_of_all_clients_in_turn(
    kind: type[Service],
) -> None:
    """Each call takes as long as it takes, so nobody has several before others have one."""
    desk = Desk()
    async with asked_by_two(kind, 3) as service, trio.open_nursery() as nursery:
        nursery.start_soon(service.serve, desk)
        await desk.has(6)
        nursery.cancel_scope.cancel()
    assert b"".join(desk.begun) == b"121212"
