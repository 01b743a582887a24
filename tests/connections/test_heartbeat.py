"""The rule by which silence is taken for death, in virtual time and with a kernel made up."""

from __future__ import annotations

from typing import cast

import pytest
import trio
import trio.testing

from tests.property.pipes import no_peer
from trio_mq import Limits, Options, ProtocolFault
from trio_mq._connections.heartbeat import Heartbeat
from trio_mq._contract import SilentPeer
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.kernel_view import TcpView, Vital
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Connection, RemoteProtocolError


class Encoder:
    """Encodes as little as can be."""

    peer_version = (3, 1)

    def ping(self, ttl: float, context: bytes) -> bytes:
        """Return a PING."""
        return b"PING" + context

    def pong(self, context: bytes) -> bytes:
        """Return a PONG."""
        return b"PONG" + context


class World:
    """One heartbeat with its surroundings: a writer that writes at once, and another kernel."""

    def __init__(
        self, verdict: Vital = Vital.SPOKE, *, writes: bool = True, limits: Limits | None = None
    ) -> None:
        self.verdict = verdict
        self.written_to_peer = 0
        self.writes = writes
        self.pings = 0
        self.heartbeat = Heartbeat(
            Options(heartbeat_interval=5, heartbeat_timeout=2, limits=limits or Limits()),
            cast("Connection", Encoder()),
            cast("ByteStream", self),
            cast("Outbound[Pipe]", self),
            no_peer(),
        )

    def vital(self, seconds: float) -> Vital:
        """Say what the other kernel does, as the stream would."""
        return self.verdict

    def wake_writer(self) -> None:
        """Take what is due, as the writer does that is not held up."""
        if self.writes and self.heartbeat.due:
            self.pings += self.heartbeat.take_due().count(b"PING")

    async def silent_after(self, seconds: float) -> float | None:
        """Return when the peer is taken for dead, or ``None`` if it is not in that time."""
        with trio.move_on_after(seconds):
            with pytest.raises(SilentPeer):
                await self.heartbeat.run()
            return trio.current_time()
        return None


async def test_a_program_that_has_read_everything_and_does_not_answer_hangs(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its kernel acknowledges, which is not what was asked for."""
    silent = await World(Vital.SPOKE).silent_after(60)
    assert silent is not None
    assert 7 <= silent < 7.1


@pytest.mark.parametrize("vital", [Vital.SPOKE, Vital.OWES_NOTHING])
async def test_a_program_with_messages_before_the_ping_may_be_busy(
    vital: Vital, autojump_clock: trio.testing.MockClock
) -> None:
    """For as long as its kernel is there."""
    world = World(vital)
    world.written_to_peer = 1
    assert await world.silent_after(3600) is None


@pytest.mark.parametrize("vital", [Vital.SPOKE, Vital.OWES_NOTHING])
async def test_a_ping_that_could_not_be_written_is_not_unanswered(
    vital: Vital, autojump_clock: trio.testing.MockClock
) -> None:
    """The window is shut, so it can't have arrived."""
    assert await World(vital, writes=False).silent_after(3600) is None


@pytest.mark.parametrize(
    ("vital", "seconds"), [(Vital.SILENT, 7), (Vital.UNKNOWN, 7), (Vital.OWES, 8)]
)
async def test_a_busy_program_whose_kernel_is_not_heard_is_dead(
    vital: Vital, seconds: int, autojump_clock: trio.testing.MockClock
) -> None:
    """A vanished host, or a stream of which nothing can be known."""
    world = World(vital)
    world.written_to_peer = 1
    silent = await world.silent_after(60)
    assert silent is not None
    assert seconds <= silent < seconds + 0.1


class FarAway(World):
    """The other kernel answers a probe of its shut window 0.7 s after it was sent.

    Args:
        pause: Seconds from one probe to the next.
    """

    def __init__(self, pause: float) -> None:
        super().__init__()
        self.written_to_peer = 1
        self.pause = pause

    def vital(self, seconds: float) -> Vital:
        """Look at the probes, and the acknowledgements of them."""
        since_probe = trio.current_time() % self.pause
        is_out = since_probe < 0.7
        since_ack = since_probe - 0.7 + (self.pause if is_out else 0)
        return TcpView(0, int(is_out), since_last_sent=1000, since_last_ack=since_ack).vital(
            seconds
        )


async def test_a_probe_that_was_just_sent_proves_no_silence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its answer is on the way, whenever one looks."""
    for pause in (2.9, 3.1, 7.0, 60.0, 119.0):
        assert await FarAway(pause).silent_after(3600) is None


async def test_a_holder_far_away_keeps_its_place(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Also when the contest ends while a probe is on the way."""
    world = FarAway(60.0)
    await trio.sleep(57.1)
    assert await world.heartbeat.shows_life(3)
    assert 60.1 < trio.current_time() < 61.1


async def test_the_end_of_a_busy_program_s_kernel_is_noticed_soon(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A verdict holds for a second, not for ever."""
    world = World(Vital.SPOKE)
    world.written_to_peer = 1
    assert await world.silent_after(600.5) is None
    world.verdict = Vital.SILENT
    silent = await world.silent_after(60)
    assert silent is not None
    assert silent < 602


async def test_a_pong_says_that_what_was_written_before_its_ping_is_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What was written before that can't keep the program busy any more."""
    world = World(Vital.SPOKE)
    world.written_to_peer = 1
    assert await world.silent_after(6) is None
    world.heartbeat.heard()
    world.heartbeat.ponged(b"")
    silent = await world.silent_after(60)
    assert silent is not None
    assert 12 <= silent < 13


async def test_each_who_waits_for_life_gets_a_sign_of_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One byte serves all who asked before it, and none who asks after it."""
    world = World(Vital.UNKNOWN)
    lives: list[tuple[int, bool]] = []

    async def ask(number: int) -> None:
        await trio.sleep(number)
        lives.append((number, await world.heartbeat.shows_life(3)))

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(ask, number)
        await trio.sleep(2.5)
        world.heartbeat.heard()
    assert sorted(lives) == [(number, number < 3) for number in range(6)]


async def test_questions_of_strangers_are_no_flood_of_pings(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Four in a second are the most, however many ask."""
    world = World(Vital.UNKNOWN)
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(world.heartbeat.shows_life, 1)
    assert 1 <= world.pings <= 5


async def test_an_acknowledgement_is_a_sign_of_life_for_a_place(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The other kernel has the connection, so a program has it; no need to wait for more."""
    assert await World(Vital.SPOKE).heartbeat.shows_life(3)
    assert trio.current_time() < 0.2


async def test_the_end_of_the_connection_ends_the_waiting(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """And is no sign of life."""
    world = World(Vital.UNKNOWN)

    async def end() -> None:
        await trio.sleep(1)
        world.heartbeat.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end)
        assert not await world.heartbeat.shows_life(3)
        assert trio.current_time() < 1.1


@pytest.mark.parametrize(
    ("view", "vital"),
    [
        (TcpView(0, 0, since_last_sent=0.6, since_last_ack=0.5), Vital.SPOKE),
        (TcpView(9, 0, since_last_sent=0.1, since_last_ack=0.5), Vital.SPOKE),
        (TcpView(0, 0, since_last_sent=60.1, since_last_ack=60.0), Vital.OWES_NOTHING),
        (TcpView(1, 0, since_last_sent=60.1, since_last_ack=60.0), Vital.OWES_NOTHING),
        (TcpView(1, 0, since_last_sent=30.0, since_last_ack=60.0), Vital.SILENT),
        (TcpView(1, 0, since_last_sent=0.1, since_last_ack=60.0), Vital.OWES),
        (TcpView(0, 2, since_last_sent=60.1, since_last_ack=60.0), Vital.SILENT),
        (TcpView(0, 1, since_last_sent=60.1, since_last_ack=60.0), Vital.OWES),
    ],
    ids=["idle", "busy", "shut", "dropping", "gone", "sent", "gone-while-shut", "shut-and-probed"],
)
def test_what_the_kernel_s_figures_say_of_the_last_second(view: TcpView, vital: Vital) -> None:
    """A shut window alone says nothing: the probes of it do."""
    assert view.vital(1.0) is vital


async def test_a_peer_may_ping_as_fast_as_the_limit_says_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Faster only as long as its burst lasts."""
    world = World(limits=Limits(max_pings_per_second=4, max_ping_burst=3))
    for _ in range(100):
        world.heartbeat.pinged(0, b"")
        await trio.sleep(1 / 4)
    for _ in range(3):
        world.heartbeat.pinged(0, b"")
    with pytest.raises(RemoteProtocolError, match="more than 4 PINGs a second") as caught:
        world.heartbeat.pinged(0, b"")
    assert caught.value.fault is ProtocolFault.PING_FLOOD
