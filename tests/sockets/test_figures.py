"""Each figure and limit is about one thing: a connection, an endpoint or a socket, to its end."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from tests.joined import WAYS, MemoryListener, join
from tests.property.test_conservation import assert_adds_up
from tests.spec.raw_peer import raw_server
from trio_mq import (
    Dealer,
    Disconnected,
    DropReason,
    Limits,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Sub,
    Unroutable,
)
from trio_mq.testing import assert_nothing_lost
from trio_mq.zmtp import encode_message


@pytest.mark.parametrize("way", WAYS)
async def test_what_turns_out_to_be_no_request_is_dropped_also_after_its_sender_left(
    way: str,
) -> None:
    """It was the last message of a client that had gone, and was not delivered."""
    async with Rep() as rep, Dealer() as dealer:
        await join(rep, dealer, way)
        (peer,) = rep.peers
        await dealer.send(b"no envelope")
        await dealer.aclose()
        await peer.wait_closed()
        with pytest.raises(trio.WouldBlock):
            rep.receive_nowait()
        figures = rep.statistics()
        assert_adds_up(figures)
        assert (figures.decoded, figures.delivered) == (1, 0)
        assert figures.dropped_incoming == {DropReason.MALFORMED: 1}


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_not_wanted_any_more_is_dropped_also_after_its_sender_left(way: str) -> None:
    """As above, for a subscriber that has changed its mind."""
    async with Sub(topics="a") as sub, Pub() as pub:
        await join(sub, pub, way)
        await pub.wait_for_subscribers()
        (peer,) = sub.peers
        await pub.send(b"a")
        await pub.aclose()
        await peer.wait_closed()
        sub.unsubscribe("a")
        with pytest.raises(trio.WouldBlock):
            sub.receive_nowait()
        figures = sub.statistics()
        assert_adds_up(figures)
        assert (figures.decoded, figures.delivered) == (1, 0)
        assert figures.dropped_incoming == {DropReason.FILTERED: 1}


async def test_a_limit_of_one_connection_does_not_count_those_before_it() -> None:
    """A peer may say ten unexpected things on each of its connections."""
    async with (
        raw_server() as server,
        Push(linger=0, reconnect_interval=0.001, limits=Limits(max_unexpected_messages=10)) as push,
    ):
        with push.events() as events:
            await push.connect(server.endpoint)
            for _ in range(3):
                async with server.accept() as pull:
                    await pull.shake_hands(b"PULL")
                    await pull.send(encode_message((b"unexpected",)) * 10)
                    await pull.stream.send_eof()
                    await pull.expect_end()
            reasons: list[str] = []
            while len(reasons) < 3:
                event = await events.receive()
                if isinstance(event, Disconnected):
                    reasons.append(event.reason)
        assert reasons == ["eof"] * 3
        assert push.statistics().dropped_incoming == {DropReason.FILTERED: 30}


async def test_peers_that_come_at_once_count_as_they_are_let_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Not only when each of their handshakes is done: too many would have passed by then."""
    async with (
        Pull(max_peers=2) as pull,
        Push(linger=0) as push,
    ):
        listener = MemoryListener()
        await pull.bind("memory", listener=listener)
        for number in range(6):
            await push.connect(f"memory {number}", open_stream=listener.dial)
        with pull.events() as events:
            await pull.wait_for_peers(2)
            await trio.sleep(0.01)
            assert len(pull.peers) == 2
            assert pull.statistics().handshake_failures["max-peers"] >= 4
            assert not any(isinstance(event, Disconnected) for event in _so_far(events))


def _so_far(events: trio.abc.ReceiveChannel[object]) -> list[object]:
    found = []
    try:
        while True:
            found.append(events.receive_nowait())  # type: ignore[attr-defined]
    except trio.WouldBlock:
        return found


@pytest.mark.parametrize("way", WAYS)
async def test_a_batch_that_was_begun_says_how_much_of_it_was_accepted(way: str) -> None:
    """What is wrong with a later message is raised when it is the first."""
    async with Router(mandatory=True) as router, Dealer(routing_id=b"here") as dealer:
        await join(router, dealer, way)
        batch = [[b"here", b"1"], [b"gone", b"2"], [b"here", b"3"]]
        assert await router.send_many(batch) == 1
        with pytest.raises(Unroutable):
            await router.send_many(batch[1:])
        assert await router.send_many([batch[2], [b"too short"]]) == 1
        with pytest.raises(ValueError, match="routing id"):
            await router.send_many([[b"too short"], batch[0]])
        assert [await dealer.receive(), await dealer.receive()] == [(b"1",), (b"3",)]
        assert router.statistics().accepted == 2


async def test_one_socket_binds_an_endpoint_once() -> None:
    """With ``reuse_port`` the system would give it a second listener, which nobody could unbind."""
    async with Pull(reuse_port=True) as pull, Pull(reuse_port=True) as another:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        with pytest.raises(OSError, match="is bound already by this socket"):
            await pull.bind(endpoint)
        assert await another.bind(endpoint) == endpoint
        await another.unbind(endpoint)
        await pull.unbind(endpoint)
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream("127.0.0.1", int(endpoint.rpartition(":")[2]))


async def test_an_endpoint_that_is_given_up_ends_when_nothing_waits_any_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Also one whose name was bound only afterwards."""
    async with Push(linger=1000) as push, Pull() as pull, trio.open_nursery() as nursery:
        await push.connect("inproc://late")
        await push.send(b"it")
        nursery.start_soon(push.disconnect, "inproc://late")
        await trio.testing.wait_all_tasks_blocked()
        await pull.bind("inproc://late")
        assert await pull.receive() == (b"it",)
        nursery.cancel_scope.deadline = trio.current_time() + 1000
    assert trio.current_time() < 500


@pytest.mark.parametrize("binds", [True, False], ids=["a bound Req", "a connected Req"])
async def test_a_reply_that_nobody_has_claimed_is_in_its_peers_figures(binds: bool) -> None:  # noqa: FBT001
    """Also when the peer has gone: it is one of what was decoded from it, and waits."""
    place = "inproc://place"
    async with Rep() as rep, Req() as req:
        await (req.bind if binds else rep.bind)(place)
        await (rep.connect if binds else req.connect)(place)
        await req.send(b"request")
        await rep.receive()
        await rep.send(b"reply")
        (peer,) = req.peers
        assert peer.statistics().waiting_to_receive == 1
        assert req.statistics().waiting_to_receive == 1
        peer.disconnect()
        assert (peer.statistics().decoded, peer.statistics().waiting_to_receive) == (1, 1)
        await req.wait_for_peers()
        assert await req.receive() == (b"reply",)
        assert_nothing_lost(req, rep)
        assert req.statistics().delivered == 1


@pytest.mark.parametrize("binds", [True, False], ids=["a bound Req", "a connected Req"])
async def test_a_reply_that_nobody_claims_is_dropped_with_the_socket(binds: bool) -> None:  # noqa: FBT001
    """It was decoded, so the books say what became of it."""
    place = "inproc://place"
    async with Rep() as rep, Req() as req:
        await (req.bind if binds else rep.bind)(place)
        await (rep.connect if binds else req.connect)(place)
        await req.send(b"request")
        await rep.receive()
        await rep.send(b"reply")
        await rep.aclose()
        await req.aclose()
        assert req.statistics().dropped_incoming == {DropReason.CLOSED: 1}
        assert_nothing_lost(req, allow=[DropReason.CLOSED])
