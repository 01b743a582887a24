"""libzmq's test_spec_req, test_spec_rep, test_spec_dealer, test_spec_router, test_spec_pushpull.

Those that libzmq disables because it does not comply are here too, enabled or as departures.
"""

from __future__ import annotations

import pytest
import trio

from tests.spec.departures import Departure, departs
from tests.spec.meeting import LARGE, NARROW, arrived, eventually, exchange, opened, would_block
from tests.spec.raw_peer import raw_client
from trio_mq import Dealer, Pull, Push, Rep, Req, Router, Unroutable


async def test_spec_req_round_robin_out(place: str) -> None:
    """Five REPs that connected in order get one request each, in that order."""
    async with Req() as req:
        endpoint = await req.bind(place)
        async with opened([Rep() for _ in range(5)]) as reps:
            for count, rep in enumerate(reps, 1):
                await rep.connect(endpoint)
                await req.wait_for_peers(count)
            for number, rep in enumerate(reps):
                await exchange(req, rep, b"request %d" % number)


async def test_spec_req_message_format(place: str) -> None:
    """A ROUTER sees id, delimiter and body; a reply of that form reaches the REQ as its body."""
    async with Req() as req, Router(connect=await req.bind(place)) as router:
        await req.send([b"ABC", b"DEF"])
        name, *rest = await router.receive()
        assert rest == [b"", b"ABC", b"DEF"]
        await router.send([name, b"", b"GHI"])
        assert await req.receive() == (b"GHI",)


async def test_spec_req_only_listens_to_current_peer(place: str) -> None:
    """Three ROUTERs answer each request; only the answer of the one that was asked counts."""
    async with Req(routing_id=b"A") as req:
        endpoint = await req.bind(place)
        async with opened([Router() for _ in range(3)]) as routers:
            for count, router in enumerate(routers, 1):
                await router.connect(endpoint)
                await req.wait_for_peers(count)
            for number, asked in enumerate(routers):
                await req.send(b"ABC")
                assert await asked.receive() == (b"A", b"", b"ABC")
                for router in routers:
                    if router is not asked:
                        await router.send([b"A", b"", b"bad"])
                await eventually(lambda n=number: sum_dropped(req) == 2 * (n + 1))  # type: ignore[misc]
                await asked.send([b"A", b"", b"good"])
                assert await req.receive() == (b"good",)


def sum_dropped(socket: Req) -> int:
    """Return how many messages a socket has dropped."""
    return sum(socket.statistics().dropped.values())


async def test_spec_rep_fair_queue_in(place: str) -> None:
    """Five clients ask at once; the REP serves each exactly once, and again."""
    async with Rep() as rep:
        endpoint = await rep.bind(place)
        async with opened([Req(connect=endpoint) for _ in range(5)]) as reqs:
            for turn in range(2):
                for number, req in enumerate(reqs):
                    await req.send(b"%d%d" % (turn, number))
                served = []
                for _ in reqs:
                    served.append(bytes(await rep.receive()))
                    await rep.send(b"A")
                assert sorted(served) == [b"%d%d" % (turn, number) for number in range(5)]
                for req in reqs:
                    assert await req.receive() == (b"A",)


async def test_spec_rep_envelope(place: str) -> None:
    """The envelope, short or long, is taken off the request and comes back with the reply."""
    async with Rep() as rep, Dealer(connect=await rep.bind(place)) as dealer:
        for envelope in ((b"",), (b"X", b"Y", b"")):
            await dealer.send([*envelope, b"A"])
            assert await rep.receive() == (b"A",)
            await rep.send(b"A")
            assert await dealer.receive() == (*envelope, b"A")


async def test_spec_dealer_round_robin_out(place: str) -> None:
    """Five messages reach five REPs, one each."""
    async with Dealer() as dealer:
        endpoint = await dealer.bind(place)
        async with opened([Rep(connect=endpoint) for _ in range(5)]) as reps:
            await dealer.wait_for_peers(5)
            for _ in range(5):
                await dealer.send([b"", b"ABC"])
            for rep in reps:
                assert await rep.receive() == (b"ABC",)


async def test_spec_dealer_fair_queue_in(place: str) -> None:
    """A noisy sender does not starve five others."""
    async with Dealer() as receiver:
        endpoint = await receiver.bind(place)
        async with opened([Dealer(connect=endpoint) for _ in range(6)]) as (noisy, *others):
            for _ in range(20):
                await noisy.send(b"noise")
            for number, sender in enumerate(others):
                await sender.send(b"%d" % number)
            await arrived(receiver, 25)
            heard = {bytes(await receiver.receive()) for _ in range(6)}
    assert heard == {b"noise", b"0", b"1", b"2", b"3", b"4"}


@pytest.mark.parametrize("sender", [Req, Dealer, Push])
async def test_spec_block_on_send_no_peers(place: str, sender: type[Req | Dealer | Push]) -> None:
    """A send with no peer would block, and one that may wait goes on waiting."""
    async with sender() as socket:
        await socket.bind(place)
        assert would_block(lambda: socket.send_nowait(b""))
        with trio.move_on_after(0) as scope:
            await socket.send(b"")
        assert scope.cancelled_caught


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_spec_dealer_destroy_queue_on_disconnect(place: str) -> None:
    """After its peer has left a DEALER has nothing to receive and nowhere to send."""
    async with Dealer() as dealer:
        endpoint = await dealer.bind(place)
        async with Dealer() as peer:
            await peer.connect(endpoint, wait=True)
            await peer.send(b"ABC")
            await dealer.wait_for_peers()
            (connection,) = dealer.peers
            await peer.disconnect(endpoint)
            await connection.wait_closed()
            assert dealer.receive_nowait() == (b"ABC",)
            assert would_block(dealer.receive_nowait)
            assert would_block(lambda: dealer.send_nowait(b"ABC"))
            await peer.connect(endpoint, wait=True)
            assert would_block(peer.receive_nowait)


async def test_spec_router_fair_queue_in(place: str) -> None:
    """The messages of five DEALERs with ids arrive once each, with their ids."""
    async with Router() as router:
        endpoint = await router.bind(place)
        names = [b"%c" % letter for letter in b"ABCDE"]
        async with opened([Dealer(routing_id=name, connect=endpoint) for name in names]) as dealers:
            for dealer in dealers:
                await dealer.send([b"M", b""])
            received = sorted([await router.receive() for _ in dealers])
    assert received == [(name, b"M", b"") for name in names]


@departs(Departure.UNREAD_STAYS_READABLE)
async def test_spec_router_destroy_queue_on_disconnect(place: str) -> None:
    """After its peer has left a mandatory ROUTER can't send to it, and has nothing to receive."""
    async with Router(mandatory=True) as router:
        endpoint = await router.bind(place)
        async with Dealer(routing_id=b"B") as dealer:
            await dealer.connect(endpoint, wait=True)
            await dealer.send(b"ABC")
            await router.wait_for_peers()
            (connection,) = router.peers
            await dealer.disconnect(endpoint)
            await connection.wait_closed()
            assert router.receive_nowait() == (b"B", b"ABC")
            with pytest.raises(Unroutable):
                await router.send([b"B", b"ABC"])


async def test_spec_pushpull_push_round_robin_out(place: str) -> None:
    """Ten messages go to five PULLs, two each, the second after all had their first."""
    async with Push() as push:
        endpoint = await push.bind(place)
        async with opened([Pull(connect=endpoint) for _ in range(5)]) as pulls:
            await push.wait_for_peers(5)
            for body in [b"ABC"] * 5 + [b"DEF"] * 5:
                await push.send(body)
            for pull in pulls:
                assert [await pull.receive() for _ in range(2)] == [(b"ABC",), (b"DEF",)]


async def test_spec_pushpull_pull_fair_queue_in(place: str) -> None:
    """Of five PUSHes with two messages each, the first five that arrive are one of each."""
    async with Pull() as pull:
        endpoint = await pull.bind(place)
        async with opened([Push(connect=endpoint) for _ in range(5)]) as pushes:
            for _ in range(2):
                for number, push in enumerate(pushes):
                    await push.send(b"%d" % number)
            await arrived(pull, 10)
            for _ in range(2):
                received = sorted([bytes(await pull.receive()) for _ in pushes])
                assert received == [b"0", b"1", b"2", b"3", b"4"]


@departs(Departure.UNWRITTEN_GOES_TO_OTHERS)
async def test_spec_pushpull_destroy_queue_on_disconnect() -> None:
    """With both queues full the PULL leaves; after it has come back both are empty."""
    async with Push(bind="inproc://a", send_hwm=1) as push, Pull(receive_hwm=1) as pull:
        await pull.connect("inproc://a")
        for body in (b"ABC", b"DEF"):
            push.send_nowait(body)
        assert would_block(lambda: push.send_nowait(b"GHI"))
        await pull.disconnect("inproc://a")
        assert would_block(lambda: push.send_nowait(b"GHI"))
        assert pull.receive_nowait() == (b"ABC",)
        await pull.connect("inproc://a")
        assert pull.receive_nowait() == (b"DEF",)


async def test_spec_pushpull_multipart_is_whole_or_not_there() -> None:
    """A PULL that leaves in the midst of a message does not leave half of it to the next one."""
    message = (b"0", LARGE, b"1", LARGE, b"2")
    async with Push(**NARROW) as push:
        endpoint = await push.bind("tcp://127.0.0.1:*")
        async with raw_client(endpoint) as leaver:
            await leaver.shake_hands(b"PULL")
            await push.send(message)
            await leaver.receive(1000)
            (connection,) = push.peers
        await connection.wait_closed()
        async with Pull(connect=endpoint) as pull:
            assert await pull.receive() == message
            assert would_block(pull.receive_nowait)
