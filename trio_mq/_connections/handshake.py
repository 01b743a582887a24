"""The handshake of one stream: what each end says goes back and forth until the peer is known.

What the peer has said by the time that we begin is read before we say anything. Of a client that
says all at once, as one may under NULL, that is everything: then the handshake takes no wait, and
our whole side of it is one write.
"""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from trio_mq._connections.gate import Gate
from trio_mq._transports.stream import ByteStream, PollableStream
from trio_mq.zmtp import Connection, CredentialsReceived, PeerProperties, PeerReady

#: Seconds after which we tell our version to a peer that has not told its own.
_VERSION_SECONDS: Final = 0.1
#: A handshake is small.
_FEW_BYTES: Final = 8 * 1024


async def shake_hands(stream: ByteStream, connection: Connection, gate: Gate) -> PeerProperties:
    """Return who the peer is, once it has said so and our authenticator has nothing against it.

    Raises:
        HandshakeError: It may not come in, or does not want us; there may be a reason to send.
        RemoteProtocolError: It broke the protocol.
        ConnectionError: It left.
        trio.BrokenResourceError: The stream failed.
    """
    await stream.begin(gate)
    if isinstance(stream, PollableStream):
        arrived = stream.read_now(_FEW_BYTES)
        if arrived is not None:
            await _take(arrived, connection, gate)
    while not isinstance(event := connection.next_event(), PeerReady):
        if isinstance(event, CredentialsReceived):
            await gate.judge(event.credentials, event.properties, event.mechanism)
            continue
        await flush(stream, connection)
        await _take(await _receive(stream, connection), connection, gate)
    if gate.has_a_question:
        await flush(stream, connection)  # for the answer may take a while
        await gate.judge((), event.properties, event.properties.mechanism)
    return connection.peer or event.properties


async def _take(data: bytes, connection: Connection, gate: Gate) -> None:
    if not data:
        raise connection.handshake_ended()
    await gate.wait_in_line(len(data))
    connection.receive_data(data)


async def flush(stream: ByteStream, connection: Connection) -> None:
    """Write what the handshake has to say now."""
    data = connection.data_to_send()
    if data:
        await stream.write_all(data)


async def greet(stream: ByteStream, connection: Connection) -> None:
    """Let a peer that is refused know with whom it spoke, if it has not been told yet."""
    with contextlib.suppress(trio.BrokenResourceError):
        await flush(stream, connection)


async def _receive(stream: ByteStream, connection: Connection) -> bytes:
    if connection.withholds_version:
        with trio.move_on_after(_VERSION_SECONDS):
            return await stream.receive_some(_FEW_BYTES)
        connection.say_version()
        await flush(stream, connection)
    return await stream.receive_some(_FEW_BYTES)
