"""Requests in hand: any number at once, each answered over its own way back, or declined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.meeting import arrived, eventually, next_of
from trio_mq import (
    Dealer,
    Dropped,
    DropReason,
    Rep,
    Req,
    Request,
    Router,
    StateError,
    Unroutable,
)
from trio_mq.testing import assert_nothing_lost

Service: TypeAlias = Rep | Router
SERVICES: Final = (Rep, Router)
each_service = pytest.mark.parametrize("kind", SERVICES)
PLACES: Final = {"inproc": "inproc://service", "tcp": "tcp://127.0.0.1:*"}
each_way = pytest.mark.parametrize("way", ["inproc", "tcp"])


@asynccontextmanager
async def meeting(
    kind: type[Service], *clients: Req | Dealer, way: str = "inproc", service: Service | None = None
) -> AsyncIterator[Service]:
    """Open a service and connect the clients to it, in their order."""
    async with service or kind(linger=0) as opened, AsyncExitStack() as stack:
        endpoint = await opened.bind(PLACES[way])
        for client in clients:
            await stack.enter_async_context(client)
            await client.connect(endpoint, wait=True)
        await opened.wait_for_peers(len(clients))
        yield opened


async def take(service: Service, count: int) -> list[Request]:
    """Take so many requests."""
    requests = service.requests()
    return [await anext(requests) for _ in range(count)]


async def ask(client: Dealer, *frames: bytes) -> None:
    """Send a request with an envelope."""
    await client.send(frames)


# -- answered in any order --


@each_service
@each_way
@pytest.mark.parametrize("correlate", [None, True])
async def test_requests_are_answered_in_any_order(
    kind: type[Service], way: str, *, correlate: bool | None
) -> None:
    """Each asker gets what is its own, whoever was received last; ids come back with the reply."""
    clients = [Req(linger=0, correlate=correlate) for _ in range(3)]
    replies: dict[int, bytes] = {}

    async def request(number: int) -> None:
        replies[number] = bytes(await clients[number].request(b"%d" % number))

    async with meeting(kind, *clients, way=way) as service:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(request, number)
            for taken in reversed(await take(service, 3)):
                await taken.reply(b"for " + bytes(taken.message))
        assert replies == {number: b"for %d" % number for number in range(3)}
        assert_nothing_lost(service)


@each_way
@pytest.mark.parametrize(("kind", "correlate"), [(Rep, None), (Router, True)])
async def test_many_requests_of_one_req_are_in_hand(
    way: str, kind: type[Service], *, correlate: bool | None
) -> None:
    """It numbers them, for a Rep by itself and for a Router if told; any may be answered first."""
    req = Req(linger=0, correlate=correlate)
    replies: dict[int, bytes] = {}

    async def request(number: int) -> None:
        replies[number] = bytes(await req.request(b"%d" % number))

    async with meeting(kind, req, way=way) as service:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(request, number)
            for taken in reversed(await take(service, 10)):
                nursery.start_soon(taken.reply, taken.message)
        assert replies == {number: b"%d" % number for number in range(10)}


@each_service
@each_way
@pytest.mark.parametrize("path", [(), (b"A",), (b"A", b"BB", b"C" * 300)])
async def test_an_envelope_of_any_depth_comes_back(
    kind: type[Service], way: str, path: tuple[bytes, ...]
) -> None:
    """In front of each reply of a Dealer's, in the order of the replies; the body may be empty."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer, way=way) as service:
        await ask(dealer, *path, b"", b"one", b"", b"more")
        await ask(dealer, *path, b"", b"")
        one, two = await take(service, 2)
        assert one.message == (b"one", b"", b"more")
        assert two.message == (b"",)
        await two.reply(b"second")
        await one.reply([b"fir", b"st"])
        assert await dealer.receive() == (*path, b"", b"second")
        assert await dealer.receive() == (*path, b"", b"fir", b"st")


@each_way
@pytest.mark.parametrize("body", [(b"body",), (b"two", b"frames"), (b"ends with nothing", b"")])
async def test_a_router_answers_what_has_no_envelope(way: str, body: tuple[bytes, ...]) -> None:
    """Then the whole message is the request, and the whole reply is what is sent."""
    dealer = Dealer(linger=0)
    async with meeting(Router, dealer, way=way) as router:
        await dealer.send(body)
        (request,) = await take(router, 1)
        assert request.message == body
        await request.reply(b"reply")
        assert await dealer.receive() == (b"reply",)


async def test_an_odd_request_stops_nobody() -> None:
    """A Rep drops what nobody could be answered for, and takes the next."""
    dealer = Dealer(linger=0)
    async with meeting(Rep, dealer) as rep:
        for odd in ((b"no delimiter",), (b"no", b"delimiter", b"at all"), (b"",), (b"id", b"")):
            await dealer.send(odd)
        await ask(dealer, b"", b"good")
        (request,) = await take(rep, 1)
        assert request.message == b"good"
        assert rep.statistics().dropped_incoming == {DropReason.MALFORMED: 4}


async def test_a_probe_is_no_request() -> None:
    """To answer it would be to send a reply that nobody has asked for."""
    req = Req(linger=0, probe=True)
    async with meeting(Router, req) as router, trio.open_nursery() as nursery:
        nursery.start_soon(req.request, b"question")
        (request,) = await take(router, 1)
        assert request.message == b"question"
        await request.reply(b"answer")
        assert router.statistics().dropped == {DropReason.FILTERED: 1}


# -- once --


@each_service
async def test_a_request_is_answered_once(kind: type[Service]) -> None:
    """Or declined: nothing else can be done with it afterwards."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        for first in ("reply", "decline"):
            await ask(dealer, b"", b"request")
            (request,) = await take(service, 1)
            assert "over" not in repr(request)
            if first == "reply":
                await request.reply(b"reply")
            else:
                request.decline()
            assert "over" in repr(request)
            with pytest.raises(StateError, match="answered or declined already"):
                await request.reply(b"again")
            with pytest.raises(StateError, match="answered or declined already"):
                request.decline()
        assert await dealer.receive() == (b"", b"reply")
        assert service.statistics().accepted == 2


@each_service
async def test_a_reply_that_is_refused_leaves_the_request_open(kind: type[Service]) -> None:
    """It is the caller's mistake, and the client still waits."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer, service=kind(linger=0, max_frame_size=5)) as service:
        await ask(dealer, b"", b"ask")
        (request,) = await take(service, 1)
        with pytest.raises(TypeError, match="encode"):
            await request.reply("text")  # type: ignore[arg-type]  # the mistake
        with pytest.raises(trio_mq.MessageTooLarge):
            await request.reply(b"123456")
        await request.reply(b"12345")
        assert await dealer.receive() == (b"", b"12345")


# -- in the books --


@each_service
async def test_a_request_in_hand_counts_as_delivered(kind: type[Service]) -> None:
    """It waits no more, and one reply is counted for it in the end."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        for _ in range(3):
            await ask(dealer, b"", b"request")
        one, two = await take(service, 2)
        figures = service.statistics()
        assert (figures.decoded, figures.delivered, figures.waiting_to_receive) == (3, 2, 1)
        assert figures.accepted == 0
        await one.reply(b"reply")
        two.decline()
        assert service.statistics().accepted == 2
        assert_nothing_lost(service, allow=[DropReason.DECLINED])


@each_service
async def test_a_request_that_is_declined_is_counted(kind: type[Service]) -> None:
    """For the peer that gets no reply, and in the events; so is one that a Rep discards."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        await ask(dealer, b"", b"request")
        (request,) = await take(service, 1)
        with service.events() as events:
            request.decline()
            dropped = await next_of(events, Dropped)
        assert (dropped.peer, dropped.reason) == (request.peer, DropReason.DECLINED)
        assert request.peer.dropped == {DropReason.DECLINED: 1}
        if isinstance(service, Rep):
            await ask(dealer, b"", b"another")
            await service.receive()
            service.discard()
            assert request.peer.dropped == {DropReason.DECLINED: 2}


@each_service
@each_way
async def test_a_reply_to_who_has_left_is_dropped_and_counted(
    kind: type[Service], way: str
) -> None:
    """Nothing is raised; so is the declining of a request that nobody waits for."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer, way=way) as service:
        await ask(dealer, b"", b"one")
        await ask(dealer, b"", b"two")
        one, two = await take(service, 2)
        await dealer.aclose()
        await one.peer.wait_closed()
        with service.events() as events:
            await one.reply(b"too late")
            dropped = await next_of(events, Dropped)
        two.decline()
        assert (dropped.peer, dropped.reason) == (one.peer, DropReason.UNROUTABLE)
        assert service.statistics().dropped == {DropReason.UNROUTABLE: 2}
        assert_nothing_lost(service, allow=[DropReason.UNROUTABLE])


async def test_a_reply_is_not_for_who_has_the_name_now() -> None:
    """A Router answers the connection that asked; another program may have its routing id."""
    one, two = (Dealer(linger=0, routing_id=b"name") for _ in range(2))
    async with meeting(Router, one) as router:
        await one.send(b"question")
        (request,) = await take(router, 1)
        await one.aclose()
        await request.peer.wait_closed()
        async with two:
            await two.connect(PLACES["inproc"], wait=True)
            await request.reply(b"for the first")
            await router.send([b"name", b"for the second"])
            assert await two.receive() == b"for the second"
        assert router.statistics().dropped == {DropReason.UNROUTABLE: 1}


async def test_a_reply_is_not_for_a_later_connection_of_an_endpoint() -> None:
    """Where the service has dialled: what was for the peer that is gone goes to nobody else.

    What was sent by name stays, for who bears it later.
    """
    async with Router(linger=0) as router, Dealer(linger=0, receive_hwm=1) as dealer:
        endpoint = await dealer.bind("inproc://clients")
        await router.connect(endpoint, wait=True, peer_routing_id=b"name", send_hwm=5)
        await dealer.send(b"question")
        (request,) = await take(router, 1)
        (peer,) = router.peers
        for number in range(2):  # one is received at once, and stays there
            await router.send([b"name", b"for anybody %d" % number])
        await router.send_to(peer, b"for the peer")
        await request.reply(b"for the peer too")
        peer.disconnect("a test")
        await peer.wait_closed()
        assert peer.dropped == {DropReason.PEER_LEFT: 2}
        assert await dealer.receive() == b"for anybody 0"
        await router.wait_for_peers()
        await router.send([b"name", b"the last"])
        assert await dealer.receive() == b"for anybody 1"
        assert await dealer.receive() == b"the last"
        assert_nothing_lost(router, allow=[DropReason.PEER_LEFT])


# -- room --


@pytest.mark.parametrize(
    "service",
    [
        lambda: Rep(linger=0, send_hwm=1),
        lambda: Router(linger=0, send_hwm=1),
        lambda: Router(linger=0, send_hwm=1, mandatory=True),
    ],
    ids=["rep", "router", "mandatory"],
)
async def test_who_reads_nothing_loses_replies(service: Callable[[], Service]) -> None:
    """And holds nobody up; nor is a handler of a mandatory Router to blame."""
    dealer = Dealer(linger=0, receive_hwm=1)
    async with meeting(Rep, dealer, service=service()) as opened:
        for _ in range(5):
            await ask(dealer, b"", b"request")
        for request in await take(opened, 5):
            await request.reply(b"reply")
        dropped = opened.statistics().dropped
        assert set(dropped) == {DropReason.HIGH_WATER_MARK}
        assert sum(dropped.values()) == 3  # as one waits on either side


async def test_a_router_that_blocks_waits_for_room_for_the_reply() -> None:
    """Others are answered meanwhile, and a reply waits in turn behind what waits already."""
    slow, quick = Dealer(linger=0, receive_hwm=1), Dealer(linger=0)
    router = Router(linger=0, send_hwm=1, on_full="block")
    async with meeting(Router, slow, quick, service=router):
        for number in range(4):
            await slow.send(b"%d" % number)
        await quick.send(b"quick")
        requests = await take(router, 5)
        by_message = {bytes(request.message): request for request in requests}
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(by_message[b"%d" % number].reply, b"%d" % number)
                await trio.testing.wait_all_tasks_blocked()
            assert router.statistics().tasks_waiting_send == 2
            await by_message[b"quick"].reply(b"at once")
            assert await quick.receive() == b"at once"
            assert [await slow.receive() for _ in range(4)] == [b"0", b"1", b"2", b"3"]


async def test_a_reply_that_waits_for_who_leaves_is_dropped_and_counted() -> None:
    """As one that is given afterwards; a send_to says so to its caller."""
    slow = Dealer(linger=0, receive_hwm=1)
    router = Router(linger=0, send_hwm=1, on_full="block")
    async with meeting(Router, slow, service=router):
        for _ in range(3):
            await slow.send(b"request")
        requests = await take(router, 3)
        (peer,) = router.peers
        async with trio.open_nursery() as nursery:
            for request in requests:
                nursery.start_soon(request.reply, b"reply")
            await trio.testing.wait_all_tasks_blocked()

            async def send() -> None:
                with pytest.raises(Unroutable, match="gone"):
                    await router.send_to(peer, b"message")

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            assert router.statistics().tasks_waiting_send == 2
            await slow.aclose()
        assert router.statistics().dropped[DropReason.UNROUTABLE] == 1
        assert_nothing_lost(router, allow=[DropReason.UNROUTABLE, DropReason.PEER_LEFT])


# -- cancellation --


@each_service
@each_way
async def test_a_cancelled_step_has_taken_nothing(kind: type[Service], way: str) -> None:
    """Whether it waited or not: the request is still first in line."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer, way=way) as service:
        requests = service.requests()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, requests)
            await eventually(lambda: service.statistics().tasks_waiting_receive == 1)
            nursery.cancel_scope.cancel()
        await ask(dealer, b"", b"first")
        await arrived(service, 1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await anext(requests)
        assert scope.cancelled_caught
        assert (await anext(requests)).message == b"first"


@each_service
async def test_a_cancelled_reply_was_not_accepted(kind: type[Service]) -> None:
    """The request can still be answered."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        await ask(dealer, b"", b"request")
        (request,) = await take(service, 1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await request.reply(b"never")
        assert scope.cancelled_caught
        assert service.statistics().accepted == 0
        await request.reply(b"reply")
        assert await dealer.receive() == (b"", b"reply")


async def test_a_reply_that_is_cancelled_while_it_waits_was_not_accepted() -> None:
    """Its place in the line is free, and the request can be answered when there is room."""
    slow = Dealer(linger=0, receive_hwm=1)
    router = Router(linger=0, send_hwm=1, on_full="block")
    async with meeting(Router, slow, service=router):
        for _ in range(3):
            await slow.send(b"request")
        one, two, three = await take(router, 3)
        await one.reply(b"one")
        await two.reply(b"two")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(three.reply, b"never")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert await slow.receive() == b"one"
        await three.reply(b"three")
        assert await slow.receive() == b"two"
        assert await slow.receive() == b"three"


# -- closing --


@each_service
async def test_closing_ends_the_iteration(kind: type[Service]) -> None:
    """And what is in hand can't be answered any more."""
    dealer = Dealer(linger=0)
    async with meeting(kind, dealer) as service:
        await ask(dealer, b"", b"request")
        (request,) = await take(service, 1)

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                async for _ in service.requests():
                    pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await eventually(lambda: service.statistics().tasks_waiting_receive == 1)
            await service.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await request.reply(b"reply")
        with pytest.raises(trio.ClosedResourceError):
            request.decline()
        with pytest.raises(trio.ClosedResourceError):
            service.requests()


# -- a Rep has two ways, one at a time --


async def test_a_rep_is_not_received_from_while_it_brings_requests() -> None:
    """The error says what to do; when nobody waits for requests, it receives as ever."""
    dealer = Dealer(linger=0)
    async with meeting(Rep, dealer) as service:
        assert isinstance(service, Rep)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(anext, service.requests())
            await eventually(lambda: service.statistics().tasks_waiting_receive == 1)
            for call in (service.receive, service.receive_from, service.receive_many):
                with pytest.raises(trio.BusyResourceError, match="own reply"):
                    await call()
            with pytest.raises(trio.BusyResourceError, match="own reply"):
                service.receive_nowait()
            nursery.cancel_scope.cancel()
        await ask(dealer, b"", b"request")
        assert await service.receive() == b"request"


async def test_a_rep_brings_no_requests_while_it_is_received_from() -> None:
    """Neither beside a task in receive, nor before what was received is answered."""
    dealer = Dealer(linger=0)
    async with meeting(Rep, dealer) as service:
        assert isinstance(service, Rep)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.receive)
            await eventually(lambda: service.statistics().tasks_waiting_receive == 1)
            with pytest.raises(trio.BusyResourceError, match="receiving from this Rep"):
                await take(service, 1)
            with pytest.raises(trio.BusyResourceError, match="receiving from this Rep"):
                await service.serve(lambda request: request.message)
            await ask(dealer, b"", b"request")
        await ask(dealer, b"", b"another")
        with pytest.raises(StateError, match=r"discard\(\)"):
            await take(service, 1)
        await service.send(b"reply")
        assert len(await take(service, 1)) == 1


async def test_a_request_is_not_answered_by_send() -> None:
    """The mistake of who knows Reps: the error names the call that is right."""
    dealer = Dealer(linger=0)
    async with meeting(Rep, dealer) as rep:
        await ask(dealer, b"", b"request")
        (request,) = await take(rep, 1)
        with pytest.raises(StateError, match=r"its own reply\(\)"):
            await rep.send(b"reply")
        await request.reply(b"reply")


# -- to a peer --


@each_way
async def test_a_router_sends_to_a_peer(way: str) -> None:
    """To each its own, without a name; what it sends is the whole message."""
    dealers = [Dealer(linger=0) for _ in range(3)]
    async with meeting(Router, *dealers, way=way) as service:
        assert isinstance(service, Router)
        for number, dealer in enumerate(dealers):
            await dealer.send(b"%d" % number)
        for _ in dealers:
            message, peer = await service.receive_from()
            await service.send_to(peer, [b"for", message[1]])
        for number, dealer in enumerate(dealers):
            assert await dealer.receive() == (b"for", b"%d" % number)


@each_way
async def test_a_peer_that_is_gone_is_unroutable(way: str) -> None:
    """Also where its routing id is in use again."""
    one, two = (Dealer(linger=0, routing_id=b"name") for _ in range(2))
    async with meeting(Router, one, way=way) as service:
        assert isinstance(service, Router)
        (peer,) = service.peers
        await one.aclose()
        await peer.wait_closed()
        async with two:
            await two.connect(service.endpoints[0].endpoint, wait=True)
            with pytest.raises(Unroutable, match="gone") as caught:
                await service.send_to(peer, b"message")
            assert caught.value.routing_id == b"name"
        assert service.statistics().accepted == 0


async def test_a_mandatory_router_has_no_room_for_a_peer() -> None:
    """It says so, as by name; another drops the message and counts it."""
    for mandatory in (False, True):
        dealer = Dealer(linger=0, receive_hwm=1)
        router = Router(linger=0, send_hwm=1, mandatory=mandatory)
        async with meeting(Router, dealer, service=router):
            (peer,) = router.peers
            await router.send_to(peer, b"one")
            await router.send_to(peer, b"two")
            if mandatory:
                with pytest.raises(Unroutable, match="full"):
                    await router.send_to(peer, b"three")
            else:
                await router.send_to(peer, b"three")
                assert peer.dropped == {DropReason.HIGH_WATER_MARK: 1}


async def test_send_to_takes_peers_of_its_own() -> None:
    """No name, and nobody of another socket's."""
    one, two = Dealer(linger=0), Dealer(linger=0)
    async with meeting(Router, one) as ours, meeting(Router, two, way="tcp") as others:
        assert isinstance(ours, Router)
        with pytest.raises(ValueError, match="another socket"):
            await ours.send_to(others.peers[0], b"message")
        with pytest.raises(TypeError, match="takes a Peer"):
            await ours.send_to(b"name", b"message")  # type: ignore[arg-type]  # the mistake
