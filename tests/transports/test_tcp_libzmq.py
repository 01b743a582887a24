"""libzmq reaches what we resolve, and we reach what it resolves: the first byte of a greeting."""

from __future__ import annotations

import pytest
import zmq

from tests.transports.over_tcp import accept_from_any, dial, listening, needs_ipv6
from trio_mq._transports.stream import ByteStream

pytestmark = pytest.mark.interop

WILDCARDS = [
    pytest.param("tcp://*:*", False),
    pytest.param("tcp://*:*", True, marks=needs_ipv6),
    pytest.param("tcp://127.0.0.1:*", False),
    pytest.param("tcp://127.0.0.1:*", True, marks=needs_ipv6),
    pytest.param("tcp://[::1]:*", True, marks=needs_ipv6),
    pytest.param("tcp://localhost:*", False),
    pytest.param("tcp://lo:*", False),
]


async def expect_greeting(stream: ByteStream) -> None:
    """Read what every ZMTP peer says first, and close."""
    assert await stream.receive_some(1) == b"\xff"
    await stream.aclose()


@pytest.mark.parametrize(("endpoint", "ipv6"), WILDCARDS)
async def test_libzmq_connects_to_the_endpoint_that_we_resolved(
    *, endpoint: str, ipv6: bool
) -> None:
    """Whatever was bound, and whether or not its socket knows IPv6."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
        theirs.ipv6 = ipv6
        async with listening(endpoint) as place:
            theirs.connect(place.endpoint)
            await expect_greeting(await accept_from_any(place))


@pytest.mark.parametrize(("endpoint", "ipv6"), WILDCARDS)
async def test_we_connect_to_the_endpoint_that_libzmq_resolved(
    *, endpoint: str, ipv6: bool
) -> None:
    """Its dual-stack wildcard is ``[::]``, and can be dialled too."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
        theirs.ipv6 = ipv6
        theirs.bind(endpoint)
        await expect_greeting(await dial(theirs.getsockopt_string(zmq.LAST_ENDPOINT)))


@pytest.mark.parametrize("source", ["127.0.0.1:0", "localhost:0", "lo:0"])
async def test_a_source_as_libzmq_writes_it_reaches_libzmq(source: str) -> None:
    """The notation is the same, so configurations can be shared."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as theirs:
        port = theirs.bind_to_random_port("tcp://127.0.0.1")
        await expect_greeting(await dial(f"tcp://{source};localhost:{port}"))
