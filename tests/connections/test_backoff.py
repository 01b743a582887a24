"""Pauses before redialling: random under a bound, which grows with trouble and falls back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from trio_mq import AuthenticationFailed, IncompatiblePeer, Options
from trio_mq._connections.backoff import Backoff
from trio_mq._contract import Ending
from trio_mq._transports.schemes import parse_connect

OPTIONS = Options(reconnect_interval=0.5, reconnect_interval_max=3.0)
DEFAULTS = Options()


def longest(options: Options = OPTIONS) -> Backoff:
    """Return a back-off that always draws the bound itself."""
    return Backoff(options, lambda: 1.0)


def test_young_trouble_is_met_with_the_first_bound() -> None:
    """For ten seconds: the other program may just be starting."""
    backoff = longest()
    assert {backoff.connection_failed(float(now)) for now in range(100, 110)} == {0.5}


def test_where_a_dial_costs_nothing_trouble_stays_young_longer() -> None:
    """For a minute."""
    backoff = Backoff(DEFAULTS, lambda: 1.0, nearby=True)
    pauses = [backoff.connection_failed(float(now)) for now in range(63)]
    assert pauses == [0.1] * 60 + [0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("endpoint", "nearby"),
    [
        ("tcp://127.0.0.1:1", True),
        ("tcp://127.5.5.5:1", True),
        ("tcp://localhost:1", True),
        ("tcp://[::1]:1", True),
        ("ipc://file", True),
        ("ipc://@name", True),
        ("inproc://name", True),
        ("tcp://10.0.0.1:1", False),
        ("tcp://example.org:1", False),
    ],
)
def test_a_dial_costs_nothing_if_it_stays_on_this_machine(endpoint: str, *, nearby: bool) -> None:
    """Whatever is not certain is far."""
    assert parse_connect(endpoint).nearby is nearby


def test_old_trouble_doubles_the_bound_up_to_the_longest() -> None:
    """And stays there for ever."""
    backoff = longest()
    backoff.connection_failed(0.0)
    assert [backoff.connection_failed(10.0) for _ in range(5)] == [1.0, 2.0, 3.0, 3.0, 3.0]
    assert all(backoff.connection_failed(20.0) == 3.0 for _ in range(2000))


def test_a_short_first_bound_grows_to_a_tenth_of_a_second_at_once() -> None:
    """Who asks for a first pause of 10 ms does not ask for a thousand dials in ten seconds."""
    backoff = longest(Options(reconnect_interval=0.01))
    assert [backoff.connection_failed(0.0) for _ in range(6)] == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1]


def test_the_pause_is_a_random_part_of_the_bound() -> None:
    """So a thousand clients of a restarted server don't come all at once."""
    draws = iter([0.0, 0.25, 0.5])
    backoff = Backoff(OPTIONS, lambda: next(draws))
    assert [backoff.connection_failed(now) for now in (0.0, 0.0, 10.0)] == [0.25, 0.3125, 0.5]


@pytest.mark.parametrize(("stood", "next_pause"), [(4.9, 1.0), (5.0, 0.5)])
def test_only_a_connection_that_stood_for_five_seconds_ends_the_trouble(
    stood: float, next_pause: float
) -> None:
    """A half-dead server accepts, shakes hands, and drops."""
    backoff = longest()
    backoff.connection_failed(0.0)
    assert backoff.link_ended(Ending("eof", None, 100.0), 100.0 + stood) == next_pause


def test_who_does_not_understand_us_is_dialled_seldom() -> None:
    """From a second to a minute; after refused authentication, a minute at once."""
    backoff = longest()
    fault = Ending("incompatible-peer", IncompatiblePeer("no"), None)
    pauses = [backoff.link_ended(fault, 0.0) for _ in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    refused = Ending("authentication", AuthenticationFailed("no", "400"), None)
    assert longest().link_ended(refused, 0.0) == 60.0


def test_a_fault_is_never_followed_by_less_than_a_second() -> None:
    """Whatever is drawn."""
    backoff = Backoff(OPTIONS, lambda: 0.0)
    assert backoff.link_ended(Ending("x", IncompatiblePeer("no"), None), 0.0) == 1.0


def test_a_first_pause_above_the_longest_counts_as_the_longest() -> None:
    """The two options don't have to be given together."""
    backoff = longest(Options(reconnect_interval=9.0))
    assert [backoff.connection_failed(0.0) for _ in range(3)] == [9.0, 9.0, 9.0]


def dials(draw: Callable[[], float], until: float) -> list[float]:
    """Return when one client dials a server that is not there, on a clock of its own."""
    backoff, now, times = Backoff(DEFAULTS, draw), 0.0, []
    while now < until:
        times.append(now)
        now += backoff.connection_failed(now)
    return [*times, now]


@pytest.mark.parametrize("bound_after", [0.5, 1.0, 2.0, 4.0])
def test_a_late_server_is_found_at_once(bound_after: float) -> None:
    """Within a fifth of a second on average, and never much later."""
    draw = random.Random(5).random
    waits = [dials(draw, bound_after)[-1] - bound_after for _ in range(2000)]
    assert sum(waits) / len(waits) < 0.2
    assert max(waits) <= 0.1


def test_a_thousand_clients_of_a_dead_host_come_spread_and_ever_more_seldom() -> None:
    """However they began together: no fiftieth of a second sees many more than its share."""
    draw = random.Random(7).random
    times = [time for _ in range(1000) for time in dials(draw, 60.0)]
    per_slot = Counter(int(time * 50) for time in times)
    per_second = Counter(int(time) for time in times)
    assert all(per_slot[slot] < 450 for slot in range(5, 500))
    assert all(per_slot[slot] < 60 for slot in range(1500, 3000))
    assert per_second[5] > 10_000  # ten seconds of trouble may be a start
    assert all(per_second[second] < 700 for second in range(40, 60))
