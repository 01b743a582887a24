"""A socket says in one line what it is bound and connected to, and what waits."""

from __future__ import annotations

import re

import trio

from trio_mq import Pull, Push


async def test_each_endpoint_has_its_way_its_state_and_its_queue() -> None:
    """Who prints a socket sees what is wrong."""
    async with Push(linger=0) as push, Pull() as pull:
        bound = await push.bind("tcp://127.0.0.1:*")
        await push.connect("inproc://nobody")
        await push.send(b"1")
        await push.send(b"2")
        assert repr(push) == (
            f"<Push open bind={bound} (listening) connect=inproc://nobody (connecting, 2 queued); "
            "0 peers>"
        )
        await pull.connect(bound, wait=True)
        assert repr(pull) == f"<Pull open connect={bound} (connected); 1 peer>"


async def test_what_waits_to_be_received_is_told_and_looking_changes_nothing() -> None:
    """Also over inproc, where a look could move messages."""
    async with Pull(bind="inproc://pull") as pull, Push(connect="inproc://pull") as push:
        await push.wait_for_peers()
        await push.send(b"1")
        assert repr(pull).endswith("; 1 peer, 1 to receive>")
        await pull.receive()
        assert repr(pull).endswith("; 1 peer>")


async def test_a_full_peer_is_told() -> None:
    """It is why a send waits."""
    async with Push(connect="inproc://nobody", linger=0, send_hwm=1) as push:
        await push.send(b"1")
        with trio.move_on_after(0):
            await push.send(b"2")
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(push.send, b"2")
                await trio.testing.wait_all_tasks_blocked()
                assert repr(push).endswith("; 0 peers, 1 full>")
                scope.cancel()


async def test_of_many_endpoints_only_some_are_shown() -> None:
    """A line stays a line."""
    names = [f"inproc://{number}" for number in range(100)]
    async with Pull(bind=names) as pull:
        assert re.search(r"\(listening\) and 95 more; 0 peers>$", repr(pull))


async def test_before_and_after_its_life_it_has_no_endpoints() -> None:
    """Its state says that."""
    push = Push()
    assert repr(push) == "<Push new; 0 peers>"
    async with push:
        pass
    assert repr(push) == "<Push closed; 0 peers>"
