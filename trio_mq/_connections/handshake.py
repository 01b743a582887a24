"""The handshake of one stream: what each end says goes back and forth until the peer is known."""

from __future__ import annotations

from typing import Final

import trio

from trio_mq._connections.gate import Gate
from trio_mq._transports.stream import ByteStream
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
    while not isinstance(event := connection.next_event(), PeerReady):
        if isinstance(event, CredentialsReceived):
            await gate.judge(event.credentials, event.properties, event.mechanism)
            continue
        await flush(stream, connection)
        data = await _receive(stream, connection)
        if not data:
            raise connection.handshake_ended()
        await gate.wait_in_line(len(data))
        connection.receive_data(data)
    await flush(stream, connection)
    await gate.judge_unasked(event.properties)
    return connection.peer or event.properties


async def flush(stream: ByteStream, connection: Connection) -> None:
    """Write what the handshake has to say now."""
    data = connection.data_to_send()
    if data:
        await stream.write_all(data)


async def _receive(stream: ByteStream, connection: Connection) -> bytes:
    if connection.withholds_version:
        with trio.move_on_after(_VERSION_SECONDS):
            return await stream.receive_some(_FEW_BYTES)
        connection.say_version()
        await flush(stream, connection)
    return await stream.receive_some(_FEW_BYTES)
