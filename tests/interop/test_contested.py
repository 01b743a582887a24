"""A name that two claim: who is there keeps it, however busy, and who has gone does not."""

from __future__ import annotations

from typing import Final

import trio

import trio_mq
from tests.interop.conftest import Programs

TCP: Final = "tcp://127.0.0.1:*"
#: Seconds in which everything must have happened.
PATIENCE: Final = 10


async def refused(router: trio_mq.Router, claimant: trio_mq.Dealer, place: str) -> None:
    """Let somebody claim a name, and wait until it was turned away."""
    with router.events() as events, trio.fail_after(PATIENCE):
        await claimant.connect(place)
        async for event in events:
            if isinstance(event, trio_mq.HandshakeFailed):
                assert event.reason == "routing-id-in-use"
                return
            assert not isinstance(event, trio_mq.Disconnected)


async def test_a_program_that_stands_still_keeps_its_name_until_it_is_killed(
    programs: Programs, place: str
) -> None:
    """Its kernel speaks for it: a program that answers nothing may only be busy."""
    program = await programs.start()
    holder = await program.open("DEALER", ROUTING_ID=b"W")
    async with (
        trio_mq.Router() as router,
        trio_mq.Dealer(routing_id=b"W", linger=0, reconnect_interval_max=0.1) as claimant,
    ):
        endpoint = await router.bind(place)
        await holder.connect(endpoint)
        await router.wait_for_peers()
        (peer,) = router.peers
        program.stop()
        await refused(router, claimant, endpoint)
        assert router.peers == (peer,)
        await program.kill()
        with trio.fail_after(PATIENCE):
            await peer.wait_closed()
            await claimant.wait_for_peers()
            await router.send([b"W", b"to the next"])
            assert await claimant.receive() == (b"to the next",)


async def test_a_worker_with_a_full_queue_keeps_its_name(programs: Programs, place: str) -> None:
    """It reads no PING until it is through with its tasks, and none of them is lost."""
    program = await programs.start()
    worker = await program.open("DEALER", ROUTING_ID=b"W", RCVHWM=1)
    async with (
        trio_mq.Router(send_hwm=None) as router,
        trio_mq.Dealer(routing_id=b"W", linger=0) as claimant,
    ):
        endpoint = await router.bind(place)
        await worker.connect(endpoint)
        await router.wait_for_peers()
        (peer,) = router.peers
        tasks = [(b"%d" % number, bytes(10_000)) for number in range(1000)]
        for task in tasks:
            await router.send([b"W", *task])
        await refused(router, claimant, endpoint)
        assert router.peers == (peer,)
        assert await worker.receive_many(len(tasks)) == tasks
