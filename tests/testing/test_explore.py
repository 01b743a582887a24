"""The search: it finds what is wrong, says under which seed, and finds it again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

import trio_mq
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.load_balance import LoadBalance
from trio_mq.testing import Found, Network, assert_nothing_lost, explore

SIZE = 20_000


async def push_and_count(net: Network) -> None:
    """Send messages of a size that a reset tears, and look at the books."""
    lab, field = net.host("lab"), net.host("field")
    received = []
    async with (
        trio_mq.Pull(bind="tcp://*:5555", context=field) as pull,
        trio_mq.Push(connect="tcp://field:5555", context=lab) as push,
        trio.open_nursery() as nursery,
    ):

        async def receive() -> None:
            async for message in pull:
                received.append(int(bytes(message)[:4]))  # noqa: PERF401  # until cancelled

        nursery.start_soon(receive)
        for number in range(100):
            await push.send(b"%04d" % number + bytes(SIZE))
            await trio.sleep(0.5)
        await push.drain()
        assert_nothing_lost(push, pull, allow=[trio_mq.DropReason.CONNECTION_LOST])
        assert len(set(received)) == len(received), "a message arrived twice"
        nursery.cancel_scope.cancel()


async def ask(net: Network) -> None:
    """Ask, and expect the answer to that, or none."""
    lab, field = net.host("lab"), net.host("field")
    async with (
        trio_mq.Rep(bind="tcp://*:5555", context=field) as rep,
        trio_mq.Req(
            connect="tcp://field:5555", context=lab, correlate=True, heartbeat_interval=1
        ) as req,
        trio.open_nursery() as nursery,
    ):

        async def serve() -> None:
            async for request in rep:
                await rep.send(b"re:" + bytes(request))

        nursery.start_soon(serve)
        for number in range(50):
            with trio.move_on_after(5):
                try:
                    reply = await req.request(b"%d" % number)
                except trio_mq.PeerLost:
                    continue
                assert bytes(reply) == b"re:%d" % number
        # The trouble is over after a minute, and then everything works again.
        await trio.sleep(200)
        assert await req.request(b"at last") == (b"re:at last",)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("program", [push_and_count, ask])
def test_a_program_that_is_right_survives_every_seed(
    program: Callable[[Network], Awaitable[None]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A few here; the count of those that went well is returned."""
    assert explore(program, seeds=range(4)) == 4
    assert capsys.readouterr().out == ""


def test_a_message_that_vanishes_with_its_connection_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bug: what was half written when its connection broke is taken for written.

    It needs a reset in the middle of a message. The seed that was found repeats it exactly.
    """
    give_back = Pipe.give_back

    def careless(pipe: Pipe, *, partly_written: bool) -> None:
        if partly_written:
            pipe.outbound.queue.popleft()
        give_back(pipe, partly_written=False)

    monkeypatch.setattr(Pipe, "give_back", careless)
    trio_mq.lowlevel.set_debug(False)  # which would find it by itself
    try:
        with pytest.raises(Found) as caught:
            explore(push_and_count, seeds=range(1000))
        printed = capsys.readouterr().out
        with pytest.raises(Found) as again:
            explore(push_and_count, seeds=[caught.value.seed])
    finally:
        trio_mq.lowlevel.set_debug(True)
    assert f"seed {caught.value.seed} fails" in printed
    assert caught.value.history[-1] in printed
    assert again.value.history == caught.value.history
    assert caught.value.__cause__ is not None


def test_a_request_that_nobody_waits_for_any_more_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bug: a peer that comes back is not given the turn that it had lost."""
    monkeypatch.setattr(LoadBalance, "add", lambda *_, **__: None)
    with pytest.raises(Found):
        explore(ask, seeds=range(1000), patience=1000)


def test_a_program_that_hangs_is_found() -> None:
    """After its patience, in virtual seconds."""

    async def hang(net: Network) -> None:
        await trio.sleep_forever()

    with pytest.raises(Found, match="has not ended after 100 seconds"):
        explore(hang, seeds=[3], patience=100)


def test_the_order_of_tasks_is_part_of_a_seed() -> None:
    """A race that most orders hide is found, without any fault of the network."""

    async def race(net: Network) -> None:
        order: list[int] = []

        async def runner(number: int) -> None:
            await trio.lowlevel.checkpoint()
            order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(runner, number)
        assert order != [2, 0, 3, 1]

    with pytest.raises(Found) as caught:
        explore(race)
    with pytest.raises(Found):
        explore(race, seeds=[caught.value.seed])


@pytest.mark.parametrize("faults", [[], ["cut", "flood"]])
def test_faults_that_there_are_not_are_refused(faults: list[str]) -> None:
    """The error names those that there are."""
    with pytest.raises(ValueError, match="give some of cut, silence"):
        explore(ask, faults=faults)
