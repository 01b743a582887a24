"""Pauses before redialling: random under a bound, which grows and falls back."""

from __future__ import annotations

import pytest

from trio_mq import AuthenticationFailed, IncompatiblePeer, Options
from trio_mq._connections.backoff import Backoff
from trio_mq._contract import Ending

OPTIONS = Options(reconnect_interval=0.5, reconnect_interval_max=3.0)


def longest(options: Options = OPTIONS) -> Backoff:
    """Return a back-off that always draws the bound itself."""
    return Backoff(options, lambda: 1.0)


def test_the_bound_doubles_up_to_the_longest() -> None:
    """And stays there for ever."""
    backoff = longest()
    assert [backoff.connection_failed() for _ in range(6)] == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]
    assert all(backoff.connection_failed() == 3.0 for _ in range(2000))


def test_the_pause_is_a_random_part_of_the_bound() -> None:
    """So a thousand clients of a restarted server don't come all at once."""
    draws = iter([0.0, 0.25, 0.5])
    backoff = Backoff(OPTIONS, lambda: next(draws))
    assert [backoff.connection_failed() for _ in range(3)] == [0.0, 0.25, 1.0]


@pytest.mark.parametrize(("stood", "next_pause"), [(4.9, 1.0), (5.0, 0.5)])
def test_only_a_connection_that_stood_for_five_seconds_resets_it(
    stood: float, next_pause: float
) -> None:
    """A half-dead server accepts, shakes hands, and drops."""
    backoff = longest()
    backoff.connection_failed()
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
    assert [backoff.connection_failed() for _ in range(3)] == [9.0, 9.0, 9.0]
