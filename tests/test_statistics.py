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
