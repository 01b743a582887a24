"""Who does not go together learns why, where libzmq merely hangs up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
import zmq

import trio_mq
from tests.interop.libzmq import Libzmq
from tests.interop.pairs import PAIRS, Pair
from tests.interop.relay import relaying

LEGAL: Final = {(pair.ours, pair.theirs) for pair in PAIRS}
TYPES: Final = sorted({pair.ours for pair in PAIRS})
ILLEGAL: Final = [
    Pair(ours, theirs) for ours in TYPES for theirs in TYPES if (ours, theirs) not in LEGAL
]
#: ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH.
MECHANISM_MISMATCH: Final = 0x1100_0002

PLAIN_SERVER: Final[dict[str, bytes | int]] = {"PLAIN_SERVER": 1}
PLAIN_CLIENT: Final[dict[str, bytes | int]] = {
    "PLAIN_USERNAME": b"admin",
    "PLAIN_PASSWORD": b"secret",
}
PUBLIC, SECRET = zmq.curve_keypair()
CURVE_SERVER: Final[dict[str, bytes | int]] = {
    "CURVE_SERVER": 1,
    "CURVE_PUBLICKEY": PUBLIC,
    "CURVE_SECRETKEY": SECRET,
}
CURVE_CLIENT: Final[dict[str, bytes | int]] = {
    "CURVE_SERVERKEY": PUBLIC,
    "CURVE_PUBLICKEY": PUBLIC,
    "CURVE_SECRETKEY": SECRET,
}


async def first_failure(events: trio_mq.EventStream) -> trio_mq.HandshakeFailed:
    """Return the first handshake that failed."""
    async for event in events:
        if isinstance(event, trio_mq.HandshakeFailed):
            return event
    raise AssertionError("the socket was closed")


@pytest.mark.parametrize("pair", ILLEGAL, ids=str)
async def test_connecting_to_a_wrong_type_names_both_types(libzmq: Libzmq, pair: Pair) -> None:
    """``connect(wait=True)`` raises the true reason, and keeps no endpoint."""
    theirs = await libzmq.open(pair.theirs)
    endpoint = await theirs.bind("tcp://127.0.0.1:*")
    async with trio_mq.open_socket(pair.ours) as ours:
        with pytest.raises(trio_mq.IncompatiblePeer) as raised:
            await ours.connect(endpoint, wait=True)
        assert pair.ours in str(raised.value)
        assert pair.theirs in str(raised.value)
        assert not ours.endpoints


@pytest.mark.parametrize("pair", ILLEGAL, ids=str)
async def test_a_wrong_type_that_connects_is_refused_with_an_event(
    libzmq: Libzmq, pair: Pair
) -> None:
    """The event names both types, and the socket goes on listening."""
    theirs = await libzmq.open(pair.theirs)
    async with trio_mq.open_socket(pair.ours) as ours:
        with ours.events() as events:
            await theirs.connect(await ours.bind("tcp://127.0.0.1:*"))
            failure = await first_failure(events)
        assert isinstance(failure.error, trio_mq.IncompatiblePeer)
        assert pair.ours in str(failure.error)
        assert pair.theirs in str(failure.error)
        assert not ours.peers


# libzmq begins a greeting, looks at ours and hangs up. It may look first, and then nothing tells
# the refusal from a port that nobody serves: so here a relay lets it begin.


@asynccontextmanager
async def libzmq_speaks_first(target: str, *, libzmq_is_target: bool) -> AsyncIterator[str]:
    """Hold back what we say until libzmq has said something, and return where to connect to."""
    async with relaying(target) as relay, trio.open_nursery() as nursery:
        relay.silence(target=not libzmq_is_target)

        async def let_us_speak() -> None:
            await relay.heard(b"\xff", from_target=libzmq_is_target)
            relay.let_speak(target=not libzmq_is_target)

        nursery.start_soon(let_us_speak)
        yield relay.endpoint
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("options", [PLAIN_SERVER, CURVE_SERVER], ids=["plain", "curve"])
async def test_connecting_to_a_secured_libzmq_reports_the_mechanism(
    libzmq: Libzmq, options: dict[str, bytes | int]
) -> None:
    """Nothing else makes a libzmq hang up at this point."""
    theirs = await libzmq.open("REP", **options)
    target = await theirs.bind("tcp://127.0.0.1:*")
    async with trio_mq.Req() as ours, libzmq_speaks_first(target, libzmq_is_target=True) as there:
        with pytest.raises(trio_mq.MechanismMismatch):
            await ours.connect(there, wait=True)
        assert not ours.endpoints


@pytest.mark.parametrize("options", [PLAIN_CLIENT, CURVE_CLIENT], ids=["plain", "curve"])
async def test_a_libzmq_that_wants_security_is_refused_with_an_event(
    libzmq: Libzmq, options: dict[str, bytes | int]
) -> None:
    """And libzmq's own monitor sees that it was the mechanism."""
    theirs = await libzmq.open("REQ", **options)
    async with trio_mq.Rep() as ours:
        target = await ours.bind("tcp://127.0.0.1:*")
        async with libzmq_speaks_first(target, libzmq_is_target=False) as there:
            with ours.events() as events:
                await theirs.connect(there)
                failure = await first_failure(events)
        assert isinstance(failure.error, trio_mq.MechanismMismatch)
        seen = await theirs.events("HANDSHAKE_FAILED_PROTOCOL")
        assert seen[-1] == ("HANDSHAKE_FAILED_PROTOCOL", MECHANISM_MISMATCH)


async def test_a_refused_endpoint_fails_visibly_and_holds_no_messages(libzmq: Libzmq) -> None:
    """The Push keeps its message for a peer that can take it."""
    wrong = await libzmq.open("SUB")
    right = await libzmq.open("PULL")
    async with trio_mq.Push() as push:
        with push.events() as events:
            await push.connect(await wrong.bind("tcp://127.0.0.1:*"))
            await push.send(b"work")
            await first_failure(events)
        assert push.endpoints[0].state is trio_mq.EndpointState.FAILED
        await push.connect(await right.bind("tcp://127.0.0.1:*"))
        assert await right.receive() == (b"work",)
