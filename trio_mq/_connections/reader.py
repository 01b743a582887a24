"""The reading half of a link: as much as there is room for, and no more.

The reader decodes only as many messages as the pipe has room for, and then stops reading, so that
TCP itself holds the peer back. It reads again when half of the room is free. While it is stopped
it sees no PINGs either; see `heartbeat` for what follows from that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from trio_mq._connections.heartbeat import Heartbeat
from trio_mq._pipe import Pipe
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Connection, Event, Messages

#: What one read asks the kernel for. It costs nothing to ask for more than there is, and every read
#: costs a turn of the scheduler: 64 KiB messages pass half as fast again as with 256 KiB.
READ_BYTES: Final = 512 * 1024
#: The same inside a frame that is larger than that.
_MOST_BYTES: Final = 768 * 1024
#: Seconds without room after which a peer that was never heard to PING gets signs of life.
_LONG_PAUSE: Final = 0.2
#: At most this many messages are decoded between two schedule points.
_MAX_DECODED: Final = 1000


class Reader:
    """Reads one stream until it ends.

    Args:
        stream: The bytes.
        connection: Decodes them.
        pipe: Has room, or not.
        deliver: Takes messages and their payload.
        handle: Takes everything else that is decoded.
        patience: Seconds that the rest of a frame may keep us waiting; ``None`` is for ever.
        on_long_pause: Told when there has been no room for a while, and returns the heartbeat.
    """

    __slots__ = (
        "_connection",
        "_deliver",
        "_discarding",
        "_handle",
        "_on_long_pause",
        "_patience",
        "_pipe",
        "_room",
        "_stream",
        "heartbeat",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        pipe: Pipe,
        *,
        deliver: Callable[[Messages], None],
        handle: Callable[[Event], None],
        on_long_pause: Callable[[], Heartbeat],
        patience: float | None,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._pipe = pipe
        self._deliver = deliver
        self._handle = handle
        self._on_long_pause = on_long_pause
        #: Seconds without a byte inside an unfinished frame.
        self._patience = patience
        #: What arrives is of no interest any more, only the end is.
        self._discarding = False
        #: Set when half of the room is free, while the reader has stopped for the lack of it.
        self._room: trio.Event | None = None
        self.heartbeat: Heartbeat | None = None

    async def run(self) -> Exception | None:
        """Read until the stream ends, and return why if it was not a plain end."""
        try:
            await self._work_off()
            while await self._receive():
                await self._work_off()
        except Exception as error:  # noqa: BLE001  # whatever a peer causes ends its link alone
            return error
        return None

    def discard(self) -> None:
        """Read on, only to find the end."""
        self._discarding = True
        if self._room is not None:
            self._room.set()

    async def _receive(self) -> bool:
        """Wait for bytes and feed them to the protocol; False at the end of the stream."""
        connection = self._connection
        wanted = min(max(connection.missing, READ_BYTES), _MOST_BYTES)
        if self._patience is None or not connection.mid_frame:
            data = await self._stream.receive_some(wanted)
        else:
            with trio.fail_after(self._patience):
                data = await self._stream.receive_some(wanted)
        if data and not self._discarding:
            connection.receive_data(data)
        if self.heartbeat is not None:
            self.heartbeat.heard()
        return bool(data)

    async def _work_off(self) -> None:
        """Handle everything that has arrived, waiting for room where there is none."""
        while not self._discarding:
            if self._decode():
                await trio.lowlevel.checkpoint()
            elif self._room is not None:
                await self._wait_for_room(self._room)
            else:
                return

    def _decode(self) -> bool:
        """Handle what has arrived as far as there is room; True if it only stopped for a break."""
        pipe, connection = self._pipe, self._connection
        left = _MAX_DECODED
        while left > 0:
            room, room_bytes = pipe.inbound.room()
            if room <= 0 or room_bytes <= 0:
                self._room = trio.Event()
                pipe.inbound.pause(self._room.set)
                return False
            event = connection.next_event(min(room, left), room_bytes)
            if event is None:
                return False
            if event.__class__ is Messages:
                left -= len(event.messages)
                self._deliver(event)
                if connection.exhausted:
                    return False
            else:
                left -= 1
                self._handle(event)
        return True

    async def _wait_for_room(self, room: trio.Event) -> None:
        if self.heartbeat is None:
            # A peer may have sent PINGs that we have not read, and wait for a sign of life.
            with trio.move_on_after(_LONG_PAUSE):
                await room.wait()
            if not room.is_set():
                self._on_long_pause()
        if self.heartbeat is not None:
            self.heartbeat.pause()
        await room.wait()
        self._room = None
        if self.heartbeat is not None:
            self.heartbeat.resume()
