"""Joins: what two sockets of one process do to each other without bytes between them."""

from __future__ import annotations

from typing import TypeVar

import pytest
import trio
import trio.testing

from trio_mq import (
    Dealer,
    Disconnected,
    DropReason,
    EndpointState,
    EventStream,
    Limits,
    OnFull,
    Pair,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Retrying,
    Router,
    Sender,
    Socket,
    Sub,
    XPub,
)

EventType = TypeVar("EventType")


async def next_of(kind: type[EventType], events: EventStream) -> EventType:
    """Return the next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(kind)


def states(socket: Socket) -> list[EndpointState]:
    """Return what its endpoints do."""
    return [endpoint.state for endpoint in socket.endpoints]


async def test_what_waited_for_the_name_arrives_before_what_its_room_lets_in() -> None:
    """A sender that waits for room must not overtake the batch that makes the room."""
    async with Push(connect="inproc://late", send_hwm=2) as push, trio.open_nursery() as nursery:
        await push.send(b"1")
        await push.send(b"2")
        nursery.start_soon(push.send, b"3")
        await trio.testing.wait_all_tasks_blocked()
        async with Pull(bind="inproc://late") as pull:
            assert [bytes(await pull.receive()) for _ in range(3)] == [b"1", b"2", b"3"]


async def test_a_binding_subscriber_reaches_a_connecting_publisher() -> None:
    """Which side binds decides who meets whom first, and must not decide more than that."""
    async with Sub(bind="inproc://news", topics="a") as sub, Pub(connect="inproc://news") as pub:
        await pub.wait_for_subscribers(topic="a")
        await pub.send(b"a1")
        assert await sub.receive() == (b"a1",)


async def test_a_topic_cancelled_while_two_sockets_meet_is_not_subscribed_to() -> None:
    """Nothing that was unsubscribed before the meeting is asked for at it."""
    async with Sub(connect="inproc://quiet", topics=("a", "b")) as sub:
        sub.unsubscribe("a")
        async with Pub(bind="inproc://quiet") as pub:
            await pub.wait_for_subscribers(topic="b")
            await pub.send(b"a1")
            await pub.send(b"b1")
            assert await sub.receive() == (b"b1",)


async def test_a_second_pair_is_turned_away_and_says_why() -> None:
    """The newcomer's endpoint shows the refusal; nobody's calls raise it."""
    async with (
        Pair(bind="inproc://two") as first,
        Pair(connect="inproc://two") as second,
        Pair(connect="inproc://two") as third,
    ):
        (endpoint,) = third.endpoints
        assert endpoint.state is EndpointState.FAILED
        assert "taken" in str(endpoint.last_error)
        await first.send(b"hello")
        assert await second.receive() == (b"hello",)


async def test_a_refused_newcomer_leaves_nothing_behind_at_the_binder() -> None:
    """The binder had given it a place before the connector's own socket refused."""
    async with (
        Pair(bind="inproc://free") as free,
        Pair(bind="inproc://taken"),
        Pair(connect="inproc://taken") as busy,
    ):
        await busy.connect("inproc://free")
        assert free.peers == ()
        async with Pair(connect="inproc://free") as welcome:
            await welcome.send(b"hello")
            assert await free.receive() == (b"hello",)


async def test_incompatible_types_fail_their_handshake_on_both_sides() -> None:
    """As over a wire, the failure is counted where it can be seen."""
    async with Rep(bind="inproc://mismatch") as rep, Pull(connect="inproc://mismatch") as pull:
        assert rep.statistics().handshake_failures == {"incompatible-peer": 1}
        assert pull.statistics().handshake_failures == {"incompatible-peer": 1}
        assert pull.endpoints[0].state is EndpointState.FAILED
        assert str(pull.endpoints[0].last_error) == (
            "cannot connect to inproc://mismatch: "
            "a PULL socket cannot talk to a peer of type REP: connect it to PUSH"
        )


async def test_a_malformed_reply_ends_its_connection_and_not_the_call_that_sent_it() -> None:
    """What is wrong with a message is its receiver's verdict, never an error of ``send``."""
    async with Router(bind="inproc://odd") as router, Req(connect="inproc://odd") as req:
        with router.events() as events:
            await req.send(b"question")
            requester, *_ = await router.receive()
            await router.send((requester, b"no delimiter"))
            assert "Disconnected" in type(await events.receive()).__name__


async def test_an_endpoint_that_was_refused_is_no_target_until_it_is_connected() -> None:
    """What was queued for it goes to somebody else."""
    async with (
        Rep(bind="inproc://wrong"),
        Pull(bind="inproc://right") as pull,
        Push(linger=0) as push,
    ):
        await push.connect("inproc://wrong")
        await push.connect("inproc://right")
        await push.send_many([b"1", b"2", b"3"])
        assert [bytes(await pull.receive()) for _ in range(3)] == [b"1", b"2", b"3"]


async def test_messages_for_a_name_that_turns_out_wrong_go_to_another_one() -> None:
    """They were accepted while nobody had bound it."""
    async with Push(connect="inproc://wrong", linger=0) as push:
        await push.send_many([b"1", b"2"])
        async with Rep(bind="inproc://wrong"), Pull(connect="inproc://mine") as pull:
            await push.bind("inproc://mine")
            assert [bytes(await pull.receive()) for _ in range(2)] == [b"1", b"2"]


async def test_a_refused_endpoint_meets_the_next_one_that_binds_its_name() -> None:
    """The right socket may come after the wrong one."""
    async with Push(connect="inproc://name", linger=0) as push:
        async with Rep(bind="inproc://name"):
            assert push.endpoints[0].state is EndpointState.FAILED
        async with Pull(bind="inproc://name") as pull:
            await push.send(b"1")
            assert await pull.receive() == (b"1",)


@pytest.mark.parametrize("place", ["inproc://small", "tcp://127.0.0.1:*"])
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("max_message_size", [bytes(60), bytes(60)]),
        ("max_frame_size", [bytes(101)]),
        ("max_frames", [b""] * 101),
    ],
)
async def test_the_receiver_judges_sizes_whatever_the_transport(
    place: str, option: str, message: list[bytes]
) -> None:
    """The connection ends, with what was good before it delivered; then a new one carries on."""
    limit = {option: 100}
    async with Pull(**limit) as pull, Push(linger=0) as push:  # type: ignore[arg-type]
        await push.connect(await pull.bind(place), wait=True)
        await pull.wait_for_peers()
        (connection,) = push.peers
        with pull.events() as events:
            await push.send(b"before")
            await push.send(message)
            assert await pull.receive() == (b"before",)
            ending = await next_of(Disconnected, events)
        assert ending.reason.endswith(("too-large", "too-many-frames"))
        await connection.wait_closed()
        await push.wait_for_peers()
        await push.send(b"after")
        assert await pull.receive() == (b"after",)
        assert pull.statistics().dropped == {DropReason.TOO_LARGE: 1}


@pytest.mark.parametrize("binds", [Pub, XPub])
async def test_who_is_sent_away_comes_back_after_a_pause_and_on_a_stack_of_its_own(
    binds: type[Pub | XPub], autojump_clock: trio.testing.MockClock
) -> None:
    """A subscriber with too many topics would else meet its publisher again for ever."""
    limits = Limits(max_subscriptions=2)
    async with (
        binds(bind="inproc://few", limits=limits, linger=0) as pub,
        Sub(topics=["1", "2", "3"]) as sub,
    ):
        with sub.events() as events:
            await sub.connect("inproc://few")
            assert (sub.peers, pub.peers) == ((), ())
            assert states(sub) == [EndpointState.RETRYING]
            assert (await next_of(Retrying, events)).delay > 0
        sub.unsubscribe("3")
        await sub.wait_for_peers()
        assert states(sub) == [EndpointState.CONNECTED]
        assert len(pub.peers) == 1


async def test_who_was_sent_away_meets_the_next_binder_at_once_and_can_leave_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The pause is for the one that sent it away, and nobody waits for its end."""
    async with Push(connect="inproc://name", linger=0, reconnect_interval=60) as push:
        async with Pull(bind="inproc://name") as first:
            first.peers[0].disconnect()
            assert states(push) == [EndpointState.RETRYING]
        async with Pull(bind="inproc://name") as second:
            assert states(push) == [EndpointState.CONNECTED]
            second.peers[0].disconnect()
            began = trio.current_time()
            await push.disconnect("inproc://name")
        assert trio.current_time() == began


@pytest.mark.parametrize("look", ["statistics", "drain", "peer"])
async def test_to_look_may_lead_to_the_end_of_a_connection_and_is_no_error(look: str) -> None:
    """What an inproc sender has put off sending moves when somebody looks, and may be refused."""
    async with (
        Push(bind="inproc://late", linger=0) as push,
        Pull(connect="inproc://late", max_message_size=9) as refuses,
        Pull(connect="inproc://late") as pull,
    ):
        refused, _ = push.peers
        for size in (1, 1, 10, 1):
            await push.send(bytes(size))
        if look == "statistics":
            push.statistics()
        elif look == "peer":
            for peer in push.peers:
                peer.statistics()
        else:
            await push.drain()
        await refused.wait_closed()
        assert len(push.peers) == 1
        assert refuses.statistics().dropped == {DropReason.TOO_LARGE: 1}
        assert [len(bytes(await pull.receive())) for _ in "12"] == [1, 1]


async def full_of_what_the_other_side_refuses(sender: Sender) -> None:
    """Fill a queue of one message, where a question for room would find that out."""
    await sender.send(b"1")  # it moves at once, and is not received
    await sender.send(bytes(10))


async def test_a_question_for_room_ends_no_connection_under_the_hands_of_who_asks() -> None:
    """The peers take turns in sending: one that vanishes meanwhile would upset them."""
    async with (
        Push(bind="inproc://room", send_hwm=1, linger=0) as push,
        Pull(connect="inproc://room", max_message_size=9, reconnect_interval=60),
    ):
        (refuses,) = push.peers
        await full_of_what_the_other_side_refuses(push)
        await push.send(b"2")
        await refuses.wait_closed()
        async with Pull(connect="inproc://room") as pull:
            assert await pull.receive() == (b"2",)


@pytest.mark.parametrize("on_full", ["drop_newest", "drop_oldest", "block", "disconnect"])
async def test_a_router_waits_for_no_room_at_a_peer_that_its_question_has_ended(
    on_full: OnFull,
) -> None:
    """Nobody would tell it of room there."""
    async with (
        Router(bind="inproc://room", send_hwm=1, on_full=on_full) as router,
        Dealer(connect="inproc://room", routing_id=b"d", max_message_size=9, reconnect_interval=60),
    ):
        (peer,) = router.peers
        for body in (b"1", bytes(10), b"2"):
            await router.send((b"d", body))
        await peer.wait_closed()
        assert router.statistics().dropped == {DropReason.PEER_LEFT: 1}


async def test_a_rep_keeps_no_reply_for_the_connection_after_the_one_that_its_question_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The next one has not asked."""
    async with (
        Dealer(bind="inproc://room", max_message_size=9) as dealer,
        Rep(connect="inproc://room", send_hwm=1) as rep,
    ):
        await dealer.wait_for_peers()
        (asked,) = rep.peers
        await dealer.send_many([(b"", b"%d" % number) for number in range(3)])
        for reply in (b"1", bytes(10), b"2"):
            await rep.receive()
            await rep.send(reply)
        await asked.wait_closed()
        await dealer.wait_for_peers()
        assert rep.statistics().dropped == {DropReason.PEER_LEFT: 1}
        assert await dealer.receive() == (b"", b"1")
        await rep.drain()
        with pytest.raises(trio.WouldBlock):
            dealer.receive_nowait()
