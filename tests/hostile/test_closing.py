"""F23: closing, whatever the socket and its tasks are at."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from tests.hostile.arena import NOTHING, PATIENCE, census
from tests.hostile.wire import GREETING, hello
from tests.transports.over_tcp import black_hole
from trio_mq import Dealer, EndpointState, Pull, Push, Rep, Req, Socket


class Nowhere(trio.abc.HostnameResolver):
    """A name service that never answers."""

    async def getaddrinfo(self, *_: object, **__: object) -> list[object]:  # type: ignore[override]
        """Wait."""
        await trio.sleep_forever()

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        """Not asked for."""
        raise NotImplementedError


@contextlib.asynccontextmanager
async def silence(said: bytes) -> AsyncIterator[str]:
    """Accept one connection, say something, and no more; yield the endpoint."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def accept() -> None:
        stream = await listener.accept()
        async with stream:
            await stream.send_all(said)
            await trio.sleep_forever()

    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        yield f"tcp://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _close(ours: Socket) -> None:
    """Close it, and see that nothing is left of it."""
    with trio.fail_after(PATIENCE):
        await ours.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert (ours.peers, ours.endpoints) == ((), ())


async def test_while_a_name_is_resolved() -> None:
    """The answer is not waited for."""
    trio.socket.set_custom_hostname_resolver(Nowhere())
    async with Push(linger=0) as ours:
        await ours.connect("tcp://example.invalid:1")
        await trio.testing.wait_all_tasks_blocked()
        await _close(ours)


async def test_while_nobody_answers_the_connection() -> None:
    """The attempt is given up."""
    with black_hole() as endpoint:
        async with Push(linger=0) as ours:
            await ours.connect(endpoint)
            await trio.testing.wait_all_tasks_blocked()
            assert [place.state for place in ours.endpoints] == [EndpointState.CONNECTING]
            await _close(ours)


@pytest.mark.parametrize("said", [b"", GREETING[:10], GREETING, hello(b"PULL")[:-1]], ids=len)
async def test_in_a_handshake(said: bytes) -> None:
    """The other end may take as long as it likes over it."""
    before = census()
    async with silence(said) as endpoint, Push(linger=0) as ours:
        await ours.connect(endpoint)
        await ours.send(b"waits")
        await trio.testing.wait_all_tasks_blocked()
        await _close(ours)
    assert census().left_since(before) == NOTHING


async def test_in_a_pause_before_the_next_attempt() -> None:
    """The pause ends with the socket."""
    async with Push(linger=0, reconnect_interval=3600.0, reconnect_interval_max=3600.0) as ours:
        with ours.events() as events:
            await ours.connect("tcp://127.0.0.1:1")
            await events.receive()
        assert ours.endpoints[0].state is EndpointState.RETRYING
        await _close(ours)


CALLS: dict[str, tuple[Callable[[], Socket], str]] = {
    "send": (lambda: Push(linger=0), "send"),
    "receive": (lambda: Pull(linger=0), "receive"),
    "request": (lambda: Req(linger=0), "request"),
    "next request": (lambda: Rep(linger=0), "receive"),
    "wait_for_peers": (lambda: Dealer(linger=0), "wait_for_peers"),
}


@pytest.mark.parametrize("case", CALLS)
async def test_while_a_call_waits(case: str) -> None:
    """It ends with the socket, and says so."""
    make, method = CALLS[case]
    ended = False

    async def call(ours: Socket) -> None:
        nonlocal ended
        function: Callable[..., Awaitable[object]] = getattr(ours, method)
        with pytest.raises(trio.ClosedResourceError):
            await function(*([b"message"] if method in {"send", "request"} else []))
        ended = True

    async with make() as ours, trio.open_nursery() as nursery:
        nursery.start_soon(call, ours)
        await trio.testing.wait_all_tasks_blocked()
        await _close(ours)
    assert ended
