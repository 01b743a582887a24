"""What strangers may cost: rates, lines and counts, in virtual time."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from tests.joined import bind
from trio_mq import Accepted, HandshakeFailed, Limits, Pull, Push, auth
from trio_mq._connections import doorkeeper
from trio_mq._connections.doorkeeper import TURN_SECONDS, Allowance, Doorkeeper, counted

SERVER = auth.CurveKeys.generate()


async def test_a_rate_holds_for_long_and_a_burst_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Five at once after a rest, and then ten a second."""
    allowance = Allowance(10.0, 5)
    times = []
    for _ in range(25):
        await allowance.use()
        times.append(trio.current_time())
    assert times[4] == times[0]
    assert times[-1] - times[0] == pytest.approx(2.0)
    await trio.sleep(100)
    before = trio.current_time()
    for _ in range(6):
        await allowance.use()
    assert trio.current_time() - before == pytest.approx(0.1)


async def test_what_has_cost_more_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """By whoever comes next, also where nothing is saved up any more."""
    keeper = Doorkeeper("tls", Limits(max_handshakes_per_second=10.0, max_handshake_burst=3))
    began = trio.current_time()
    times = []
    for seconds in (0.0, 4 * TURN_SECONDS, 0.0, 2.5 * TURN_SECONDS, 0.0):
        await keeper.may_compute()
        times.append(trio.current_time() - began)
        keeper.computed_longer(seconds)
    assert times == pytest.approx([0.0, 0.0, 0.4, 0.5, 0.85])


async def test_no_rate_is_no_wait(autojump_clock: trio.testing.MockClock) -> None:
    """Time stands still."""
    before = trio.current_time()
    for _ in range(1000):
        await Allowance(None, 1).use()
    assert trio.current_time() == before


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7:5555", "192.0.2.7"),
        ("[2001:db8:1:2:3:4:5:6]:5555", "2001:db8:1:2::/64"),
        ("[::ffff:192.0.2.7]:5555", "192.0.2.7"),
        ("127.0.0.1:5555", None),
        ("[::1]:5555", None),
        ("uid=0 gid=0 pid=1", None),
        ("", None),
    ],
)
def test_whom_an_address_stands_for(address: str, who: str | None) -> None:
    """A host, a network of IPv6; nobody where it is of this machine."""
    assert counted(address) == who


async def test_one_address_takes_only_its_part() -> None:
    """Of the half open and of the peers; each that leaves makes room, and others come in."""
    keeper = Doorkeeper("tcp", Limits(max_half_open_per_address=2, max_peers_per_address=3))
    here, there = "192.0.2.1:1", "192.0.2.2:1"
    keeper.came(here)
    keeper.came(here)
    assert keeper.turns_away(here) == "too-many-half-open"
    assert keeper.turns_away(there) is None
    keeper.established(here)
    assert keeper.turns_away(here) is None
    keeper.came(here)
    keeper.established(here)
    keeper.established(here)
    assert keeper.turns_away(here) == "too-many-from-address"
    keeper.left(here, was_peer=True)
    assert keeper.turns_away(here) is None


async def test_who_shows_bad_credentials_too_often_is_blocked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """For a minute after the last; spread out over more than a minute they count for nothing."""
    keeper = Doorkeeper("tcp", Limits(max_auth_failures_per_minute=3))
    for _ in range(5):
        keeper.refused("192.0.2.1:1")
        await trio.sleep(31)
    assert keeper.turns_away("192.0.2.1:9") is None
    for _ in range(3):
        keeper.refused("192.0.2.2:1")
    assert keeper.turns_away("192.0.2.2:9") == "refused-too-often"
    assert keeper.turns_away("192.0.2.3:9") is None
    await trio.sleep(61)
    assert keeper.turns_away("192.0.2.2:9") is None


async def test_who_is_remembered_is_bounded(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest is forgotten."""
    monkeypatch.setattr(doorkeeper, "_REMEMBERED", 2)
    keeper = Doorkeeper("tcp", Limits(max_auth_failures_per_minute=1))
    for host in (1, 2, 3):
        keeper.refused(f"192.0.2.{host}:1")
    blocked = [host for host in (1, 2, 3) if keeper.turns_away(f"192.0.2.{host}:1")]
    assert blocked == [2, 3]


async def test_the_log_gets_a_line_a_second(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And the next line says how many were left out."""
    keeper = Doorkeeper("tcp://x", Limits())
    with caplog.at_level(logging.ERROR, logger="trio_mq"):
        for number in range(100):
            keeper.complain("%s failed", number)
        await trio.sleep(1)
        keeper.complain("%s failed", 100)
    assert caplog.messages == [
        "0 failed",
        "100 failed (and 99 more since the last line about tcp://x)",
    ]


async def test_connections_are_accepted_at_a_rate(autojump_clock: trio.testing.MockClock) -> None:
    """The one that is waited for, three more after a rest, then ten a second; none is lost."""
    limits = Limits(max_accepts_per_second=10.0, max_accept_burst=3)
    async with Pull(limits=limits, linger=0) as pull:
        with pull.events() as events:
            listener = await bind(pull, "memory")
            await trio.sleep(10)
            began = trio.current_time()
            streams = [await listener.dial() for _ in range(13)]
            times = list[float]()
            async for event in events:
                if isinstance(event, Accepted):
                    times.append(trio.current_time() - began)
                if len(times) == len(streams):
                    break
        for stream in streams:
            await stream.aclose()
    assert times[:4] == [0, 0, 0, 0]
    assert times[4:] == [pytest.approx(number / 10) for number in range(1, 10)]


async def test_a_newcomer_of_a_full_address_is_closed_with_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is said to it."""
    monkeypatch.setattr(doorkeeper, "counted", lambda _address: "one host")
    async with Pull(limits=Limits(max_peers_per_address=1)) as pull, Push() as first:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        await first.connect(endpoint, wait=True)
        with pull.events() as events:
            async with Push(linger=0) as second:
                with pytest.raises(OSError, match="cannot connect"):
                    await second.connect(endpoint, wait=True)
                while not isinstance(event := await events.receive(), HandshakeFailed):
                    pass
        assert event.reason == "too-many-from-address"
        await first.disconnect(endpoint)
        async with Push() as third:
            await third.connect(endpoint, wait=True)


async def test_handshakes_of_curve_take_turns(autojump_clock: trio.testing.MockClock) -> None:
    """Twenty clients at ten a second, after a burst of five."""
    limits = Limits(max_handshakes_per_second=10.0, max_handshake_burst=5)
    async with Pull(
        mechanism=auth.CurveServer(SERVER), authenticator=auth.ALLOW_ANY, limits=limits
    ) as pull:
        listener = await bind(pull, "memory")
        times = []

        async def knock() -> None:
            client = auth.CurveClient(server=SERVER.public)
            async with Push(mechanism=client) as push:
                await push.connect("memory", wait=True, open_stream=listener.dial)
                times.append(trio.current_time())

        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(knock)
    assert [round(time - start, 1) for time in sorted(times)] == [
        *[0.0] * 5,
        *[number / 10 for number in range(1, 16)],
    ]


async def test_only_so_many_questions_are_asked_at_a_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The others wait in line; who has waited too long is refused for now, and never asked."""
    asked = most = 0

    async def slow(_request: auth.Request) -> auth.Granted:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await trio.sleep(2)
        asked -= 1
        return auth.Granted()

    limits = Limits(max_authentications=3, auth_timeout=5.0)
    async with Pull(authenticator=slow, limits=limits) as pull:
        listener = await bind(pull, "memory")
        ends: list[str] = []

        async def knock() -> None:
            async with Push(linger=0) as push:
                try:
                    await push.connect("memory", wait=True, open_stream=listener.dial)
                except ConnectionError:
                    ends.append("later")
                else:
                    ends.append("in")

        with pull.events() as events:
            async with trio.open_nursery() as nursery:
                for _ in range(12):
                    nursery.start_soon(knock)
            reasons: set[str] = set()
            while ends.count("later") and len(reasons) == 0:
                event = await events.receive()
                if isinstance(event, HandshakeFailed):
                    reasons.add(str(event.error))
    assert most == 3
    assert (ends.count("in"), ends.count("later")) == (9, 3)
    (reason,) = reasons
    assert "status 300: max_authentications=3 others" in reason
