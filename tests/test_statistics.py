"""Tallies: sums and differences of counts, and what users see of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from trio_mq import Dropped, DropReason, Pull, Push
from trio_mq._tally import Tally, Waiting, traffic

NUMBERS = ["accepted", "accepted_bytes", "written", "written_bytes", "decoded", "decoded_bytes"]


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Any figures."""
    tally = Tally()
    for name in [*NUMBERS, "delivered"]:
        setattr(tally, name, draw(st.integers(0, 99)))
    for reason in draw(st.lists(st.sampled_from(DropReason), max_size=4)):
        tally.drop_out(reason, draw(st.integers(1, 9)))
        tally.drop_in(reason, draw(st.integers(1, 9)))
    return tally


@given(one=tallies(), two=tallies())
def test_adding_and_taking_off_again_changes_nothing(one: Tally, two: Tally) -> None:
    """That is how the figures of a peer are made from those of its pipe."""
    before = traffic(one, Waiting())
    sum_ = one.copy()
    sum_.add(two)
    assert sum_.accepted == one.accepted + two.accepted
    sum_.add(two, sign=-1)
    assert traffic(sum_, Waiting()) == before
    assert traffic(one, Waiting()) == before


def test_reasons_that_cancel_out_are_not_shown() -> None:
    """A reason with no messages is none."""
    tally, other = Tally(), Tally()
    tally.drop_out(DropReason.CLOSED, 2)
    other.drop_out(DropReason.CLOSED, 2)
    tally.add(other, sign=-1)
    assert traffic(tally, Waiting())["dropped_outgoing"] == {}


def test_what_waits_adds_up_field_by_field() -> None:
    """Messages and bytes, out and in."""
    assert Waiting(1, 2, 3, 4) + Waiting(10, 20, 30, 40) == Waiting(11, 22, 33, 44)


async def test_each_queue_has_a_peak(tmp_path: Path) -> None:
    """How near it came to its high-water mark, long after it has emptied."""
    endpoint = f"ipc://{tmp_path}/peaks"
    async with Push(linger=0, connect=endpoint) as push, Pull() as pull:
        for _ in range(5):
            await push.send(b"x")
        await pull.bind(endpoint)
        for _ in range(5):
            await pull.receive()
        await push.drain()
        at_push, at_pull = push.statistics(), pull.statistics()
        assert (at_push.waiting_to_send, at_push.peak_waiting_to_send) == (0, 5)
        assert at_push.peers[0].peak_waiting_to_send == 5
        assert at_pull.waiting_to_receive == 0
        assert 1 <= at_pull.peak_waiting_to_receive <= 5
        assert at_pull.peers[0].peak_waiting_to_receive == at_pull.peak_waiting_to_receive


async def test_the_peak_of_what_is_to_be_received_is_exact() -> None:
    """Also where nothing is received meanwhile."""
    async with Pull(bind="inproc://p") as pull, Push(connect="inproc://p", send_hwm=1) as push:
        for _ in range(7):
            await push.send(b"x")
        assert pull.statistics().waiting_to_receive == 7
        for _ in range(7):
            await pull.receive()
        assert pull.statistics().peak_waiting_to_receive == 7


async def test_ended_connections_are_counted_by_reason() -> None:
    """The same words as in the event."""
    async with Pull() as pull, Push() as push:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        assert pull.statistics().disconnects == {}
        for reason in ("tired", "tired", "angry"):
            await push.connect(endpoint, wait=True)
            await pull.wait_for_peers()
            (peer,) = pull.peers
            peer.disconnect(reason)
            await push.disconnect(endpoint)
            await peer.wait_closed()
        assert pull.statistics().disconnects == {"tired": 2, "angry": 1}


@pytest.mark.parametrize("message", [[bytes(11)], [bytes(8)] * 2, [b""] * 4], ids=len)
@pytest.mark.parametrize("bound", [True, False], ids=["we bind", "we connect"])
async def test_a_message_that_is_too_large_for_us_is_counted(
    message: list[bytes], *, bound: bool, tmp_path: Path
) -> None:
    """Nothing is silent: the socket, the peer and an event tell of it, and the equation holds."""
    place = f"ipc://{tmp_path}/place"
    limits = {"max_frame_size": 10, "max_message_size": 15, "max_frames": 3}
    async with (
        Pull(linger=0, **limits) as pull,  # type: ignore[arg-type]  # each is one
        Push(linger=0) as push,
    ):
        await (pull if bound else push).bind(place)
        await (push if bound else pull).connect(place, wait=True)
        with pull.events() as events:
            await pull.wait_for_peers()
            (peer,) = pull.peers
            await push.send(b"fits")
            await push.send(message)
            async for event in events:
                if isinstance(event, Dropped):
                    break
            assert event == Dropped(peer=peer, reason=DropReason.TOO_LARGE, count=1)
            await peer.wait_closed()
        for figures in (peer.statistics(), pull.statistics()):
            assert figures.dropped_incoming[DropReason.TOO_LARGE] >= 1
            assert figures.decoded == figures.waiting_to_receive + sum(figures.dropped.values())
        assert await pull.receive() == (b"fits",)
