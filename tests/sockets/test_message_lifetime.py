"""What waits longer than it may is dropped: when, where, and who is told."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.log_lines import log_lines
from trio_mq import (
    ConnectionOptions,
    Dealer,
    Dropped,
    DropReason,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Request,
    RequestExpired,
    RequestFailed,
    Retry,
    Router,
    Sender,
    Sub,
    XPub,
    XSub,
)
from trio_mq.auth import ALLOW_ANY, CurveClient, CurveKeys, CurveServer
from trio_mq.testing import Host, Network, assert_nothing_lost

#: Bytes that the network in memory keeps between two hosts in these tests.
BUFFER = 10_000


def expired(socket: Sender) -> int:
    """Return how many messages were dropped for their age; the books balance."""
    assert_nothing_lost(socket, allow=list(DropReason))
    return socket.statistics().dropped_outgoing.get(DropReason.EXPIRED, 0)


# -- when --


async def test_each_message_is_dropped_when_its_own_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Not earlier, not later, in order, and a message of many frames is one."""
    async with Push(connect="inproc://nobody", message_lifetime=2.0, linger=0) as push:
        async with push.events() as events:
            for body in ([b"1"], [b"2", b"and", b"more"], [b"3"]):
                await push.send(body)
                await trio.sleep(0.5)
            assert expired(push) == 0
            for time in (2.0, 2.5, 3.0):
                dropped = await events.receive()
                assert isinstance(dropped, Dropped)
                assert (autojump_clock.current_time(), dropped.count) == (time, 1)
                assert dropped.reason is DropReason.EXPIRED
        assert expired(push) == 3
        assert push.statistics().waiting_to_send == 0


async def test_what_is_dropped_makes_room_for_who_waits_to_send(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Nobody writes the queue, and it empties all the same."""
    async with Push(connect="inproc://nobody", message_lifetime=2.0, send_hwm=1, linger=0) as push:
        for number in range(3):
            await push.send(b"%d" % number)
            assert autojump_clock.current_time() == 2.0 * number
        await push.drain()
        assert autojump_clock.current_time() == 6.0
        assert expired(push) == 3


async def test_what_is_written_in_time_is_not_dropped(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """However long it waits at the other end."""
    async with (
        Pull(bind="inproc://work", receive_hwm=2) as pull,
        Push(connect="inproc://work", message_lifetime=2.0, linger=0) as push,
    ):
        for number in range(5):
            await push.send(b"%d" % number)
        await trio.sleep(10.0)
        assert expired(push) == 3  # there was room for two
        assert [message.text for message in await pull.receive_many()] == ["0", "1"]
        await push.send(b"new")
        assert (await pull.receive()).text == "new"


async def test_over_inproc_what_could_have_moved_in_time_counts_as_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It moves later than that, with others, because that is cheaper."""
    async with (
        Pull(bind="inproc://work") as pull,
        Push(connect="inproc://work", message_lifetime=2.0) as push,
    ):
        for number in range(100):
            await push.send(b"%d" % number)
        await trio.sleep(10.0)
        assert expired(push) == 0
        assert len(await pull.receive_many()) == 100


async def test_an_endpoint_has_a_limit_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    """One that is given to ``connect``, as other options of a connection are."""
    async with Dealer(linger=0) as dealer:
        await dealer.connect("inproc://patient")
        await dealer.connect("inproc://impatient", message_lifetime=1.0)
        await dealer.send_many([b"1", b"2", b"3", b"4"])
        await trio.sleep(1.0)
        await trio.testing.wait_all_tasks_blocked()
        assert expired(dealer) == 2
        assert dealer.statistics().waiting_to_send == 2


async def test_only_the_newest_is_kept_and_not_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Beside ``conflate``, the time is that of the newest message."""
    async with Push(
        connect="inproc://nobody", message_lifetime=2.0, conflate=True, linger=0
    ) as push:
        await push.send(b"old")
        await trio.sleep(1.5)
        await push.send(b"new")
        await trio.sleep(1.0)
        assert push.statistics().waiting_to_send == 1
        await trio.sleep(1.5)
        assert expired(push) == 1
        assert push.statistics().dropped_outgoing[DropReason.CONFLATED] == 1


# -- on a connection that stands still --


@pytest.mark.parametrize("secured", [False, True], ids=["clear", "curve"])
async def test_what_has_not_begun_to_be_written_is_dropped_and_what_has_arrives_whole(
    mq_network: Network, *, secured: bool
) -> None:
    """However many messages the kernel was offered at once."""
    keys = CurveKeys.generate()
    server: ConnectionOptions = (
        {"mechanism": CurveServer(keys), "authenticator": ALLOW_ANY} if secured else {}
    )
    client: ConnectionOptions = {"mechanism": CurveClient(server=keys.public)} if secured else {}
    lab, field = mq_network.host("lab"), mq_network.host("field")
    mq_network.link(lab, field, buffer=BUFFER)
    async with (
        Pull(bind="tcp://*:5555", context=field, **server) as pull,
        Push(context=lab, **client) as push,
    ):
        await push.connect("tcp://field:5555", wait=True, message_lifetime=2.0)
        field.slow_reader()
        await push.send_many([b"old %d" % number + bytes(3000) for number in range(50)])
        await trio.sleep(1.9)
        assert expired(push) == 0
        await trio.sleep(0.2)
        begun = 50 - expired(push)
        assert 0 < begun <= 2 * BUFFER // 3000 + 2
        field.slow_reader(None)
        await push.send(b"new")
        received = [(await pull.receive()).text.rstrip("\0") for _ in range(begun + 1)]
        assert received == [*(f"old {number}" for number in range(begun)), "new"]
        assert expired(push) == 50 - begun
        assert_nothing_lost(push, pull, allow=[DropReason.EXPIRED], among_themselves=True)


async def test_what_a_connection_had_written_in_part_is_dropped_in_its_time(
    mq_network: Network,
) -> None:
    """The connection ended, so it would have to be sent again, whole."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    mq_network.link(lab, field, buffer=BUFFER)
    async with (
        Pull(bind="tcp://*:5555", context=field),
        Push(context=lab, message_lifetime=20.0, linger=0) as push,
    ):
        await push.connect("tcp://field:5555", wait=True)
        field.slow_reader()
        await push.send(bytes(10 * BUFFER))
        await trio.sleep(1.0)
        mq_network.cut(lab, field)
        mq_network.reset(lab, field)
        await trio.sleep(18.0)
        assert expired(push) == 0
        await trio.sleep(2.0)
        assert expired(push) == 1


def receiver_from(kind: type[Pub | Router], host: Host) -> Sub | Dealer:
    """Make what the other kind sends to, on a host."""
    if kind is Pub:
        return Sub(topics="", context=host)
    return Dealer(routing_id=host.name.encode(), context=host)


@pytest.mark.parametrize("kind", [Pub, Router], ids=["pub", "router"])
async def test_a_peer_that_does_not_read_loses_what_is_old_and_nobody_else_does(
    mq_network: Network, kind: type[Pub | Router]
) -> None:
    """What goes to many is one message for each of them."""
    lab, good, bad = map(mq_network.host, ("lab", "good", "bad"))
    mq_network.link(lab, bad, buffer=BUFFER)
    async with (
        kind(bind="tcp://*:5555", context=lab, message_lifetime=2.0) as sender,
        receiver_from(kind, good) as reads,
        receiver_from(kind, bad) as reads_not,
    ):
        for each in (reads, reads_not):
            await each.connect("tcp://lab:5555", wait=True)
        await trio.sleep(1.0)
        bad.slow_reader()
        for number in range(50):
            body = b"%d" % number + bytes(3000)
            if kind is Pub:
                await sender.send(body)
            else:
                await sender.send([b"good", body])
                await sender.send([b"bad", body])
        received = [(await reads.receive()).text.rstrip("\0") for _ in range(50)]
        assert received == [str(number) for number in range(50)]
        await trio.sleep(2.5)
        (figures,) = [each for each in sender.statistics().peers if each.dropped_outgoing]
        assert figures.peer.address.startswith(bad.address)
        assert figures.dropped_outgoing == {DropReason.EXPIRED: expired(sender)}
        assert figures.waiting_to_send == 1  # which has begun


# -- every type that sends --


@pytest.mark.parametrize("kind", [Push, Dealer, Pair, Req])
async def test_what_waits_for_a_connection_is_dropped(
    kind: type[Sender], autojump_clock: trio.testing.MockClock
) -> None:
    """With every type that lets messages wait for one."""
    async with kind(connect="inproc://nobody", message_lifetime=1.0, linger=0) as socket:
        await socket.send(b"old")
        await trio.sleep(1.5)
        assert expired(socket) == 1


async def test_a_reply_has_a_limit_too(mq_network: Network) -> None:
    """Its client reads nothing, and never will."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    mq_network.link(lab, field, buffer=BUFFER)
    async with (
        Rep(bind="tcp://*:5555", context=lab, message_lifetime=1.0, linger=0) as rep,
        Dealer(connect="tcp://lab:5555", context=field, linger=0) as dealer,
    ):
        for _ in range(3):
            await dealer.send([b"", b"?"])
            await rep.receive()
            field.slow_reader()
            await rep.send(bytes(3 * BUFFER))
        await trio.sleep(2.0)
        assert expired(rep) == 2  # the first one has begun


async def test_what_an_xsub_says_has_a_limit_too(mq_network: Network) -> None:
    """To a publisher that reads nothing."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    mq_network.link(lab, field, buffer=BUFFER)
    async with (
        XPub(bind="tcp://*:5555", context=field) as xpub,
        XSub(context=lab, message_lifetime=1.0, linger=0) as xsub,
    ):
        await xsub.connect("tcp://field:5555", wait=True)
        field.slow_reader()
        for _ in range(3):
            await xsub.send(b"x" * 3 * BUFFER)
        await trio.sleep(2.0)
        assert expired(xsub) == 2  # the first one has begun
        assert expired(xpub) == 0


async def test_what_opens_a_connection_is_not_subject_to_it(mq_network: Network) -> None:
    """It is as old as the connection, and the peer has to see it first."""
    lab, field = mq_network.host("lab"), mq_network.host("field")
    async with (
        Router(bind="tcp://*:5555", context=field) as router,
        Dealer(
            context=lab, hello_message=b"hello", message_lifetime=1e-9, connect="tcp://field:5555"
        ) as dealer,
    ):
        assert (await router.receive())[1] == b"hello"
        await trio.sleep(1.0)
        assert expired(dealer) == 0


# -- from one peer to another --


async def test_the_time_goes_on_while_a_message_waits_for_another_peer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was accepted once, however often it is given to somebody."""
    async with Push(bind="inproc://work", message_lifetime=3.0, linger=0) as push:
        async with Pull(connect="inproc://work", receive_hwm=1):
            await push.send_many([b"taken", b"waits"])
            await trio.sleep(1.0)
        assert push.statistics().waiting_to_send == 1
        await trio.sleep(1.5)
        assert expired(push) == 0
        with trio.fail_after(1.0):
            await push.drain()
        assert autojump_clock.current_time() == 3.0
        assert expired(push) == 1


async def test_a_message_that_moved_is_as_old_as_it_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It stands behind younger ones in its new place, and is dropped before them."""
    async with Dealer(message_lifetime=3.0, linger=0) as dealer:
        leaving = await dealer.connect("inproc://leaves")
        await dealer.send(b"old")
        await trio.sleep(1.0)
        await dealer.connect("inproc://stays")
        await dealer.send_many([b"young", b"young"])
        await dealer.disconnect(leaving)
        await trio.sleep(2.5)
        assert expired(dealer) >= 1
        assert dealer.statistics().waiting_to_send >= 1
        await trio.sleep(1.0)
        assert dealer.statistics().waiting_to_send == 0


# -- requests --


@pytest.mark.parametrize("correlate", [None, True])
async def test_a_request_that_nobody_was_asked_in_time_fails(
    autojump_clock: trio.testing.MockClock, *, correlate: bool | None
) -> None:
    """And the next one has room."""
    async with Req(
        connect="inproc://nobody", message_lifetime=2.0, correlate=correlate, linger=0
    ) as req:
        for end in (2.0, 4.0):
            with pytest.raises(RequestExpired, match="inproc://nobody for longer than"):
                await req.request(b"?")
            assert autojump_clock.current_time() == end
        await req.send(b"?")
        with pytest.raises(RequestExpired):
            await req.receive()
        async with Rep(bind="inproc://nobody") as rep, trio.open_nursery() as nursery:
            nursery.start_soon(rep.serve, answer)
            assert (await req.request(b"late")).text == "late!"
            nursery.cancel_scope.cancel()
        assert expired(req) == 3


async def answer(request: Request) -> bytes:
    """Answer any request."""
    return bytes(request.message) + b"!"


async def test_a_request_that_expired_is_an_attempt_that_failed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """For it is safe to ask again."""
    async with Req(connect="inproc://nobody", message_lifetime=2.0, linger=0) as req:
        with pytest.raises(RequestFailed) as failed:
            await req.request(b"?", retry=Retry(attempts=3, patience=5.0))
        assert [type(each) for each in failed.value.attempts] == [RequestExpired] * 3
        assert autojump_clock.current_time() == 6.0


async def test_a_request_that_waits_for_any_peer_fails_in_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its endpoint went; the time that it waited there counts."""
    async with Req(message_lifetime=2.0, linger=0) as req, trio.open_nursery() as nursery:
        endpoint = await req.connect("inproc://leaves")

        async def ask() -> None:
            with pytest.raises(RequestExpired, match="waited for a service to connect to"):
                await req.request(b"?")
            assert autojump_clock.current_time() == 2.0

        nursery.start_soon(ask)
        await trio.sleep(1.0)
        await req.disconnect(endpoint)


async def test_a_request_in_time_gets_its_reply_however_late(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was written, so the service may act on it, for as long as it likes."""

    async def answer_late(request: Request) -> bytes:
        await trio.sleep(60)
        return await answer(request)

    async with (
        Rep(bind="inproc://service") as rep,
        Req(connect="inproc://service", message_lifetime=2.0) as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(rep.serve, answer_late)
        assert (await req.request(b"hi")).text == "hi!"
        nursery.cancel_scope.cancel()


# -- who is told --


async def test_the_log_tells_of_it_as_of_other_drops(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """In one line, with the number."""
    with log_lines(level=20) as lines:
        async with Push(connect="inproc://nobody", message_lifetime=2.0, linger=0) as push:
            await push.send_many([b"1", b"2"])
            await trio.sleep(3.0)
        (line,) = lines.matching("waited too long")
        assert "2 messages" in line.getMessage()
