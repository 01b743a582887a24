"""Listeners of a program's own that fail: what is a visitor's trouble, and what the listener's."""

from __future__ import annotations

import contextlib
import errno
import os
import ssl

import pytest
import trio
import trio.testing

from trio_mq import Accepted, AcceptFailed, EndpointState, Event, EventStream, Pull, Push

VISITORS = [
    OSError(errno.EPERM, os.strerror(errno.EPERM)),
    OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN)),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    trio.BrokenResourceError("the handshake of a visitor failed"),
]


class Door(trio.abc.Listener[trio.abc.Stream]):
    """Fails as often as it is told to, and then lets in whoever comes."""

    def __init__(self, error: Exception, times: int) -> None:
        self._error = error
        self.left = times
        self._visitors_send, self._visitors = trio.open_memory_channel[trio.abc.Stream](9)

    async def accept(self) -> trio.abc.Stream:
        """Fail, or wait for a visitor."""
        await trio.lowlevel.checkpoint()
        if self.left:
            self.left -= 1
            raise self._error
        return await self._visitors.receive()

    async def visit(self) -> trio.abc.Stream:
        """Make a connection."""
        ours, theirs = trio.testing.memory_stream_pair()
        await self._visitors_send.send(theirs)
        return ours

    async def aclose(self) -> None:
        """Nobody comes any more."""
        await trio.lowlevel.checkpoint()


def told(events: EventStream) -> list[Event]:
    """Return the events so far."""
    found: list[Event] = []
    with contextlib.suppress(trio.WouldBlock):
        while True:
            found.append(events.receive_nowait())
    return found


@pytest.mark.parametrize("error", VISITORS, ids=repr)
async def test_a_few_errors_of_visitors_are_passed_over(error: Exception) -> None:
    """In silence: others can bring them about at will."""
    door = Door(error, times=50)
    async with Pull() as pull, Push(linger=0) as push:
        with pull.events() as events:
            await pull.bind("door", listener=door)
            await push.connect("door", open_stream=door.visit, wait=True)
            await push.send(b"hello")
            assert await pull.receive() == b"hello"
            assert not [event for event in told(events) if isinstance(event, AcceptFailed)]


@pytest.mark.parametrize("error", VISITORS, ids=repr)
async def test_many_in_a_row_are_told_and_not_tried_in_circles(
    error: Exception, autojump_clock: trio.testing.MockClock
) -> None:
    """Once, as a trouble that may pass; until somebody comes."""
    door = Door(error, times=10**9)
    async with Pull() as pull, Push(linger=0) as push:
        with pull.events() as events:
            await pull.bind("door", listener=door)
            await trio.sleep(1)
            assert 10**9 - door.left <= 1200  # a hundred, and a tenth of a second, and so on
            (failure,) = [event for event in told(events) if isinstance(event, AcceptFailed)]
            assert (failure.error, failure.broken) == (error, False)
            (status,) = pull.endpoints
            assert (status.state, status.last_error) == (EndpointState.LISTENING, error)
            door.left = 0
            await push.connect("door", open_stream=door.visit, wait=True)
            assert [type(event) for event in told(events)].count(Accepted) == 1
            assert pull.endpoints[0].last_error is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EBADF, os.strerror(errno.EBADF)),
        ValueError("a bug of its own"),
        trio.ClosedResourceError("somebody else has closed it"),
        ExceptionGroup("several", [OSError(errno.EPERM, "one")]),
    ],
    ids=repr,
)
async def test_any_other_error_is_the_end_of_the_listener(error: Exception) -> None:
    """It is told once, and the socket lives."""
    door = Door(error, times=10**9)
    async with Pull() as pull, Push(linger=0) as push:
        with pull.events() as events:
            await pull.bind("door", listener=door)
            while not isinstance(failure := await events.receive(), AcceptFailed):
                pass
            assert (failure.error, failure.broken, 10**9 - door.left) == (error, True, 1)
            assert pull.endpoints[0].state is EndpointState.FAILED
        await pull.bind("inproc://another")
        await push.connect("inproc://another", wait=True)
        await push.send(b"still alive")
        assert await pull.receive() == b"still alive"
