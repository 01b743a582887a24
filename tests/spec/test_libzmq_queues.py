"""libzmq's tests of queues, of meeting in any order and of leaving, ported."""

from __future__ import annotations

import logging
import random

import pytest
import trio
import trio.testing

import trio_mq
from tests.spec.departures import Departure, departs
from tests.spec.meeting import bounce, eventually, fill, opened, would_block
from trio_mq import Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Sub

# -- test_hwm, test_sockopt_hwm, test_conflate -----------------------------------------------------


@pytest.mark.parametrize("bind_first", [True, False])
async def test_hwm_defaults(*, bind_first: bool) -> None:
    """Over inproc the capacity is the sender's mark and the receiver's: 1000 each."""
    assert await capacity(Push(linger=0), Pull(), bind_first=bind_first) == 2000


@pytest.mark.parametrize("bind_first", [True, False])
@pytest.mark.parametrize(("sender", "receiver"), [(1, 1), (2, 5), (7, 3)])
async def test_hwm(sender: int, receiver: int, *, bind_first: bool) -> None:
    """The sum holds whoever comes first."""
    push, pull = Push(send_hwm=sender, linger=0), Pull(receive_hwm=receiver)
    assert await capacity(push, pull, bind_first=bind_first) == sender + receiver


async def capacity(push: Push, pull: Pull, *, bind_first: bool) -> int:
    """Return how many messages a Push takes for a Pull that does not receive."""
    async with push, pull:
        if bind_first:
            await push.bind("inproc://a")
            await pull.connect("inproc://a")
        else:
            await pull.connect("inproc://a")
            await push.bind("inproc://a")
        count = fill(push, b"x")
        assert [await pull.receive() for _ in range(count)] == [(b"x",)] * count
        assert would_block(pull.receive_nowait)
        push.send_nowait(b"there is room again")
        return count


@departs(Departure.NONE_IS_UNLIMITED)
def test_hwm_zero() -> None:
    """A mark of 0 is unlimited."""
    with pytest.raises(ValueError, match="send_hwm=0 is not allowed"):
        Push(send_hwm=0)
    Push(send_hwm=None)


@departs(Departure.CAPACITY_IS_A_SUM)
async def test_hwm_unlimited_on_one_side() -> None:
    """A side without a mark makes an inproc connection unlimited."""
    async with (
        Push(bind="inproc://a", send_hwm=None, linger=0) as push,
        Pull(connect="inproc://a", receive_hwm=3) as pull,
    ):
        for _ in range(5000):
            push.send_nowait(b"x")
        assert pull.statistics().waiting_to_receive <= 3


@departs(Departure.CLOSE_WAITS_FOR_THE_BINDER)
async def test_hwm_connect_and_close_first(caplog: pytest.LogCaptureFixture) -> None:
    """A message that was sent before the bind survives the close of its sender."""
    async with Pull() as pull, trio.open_nursery() as nursery:
        async with Push(connect="inproc://a") as push:
            await push.send(b"patient")
            nursery.start_soon(push.aclose)
            await trio.testing.wait_all_tasks_blocked()
            await pull.bind("inproc://a")
            assert await pull.receive() == (b"patient",)
        async with Push(connect="inproc://b", linger=0) as push:
            await push.send(b"dropped")
    assert "1 message undelivered" in caplog.text


@departs(Departure.HWM_NEVER_CHANGES_LIVE)
async def test_sockopt_hwm() -> None:
    """A mark of 2 on each side is 4 messages; an endpoint that comes later may have another."""
    async with Push(bind="inproc://a", send_hwm=2, linger=0) as push:
        async with Pull(connect="inproc://a", receive_hwm=2):
            assert fill(push, b"x") == 4
            await push.connect("inproc://b", send_hwm=5)
            assert fill(push, b"x") == 5
        assert not hasattr(push, "send_hwm")


@pytest.mark.parametrize("frames", [1, 2])
async def test_conflate(place: str, frames: int) -> None:
    """Of twenty messages only the last is received, whole."""
    async with Pull(conflate=True) as pull, Push() as push:
        await push.connect(await pull.bind(place), wait=True)
        for number in range(20):
            await push.send([b"%d" % number] * frames)
        await eventually(lambda: pull.statistics().decoded + in_process(place) >= 20)
        assert await pull.receive() == (b"19",) * frames
        assert would_block(pull.receive_nowait)


def in_process(place: str) -> int:
    """Return enough to satisfy a count that only a connection through the kernel must reach."""
    return 20 if place.startswith("inproc") else 0


# -- test_immediate, test_bind_after_connect -------------------------------------------------------


async def test_immediate_1_without(unbound: str) -> None:
    """Half of ten messages wait for the endpoint that nobody is bound to."""
    async with Pull(bind="inproc://live") as pull, Push(linger=0) as push:
        await push.connect("inproc://live")
        await push.connect(unbound)
        for _ in range(10):
            await push.send(b"x")
        assert [await pull.receive() for _ in range(5)] == [(b"x",)] * 5
        assert would_block(pull.receive_nowait)
        assert [endpoint.queued for endpoint in push.endpoints] == [0, 5]


async def test_immediate_2_with(unbound: str) -> None:
    """With the option all of them arrive at the endpoint that is there."""
    async with Pull(bind="inproc://live") as pull, Push(immediate=True) as push:
        await push.connect(unbound)
        await push.connect("inproc://live", wait=True)
        for _ in range(10):
            await push.send(b"x")
        assert [await pull.receive() for _ in range(10)] == [(b"x",)] * 10


async def test_immediate_3_reconnect(unbound: str) -> None:
    """After the peer has left nothing can be sent until there is one again."""
    async with Dealer(immediate=True, connect=unbound) as frontend:
        assert would_block(lambda: frontend.send_nowait(b"nobody"))
        for _ in range(2):
            async with Dealer(bind=unbound) as backend:
                await frontend.wait_for_peers()
                await bounce(frontend, backend)
                (connection,) = frontend.peers
            await connection.wait_closed()
            assert would_block(lambda: frontend.send_nowait(b"nobody"))


async def test_bind_after_connect(unbound: str) -> None:
    """Three messages that were sent before the bind arrive in order."""
    async with Dealer(connect=unbound) as sender, Dealer() as receiver:
        for number in (b"1", b"2", b"3"):
            sender.send_nowait(number)
        await receiver.bind(unbound)
        assert [bytes(await receiver.receive()) for _ in range(3)] == [b"1", b"2", b"3"]


# -- test_inproc_connect ---------------------------------------------------------------------------


async def test_inproc_connect_before_bind_pub_sub() -> None:
    """What a PUB sends before the bind is dropped; after it, it is delivered."""
    async with Pub(connect="inproc://a") as pub, Sub(topics="") as sub:
        await pub.send(b"before")
        await sub.bind("inproc://a")
        await pub.send(b"after")
        assert sub.receive_nowait() == (b"after",)


async def test_inproc_multiple_connects() -> None:
    """Ten connects before the bind are all served by it."""
    pushes = [Push(connect="inproc://multiple") for _ in range(10)]
    async with Pull() as pull, opened(pushes):
        for push in pushes:
            await push.send(b"foobar")
        await pull.bind("inproc://multiple")
        assert [pull.receive_nowait() for _ in pushes] == [(b"foobar",)] * 10


async def test_inproc_many_tasks_at_once() -> None:
    """Thirty tasks that connect and send, in any order with the bind, are all heard."""
    seeded = random.Random(0)

    async def send_one() -> None:
        for _ in range(seeded.randrange(5)):
            await trio.lowlevel.checkpoint()
        async with Push(connect="inproc://threads") as push:
            await push.send(b"x")

    async with Pull() as pull, trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(send_one)
        await trio.lowlevel.checkpoint()
        await pull.bind("inproc://threads")
        assert [await pull.receive() for _ in range(30)] == [(b"x",)] * 30


async def test_inproc_routing_id(unbound: str) -> None:
    """The ids of both sides are known whoever came first, and a request finds its way."""
    async with Dealer(connect=unbound, routing_id=b"me") as dealer, Router() as router:
        await dealer.send(b"question")
        await router.bind(unbound)
        assert await router.receive() == (b"me", b"question")
        await router.send([b"me", b"answer"])
        assert await dealer.receive() == (b"answer",)


async def test_inproc_connect_only() -> None:
    """A socket that only connected, and nobody came, closes."""
    async with Push(connect="inproc://nobody") as push:
        assert not push.peers
    assert push.statistics().dropped == {}


@departs(Departure.UNBIND_ENDS_INPROC_TOO)
async def test_inproc_unbind() -> None:
    """After unbind the name is free for another, and the connection stays."""
    async with Pair(bind="inproc://a") as first, Pair(connect="inproc://a") as client:
        await bounce(first, client)
        (connection,) = client.peers
        await first.unbind("inproc://a")
        assert connection.closed
        async with Pair(bind="inproc://a") as second:
            await bounce(second, client)


async def test_inproc_shutdown_during_pending(caplog: pytest.LogCaptureFixture) -> None:
    """A socket with messages for a name that nobody binds can be closed, and says so."""
    with caplog.at_level(logging.WARNING, "trio_mq"):
        async with Push(connect="inproc://nobody", linger=0) as push:
            await push.send(b"x")
    assert push.statistics().dropped == {trio_mq.DropReason.CLOSED: 1}
    assert "inproc://nobody" in caplog.text


# -- test_disconnect_inproc, test_term_endpoint ----------------------------------------------------


async def test_term_endpoint_unbind(place: str) -> None:
    """After unbind there is nobody to send to; what was sent before arrived."""
    async with Push() as push:
        endpoint = await push.bind(place)
        async with Pull(connect=endpoint) as pull:
            await push.send(b"ABC")
            assert await pull.receive() == (b"ABC",)
            await push.unbind(endpoint)
            assert would_block(lambda: push.send_nowait(b"ABC"))


async def test_term_endpoint_disconnect(place: str) -> None:
    """After disconnect there is nobody to send to; what was sent before arrived."""
    async with Pull() as pull:
        endpoint = await pull.bind(place)
        async with Push(connect=endpoint) as push:
            await push.send(b"ABC")
            assert await pull.receive() == (b"ABC",)
            await push.disconnect(endpoint)
            assert would_block(lambda: push.send_nowait(b"ABC"))


@departs(Departure.WILDCARD_CAN_BE_UNBOUND)
@pytest.mark.parametrize("by", ["given", "resolved"])
async def test_term_endpoint_wildcard(by: str) -> None:
    """A wildcard bind is taken back by the resolved endpoint, and by no other string."""
    async with Push() as push:
        resolved = await push.bind("tcp://127.0.0.1:*")
        with pytest.raises(ValueError, match="is not bound"):
            await push.unbind("tcp://127.0.0.1:1")
        await push.unbind(resolved if by == "resolved" else "tcp://127.0.0.1:*")
        assert not push.endpoints
        await push.bind(resolved)


# -- test_ctx_destroy, test_many_sockets, test_timeo -----------------------------------------------


async def test_ctx_destroy_ends_blocked_calls(place: str) -> None:
    """Closing a socket ends the calls that wait in it, and refuses later ones."""
    async with Rep() as rep, trio.open_nursery() as nursery:
        await rep.bind(place)

        @nursery.start_soon
        async def blocked() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await rep.receive()

        await trio.testing.wait_all_tasks_blocked()
        await rep.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await rep.receive()


async def test_many_sockets() -> None:
    """A context refuses one socket more than its limit, and takes it when another has closed."""
    context = trio_mq.Context(max_sockets=2)
    async with Req(context=context):
        async with Req(context=context):
            with pytest.raises(trio_mq.TooManySockets):
                await Req(context=context).__aenter__()
        async with Req(context=context):
            assert context.sockets == 2


async def test_timeo(place: str) -> None:
    """A receive that may not wait for ever has taken nothing when its time is up."""
    async with Pull() as pull, Push(connect=await pull.bind(place)) as push:
        with trio.move_on_after(0.01) as scope:
            await pull.receive()
        assert scope.cancelled_caught
        await push.send(b"late")
        assert await pull.receive() == (b"late",)
