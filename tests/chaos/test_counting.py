"""What chaos counts afterwards: each broken promise is found, and a whole one is not."""

from __future__ import annotations

import random

import attrs
import pytest
import trio

import trio_mq
from chaos import partitions
from chaos.pipeline import Balance
from chaos.publishing import faults
from chaos.records import number, numbers, publication
from chaos.relay import Relay
from trio_mq import DropReason


async def good() -> Balance:
    """Return a balance: of ten, nine were written, and one of them was lost with its worker."""
    async with trio_mq.Push() as push:
        figures = attrs.evolve(
            push.statistics(), accepted=10, written=9, dropped_outgoing={DropReason.CLOSED: 1}
        )
    return Balance(10, figures, list(range(8)), losses=1)


async def test_what_adds_up_is_no_fault() -> None:
    """Received once, dropped, or lost with a worker."""
    assert list((await good()).faults()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sent": 11}, "11 were sent and 10 accepted"),
        ({"received": [0, 1, 2, 3, 4, 5, 6, 7, 7]}, "received twice"),
        ({"received": [*range(7), 99]}, "was not sent"),
        ({"received": list(range(10))}, "not counted as written"),
        ({"losses": 0}, "nobody was killed"),
    ],
)
async def test_what_does_not_add_up_is_told(change: dict[str, object], fault: str) -> None:
    """One wrong figure is enough."""
    (told,) = attrs.evolve(await good(), **change).faults()  # type: ignore[arg-type]  # by name
    assert fault in told


async def test_books_that_do_not_balance_are_told() -> None:
    """The equation of the socket itself."""
    balance = await good()
    figures = attrs.evolve(balance.figures, waiting_to_send=1)
    (told,) = attrs.evolve(balance, figures=figures).faults()
    assert "don't balance" in told


@pytest.mark.parametrize(
    ("heard", "fault"),
    [
        ([(1, 1), (1, 1)], "twice"),
        ([(1, 3), (1, 1)], "out of order"),
        ([(2, 1), (1, 3)], "out of order"),
        ([(1, 1), (1, 2)], "not asked for"),
    ],
)
def test_a_subscriber_that_heard_something_wrong_is_told(
    heard: list[tuple[int, int]], fault: str
) -> None:
    """Twice, out of order, from an earlier life, or on another topic."""
    (told,) = faults([b"".join(publication(*each) for each in heard)], topic=1)
    assert fault in told


def test_a_subscriber_that_heard_all_in_order_is_no_fault() -> None:
    """Over two lives of the publisher, and with gaps."""
    heard = [(1, 1), (1, 5), (2, 1), (2, 3)]
    assert list(faults([b"".join(publication(*each) for each in heard)], topic=1)) == []


def test_records_are_read_as_they_were_written() -> None:
    """Numbers of eight bytes."""
    assert numbers(number(1) + number(1 << 40)) == [1, 1 << 40]


async def test_a_relay_holds_back_what_is_said_during_a_partition_and_resets() -> None:
    """The three things that it can do to a connection."""
    async with trio_mq.Pull() as pull, trio_mq.Push() as push, trio.open_nursery() as nursery:
        relay = Relay(int((await pull.bind("tcp://127.0.0.1:*")).rpartition(":")[2]))
        await push.connect(await relay.listen())
        nursery.start_soon(relay.run)
        await push.send(b"before")
        assert await pull.receive() == (b"before",)
        relay.part()
        await push.send(b"meanwhile")
        await push.drain()
        with pytest.raises(trio.WouldBlock):
            pull.receive_nowait()
        relay.mend()
        assert await pull.receive() == (b"meanwhile",)
        (peer,) = push.peers
        relay.reset()
        await peer.wait_closed()
        nursery.cancel_scope.cancel()


async def test_where_no_network_can_be_made_the_scenario_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not left out in silence."""
    monkeypatch.setattr(partitions, "may_have_a_network", lambda: False)
    told = await partitions.partitioned(random.Random(1), 1.0, what="pipeline")
    assert told.startswith("SKIPPED: only root")
