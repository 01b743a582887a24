"""The race for a connection: who starts when, who wins, and that nothing is left of the others."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from trio_mq._transports.happy_eyeballs import HEAD_START, alternate, race
from trio_mq._transports.resolve import Address


def v4(number: int) -> Address:
    """Return a made-up IPv4 address."""
    return Address(socket.AF_INET, (f"192.0.2.{number}", 80))


def v6(number: int) -> Address:
    """Return a made-up IPv6 address."""
    return Address(socket.AF_INET6, (f"2001:db8::{number}", 80, 0, 0))


def answering(
    after: dict[Address, float | OSError], started: dict[Address, float]
) -> Callable[[Address], Awaitable[socket.socket]]:
    """Return an attempt that takes so long for each address, or fails; it notes when it began."""

    async def attempt(target: Address) -> socket.socket:
        started[target] = trio.current_time()
        outcome = after[target]
        if isinstance(outcome, OSError):
            await trio.lowlevel.checkpoint()
            raise outcome
        await trio.sleep(outcome)
        return socket.socket(target.family)

    return attempt


def refused() -> OSError:
    """Return what nobody listening looks like."""
    return OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


async def test_a_dead_first_address_costs_one_head_start(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The second starts beside it, wins, and the first is given up at once."""
    started: dict[Address, float] = {}
    before = trio.current_time()
    with await race([v6(1), v4(1)], answering({v6(1): 1000, v4(1): 0.1}, started)) as winner:
        assert winner.family == socket.AF_INET
    assert trio.current_time() - before == pytest.approx(HEAD_START + 0.1)
    assert autojump_clock.autojump_threshold == 0


async def test_a_failed_address_costs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """A failure starts the next at once."""
    started: dict[Address, float] = {}
    attempt = answering({v6(1): refused(), v4(1): 0}, started)
    (await race([v6(1), v4(1)], attempt)).close()
    assert started[v4(1)] == started[v6(1)]
    assert autojump_clock.autojump_threshold == 0


async def test_a_slow_first_address_may_still_win(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A head start is no deadline."""
    attempt = answering({v6(1): HEAD_START + 0.1, v4(1): 10}, {})
    with await race([v6(1), v4(1)], attempt) as winner:
        assert winner.family == socket.AF_INET6
    assert autojump_clock.autojump_threshold == 0


async def test_the_only_address_fails_with_its_own_error() -> None:
    """Nothing is wrapped where there was no race."""
    error = refused()
    with pytest.raises(ConnectionRefusedError) as caught:
        await race([v4(1)], answering({v4(1): error}, {}))
    assert caught.value is error


async def test_when_all_fail_the_error_tells_every_reason() -> None:
    """The first one's class, everybody's text, and the errors themselves as the cause."""
    unreachable = OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
    attempt = answering({v6(1): refused(), v4(1): unreachable}, {})
    with pytest.raises(ConnectionRefusedError, match=r"refused; .*unreachable") as caught:
        await race([v6(1), v4(1)], attempt)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert len(caught.value.__cause__.exceptions) == 2


async def test_of_two_winners_at_once_one_is_closed() -> None:
    """Attempts that end in the same moment, as the cancellation comes too late for one."""
    made: list[socket.socket] = []
    both = trio.Event()

    async def attempt(target: Address) -> socket.socket:
        await both.wait() if target == v6(1) else both.set()
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
        made.append(socket.socket(target.family))
        return made[-1]

    # The second starts when the head start of the first is over, in real time.
    with await race([v6(1), v4(1)], attempt) as winner:
        assert [sock.fileno() >= 0 for sock in made] == [sock is winner for sock in made]
    assert len(made) == 2


async def test_a_crash_leaves_no_connection(autojump_clock: trio.testing.MockClock) -> None:
    """Where the race itself comes to grief, even the connection that it had won is closed."""
    made: list[socket.socket] = []

    async def attempt(target: Address) -> socket.socket:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        if target == v4(1):
            raise RuntimeError("a bug")
        made.append(socket.socket(target.family))
        return made[-1]

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a bug")):
        await race([v6(1), v4(1)], attempt)
    assert [sock.fileno() for sock in made] == [-1]
    assert autojump_clock.autojump_threshold == 0


async def test_cancelled_it_gives_up_every_attempt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """All that had started are cancelled, and no more start."""
    started: dict[Address, float] = {}
    with trio.move_on_after(HEAD_START * 1.5) as scope:
        await race([v6(1), v4(1), v4(2)], answering(dict.fromkeys([v6(1), v4(1)], 9.0), started))
    assert scope.cancelled_caught
    assert list(started) == [v6(1), v4(1)]
    assert autojump_clock.autojump_threshold == 0


def test_families_alternate_at_the_front_only() -> None:
    """The resolver's order is kept but for the first address of the other family."""
    assert alternate([v6(1), v6(2), v4(1), v4(2)]) == [v6(1), v4(1), v6(2), v4(2)]
    assert alternate([v4(1), v6(1)]) == [v4(1), v6(1)]
    assert alternate([v4(1), v4(2)]) == [v4(1), v4(2)]
