"""What was learnt from one connection is not taken for the truth about the next."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.spec.meeting import eventually
from trio_mq import (
    Dealer,
    DropReason,
    EndpointState,
    IncompatiblePeer,
    Pair,
    Rep,
    Req,
    Retrying,
    Router,
    Unroutable,
)


@pytest.fixture(params=["inproc", "ipc"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an endpoint that nobody has bound."""
    return "inproc://place" if request.param == "inproc" else f"ipc://{tmp_path}/place"


async def test_a_service_that_restarts_under_another_name_is_another_peer(place: str) -> None:
    """Its predecessor's name is gone, and so is what waited for it."""
    async with Router(connect=place, mandatory=True) as router:
        async with Dealer(bind=place, routing_id=b"first"):
            await router.wait_for_peers()
            (first,) = router.peers
        await first.wait_closed()
        await router.send([b"first", b"it may come back"])
        async with Dealer(bind=place, routing_id=b"second") as second:
            await router.wait_for_peers()
            assert router.peers[0].routing_id == b"second"
            with pytest.raises(Unroutable):
                await router.send([b"first", b"gone"])
            await router.send([b"second", b"hello"])
            assert await second.receive() == (b"hello",)
        assert router.statistics().dropped == {DropReason.UNROUTABLE: 1}


async def test_a_service_that_restarts_under_its_name_gets_what_waited_for_it(place: str) -> None:
    """Between two connections its name stays."""
    async with Router(connect=place, mandatory=True) as router:
        async with Dealer(bind=place, routing_id=b"it"):
            await router.wait_for_peers()
            (connection,) = router.peers
        await connection.wait_closed()
        await router.send([b"it", b"while you were out"])
        async with Dealer(bind=place, routing_id=b"it") as dealer:
            assert await dealer.receive() == (b"while you were out",)


async def test_an_invented_name_is_of_one_connection(place: str) -> None:
    """Nobody can say that a program without a name is the same as before."""
    async with Router(connect=place, mandatory=True) as router:
        names = []
        for _ in "12":
            async with Dealer(bind=place):
                await router.wait_for_peers()
                (connection,) = router.peers
                names.append(connection.routing_id)
            await connection.wait_closed()
            with pytest.raises(Unroutable):
                await router.send([names[-1], b"too late"])
        assert names[0] != names[1]


async def test_a_name_that_the_program_gave_is_the_endpoints(place: str) -> None:
    """Whoever is there."""
    async with Router() as router:
        await router.connect(place, peer_routing_id=b"there")
        for name in (b"first", b"second"):
            async with Dealer(bind=place, routing_id=name) as dealer:
                await router.send([b"there", name])
                assert await dealer.receive() == (name,)


async def test_a_send_that_waits_for_a_name_that_is_gone_learns_of_it(tmp_path: Path) -> None:
    """It does not wait for room at somebody else's."""
    place = f"ipc://{tmp_path}/place"
    async with (
        Router(connect=place, mandatory=True, on_full="block", send_hwm=1, linger=0) as router,
        trio.open_nursery() as nursery,
    ):
        async with Dealer(bind=place, routing_id=b"first"):
            await router.wait_for_peers()
            (first,) = router.peers
        await first.wait_closed()
        await router.send([b"first", b"fills the queue"])

        async def send() -> None:
            with pytest.raises(Unroutable):
                await router.send([b"first", b"waits"])

        nursery.start_soon(send)
        await eventually(lambda: router.statistics().tasks_waiting_send == 1)
        async with Dealer(bind=place, routing_id=b"second"):
            await router.wait_for_peers()


async def test_connecting_again_makes_an_attempt(tmp_path: Path) -> None:
    """What the last one met says nothing of now, and the pause is cut short."""
    place = f"ipc://{tmp_path}/place"
    async with Req(reconnect_interval=1000, reconnect_interval_max=1000) as req:
        with req.events() as events:
            await req.connect(place)
            async for event in events:
                if isinstance(event, Retrying):
                    break
        with pytest.raises(OSError, match="place"):
            await req.connect(place, wait=True)
        async with Rep(bind=place):
            await req.connect(place, wait=True)
            assert req.endpoints[0].state is EndpointState.CONNECTED
            await req.connect(place, wait=True)
        assert len(req.endpoints) == 1


async def test_connecting_again_looks_anew_in_inproc() -> None:
    """Who did not suit us then, does not now; who came instead, does."""
    async with Req() as req:
        async with Pair(bind="inproc://place"):
            await req.connect("inproc://place")
            for _ in "12":
                with pytest.raises(IncompatiblePeer):
                    await req.connect("inproc://place", wait=True)
        async with Rep(bind="inproc://place"):
            await req.connect("inproc://place", wait=True)


async def test_an_endpoint_whose_peer_left_has_none(place: str) -> None:
    """Neither in its status nor for what is dropped meanwhile."""
    async with Dealer(connect=place) as dealer:
        async with Dealer(bind=place):
            await dealer.wait_for_peers()
            assert dealer.endpoints[0].peers == 1
            (connection,) = dealer.peers
        await connection.wait_closed()
        await trio.testing.wait_all_tasks_blocked()
        assert dealer.endpoints[0].peers == 0


async def test_what_waits_for_an_endpoint_goes_to_nobody_else_when_its_name_is_handed_over(
    place: str,
) -> None:
    """Neither to the new holder of the name, nor to who is at the endpoint next."""
    async with Router(connect=place, bind="inproc://other-way", handover=True) as router:
        async with Dealer(bind=place, routing_id=b"it"):
            await router.wait_for_peers()
            (connection,) = router.peers
        await connection.wait_closed()
        await router.send([b"it", b"for the first"])
        async with Dealer(connect="inproc://other-way", routing_id=b"it") as second:
            await router.send([b"it", b"for the second"])
            assert await second.receive() == (b"for the second",)
            async with Dealer(bind=place, routing_id=b"another") as third:
                await router.wait_for_peers(2)
                await router.send([b"another", b"for the third"])
                assert await third.receive() == (b"for the third",)
        assert router.statistics().dropped == {DropReason.PEER_LEFT: 1}


async def test_what_waits_for_a_connection_goes_to_no_later_one_when_its_name_is_handed_over() -> (
    None
):
    """The same while the first holder is there, and reads nothing."""
    async with Router(bind="inproc://here", handover=True) as router:
        async with Dealer(bind="inproc://there", routing_id=b"it", receive_hwm=1):
            await router.connect("inproc://there", wait=True)
            for body in (b"arrives", b"waits", b"waits"):
                await router.send([b"it", body])
            async with Dealer(connect="inproc://here", routing_id=b"it"):
                assert router.statistics().dropped == {DropReason.PEER_LEFT: 2}
        async with Dealer(bind="inproc://there", routing_id=b"another") as third:
            await third.wait_for_peers()
            await router.send([b"another", b"hello"])
            assert await third.receive() == (b"hello",)


async def test_sends_that_wait_for_a_name_go_on_to_who_gets_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """All of them, in their order, though the new holder has not room for all at once."""
    async with (
        Router(bind="inproc://name", handover=True, on_full="block", send_hwm=1) as router,
        Dealer(connect="inproc://name", routing_id=b"it", receive_hwm=1),
        trio.open_nursery() as nursery,
    ):
        for number in range(8):
            nursery.start_soon(router.send, [b"it", b"%d" % number])
            await trio.testing.wait_all_tasks_blocked()
        assert router.statistics().tasks_waiting_send == 6
        async with Dealer(connect="inproc://name", routing_id=b"it", receive_hwm=1) as second:
            received = [bytes(await second.receive()) for _ in range(6)]
        assert received == [b"2", b"3", b"4", b"5", b"6", b"7"]
        assert router.statistics().dropped == {DropReason.PEER_LEFT: 1}
