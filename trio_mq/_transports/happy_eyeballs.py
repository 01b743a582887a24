"""Which of several addresses to connect to: the one that answers first (RFC 8305).

Trying them in turn takes minutes when the first is a black hole, as IPv6 is on many networks;
trying all at once loads the servers with connections that nobody wants. So each address has a head
start of a quarter of a second before the next one is tried as well; a failure starts the next one
at once; the families alternate at the front; and the first connection ends the race.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import trio

from .resolve import Address

#: Seconds that one address has before the next is tried as well (RFC 8305, section 8).
HEAD_START: Final = 0.25


async def race(
    targets: Sequence[Address], attempt: Callable[[Address], Awaitable[socket.socket]]
) -> socket.socket:
    """Return the first socket that an attempt returns, and close those that come too late.

    Raises:
        OSError: Every attempt failed; the first failure's number, with all reasons in the text.
    """
    if len(targets) == 1:
        return await attempt(targets[0])
    connected: list[socket.socket] = []
    failures: list[OSError] = []
    try:
        await _run(alternate(targets), attempt, connected, failures)
    except BaseException:
        _close(connected)
        raise
    if not connected:
        raise _all_failed(failures)
    _close(connected[1:])
    return connected[0]


async def _run(
    targets: Iterable[Address],
    attempt: Callable[[Address], Awaitable[socket.socket]],
    connected: list[socket.socket],
    failures: list[OSError],
) -> None:
    @trio.lowlevel.enable_ki_protection
    async def run(target: Address, failed: trio.Event) -> None:
        try:
            connected.append(await attempt(target))
            nursery.cancel_scope.cancel()
        except OSError as error:
            failures.append(error)
            failed.set()

    async with trio.open_nursery() as nursery:
        for target in targets:
            failed = trio.Event()
            nursery.start_soon(run, target, failed)
            with trio.move_on_after(HEAD_START):
                await failed.wait()


def alternate(targets: Sequence[Address]) -> list[Address]:
    """Put the first address of another family second: a dead family then costs one head start."""
    for index, target in enumerate(targets):
        if target.family != targets[0].family:
            return [targets[0], target, *targets[1:index], *targets[index + 1 :]]
    return list(targets)


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _all_failed(failures: Sequence[OSError]) -> OSError:
    error = OSError(
        failures[0].errno, "; ".join(failure.strerror or str(failure) for failure in failures)
    )
    error.__cause__ = ExceptionGroup("every address failed", failures)
    return error
