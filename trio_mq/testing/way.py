"""One direction of one connection: what TCP makes of a road.

What is lost is sent again, at intervals that double, until somebody's patience ends; what arrives
is acknowledged; and the sender never has more on the way than the receiver has room for. Bytes are
numbered from zero on, and the end of the stream counts as one, as in TCP.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

import trio

from trio_mq.testing.machine import Machine
from trio_mq.testing.road import Road

#: Bytes that travel together.
_SEGMENT: Final = 16 * 1024
#: Seconds until what was lost is sent again: at first, and at most (tcp(7)).
_FIRST_RETRY: Final = 0.2
_LONGEST_RETRY: Final = 120.0


class WayEnd(Protocol):
    """One end of a connection, as its two ways know it."""

    machine: Machine
    #: The kernel knows nothing of the connection: it answers what arrives with a reset.
    forgotten: bool

    @property
    def patience(self) -> float:
        """Seconds without an acknowledgement after which it gives up."""

    @property
    def closed(self) -> bool:
        """The program has closed it; its kernel may still have something to send."""

    @property
    def unread(self) -> int:
        """Bytes that have arrived and were not read."""

    def take(self, data: bytes) -> None:
        """Bytes have arrived."""

    def take_end(self) -> None:
        """Nothing follows."""

    def room_made(self) -> None:
        """Some of what was written has arrived."""

    def send_reset(self) -> None:
        """Give the connection up, and tell the other end once."""

    def time_out(self) -> None:
        """Nobody has answered for too long."""


class Way:
    """One direction of one connection.

    Args:
        sender: The end that writes.
        receiver: The end that reads.
        road: What the bytes travel on.
        back: What acknowledgements travel on.
        send_buffer: Bytes that the sender's kernel keeps.
        receive_buffer: Bytes that the receiver's kernel keeps.
    """

    def __init__(
        self,
        sender: WayEnd,
        receiver: WayEnd,
        *,
        road: Road,
        back: Road,
        send_buffer: int,
        receive_buffer: int,
    ) -> None:
        self._sender = sender
        self._receiver = receiver
        self._road = road
        self._back = back
        self._send_buffer = send_buffer
        self._receive_buffer = receive_buffer
        self._timetable = sender.machine.world.timetable
        self._chance = sender.machine.world.chance
        #: What has not arrived yet, and how far it has come.
        self._data = bytearray()
        self._accepted = self._sent = self._delivered = self._acked = 0
        self._shut = False
        #: Changes with each loss: what was on the way before it is lost too.
        self._generation = 0
        self._last_arrival = 0.0
        #: A retry is in the timetable, and this many seconds lie between it and the last one.
        self._retrying = False
        self._retry_after = _FIRST_RETRY
        #: Since when nothing has been acknowledged, while something should have been.
        self._lost_since: float | None = None
        #: When something was acknowledged last.
        self.heard: float = trio.current_time()
        self.dead: bool = False

    # -- for the sender --

    @property
    def room(self) -> int:
        """Bytes that can be written now."""
        return max(0, self._send_buffer - self.unacknowledged)

    @property
    def roomy(self) -> bool:
        """There is enough room to wake who waits for some: a third, as with Linux."""
        return self.room * 3 >= self._send_buffer

    @property
    def unacknowledged(self) -> int:
        """Bytes that were written and have not been acknowledged."""
        return self._accepted - self._acked

    @property
    def lossy(self) -> bool:
        """Something was lost, and nothing has been acknowledged since."""
        return self._lost_since is not None

    @property
    def settled(self) -> bool:
        """Nothing more will happen on it."""
        return self.dead or (self._shut and self._acked == self._accepted)

    def write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Take what there is room for, and return how much that was."""
        room = self.room
        left = room
        for buffer in buffers:
            if left <= 0:
                break
            taken = buffer[:left]
            self._data += taken
            left -= len(taken)
        self._accepted += room - left
        self._send()
        return room - left

    def shut(self) -> None:
        """Nothing follows."""
        if not self._shut and not self.dead:
            self._shut = True
            self._accepted += 1
            self._send()

    def die(self) -> None:
        """Forget everything: one end knows nothing of the connection any more."""
        self.dead = True
        self._generation += 1
        self._data.clear()

    # -- on its way --

    def _send(self) -> None:
        last = self._accepted - self._shut
        while self._sent < last and not self.dead:
            window = self._receive_buffer - self._receiver.unread - (self._sent - self._delivered)
            size = min(_SEGMENT, last - self._sent, window)
            if size <= 0:
                return
            self._sent += size
            self._travel(size, partial(self._arrive, self._generation, size))
        if self._shut and self._sent == last and not self.dead:
            self._sent += 1
            self._travel(0, partial(self._end_arrives, self._generation))

    def _travel(self, size: int, arrive: partial[None]) -> None:
        when = self._road.arrival(trio.current_time(), size, self._chance)
        self._last_arrival = max(when, self._last_arrival)
        self._timetable.at(self._last_arrival, arrive)

    def _gets_there(self, generation: int, *, end: bool = False) -> bool:
        if generation != self._generation:
            return False
        if self._road.blocked or self._receiver.machine.down:
            self._lose()
            return False
        if self._receiver.forgotten or (self._receiver.closed and not end):
            self._receiver.send_reset()
            return False
        return True

    def _arrive(self, generation: int, size: int) -> None:
        if not self._gets_there(generation):
            return
        data = bytes(self._data[:size])
        del self._data[:size]
        self._delivered += size
        self._receiver.take(data)
        self._acknowledge()

    def _end_arrives(self, generation: int) -> None:
        if self._gets_there(generation, end=True):
            self._delivered += 1
            self._receiver.take_end()
            self._acknowledge()

    def _acknowledge(self) -> None:
        when = self._back.arrival(trio.current_time(), 0, self._chance)
        self._timetable.at(when, partial(self._acknowledged, self._delivered))

    def _acknowledged(self, delivered: int) -> None:
        if self.dead:
            return
        if self._back.blocked or self._sender.machine.down:
            self._lose_answer()
            return
        self.heard = trio.current_time()
        self._acked = max(self._acked, delivered)
        self._lost_since, self._retry_after = None, _FIRST_RETRY
        self._sender.room_made()
        self._send()

    def window_opened(self) -> None:
        """The receiver has read: the sender may go on, once it hears of it."""
        if self._sent < self._accepted:
            when = self._back.arrival(trio.current_time(), 0, self._chance)
            self._timetable.at(when, partial(self._acknowledged, self._delivered))

    # -- what is lost --

    def _lose(self) -> None:
        """What is on the way does not arrive."""
        self._generation += 1
        self._sent = self._delivered
        self._lose_answer()

    def _lose_answer(self) -> None:
        """Nobody tells the sender what has arrived."""
        if self._lost_since is None:
            self._lost_since = trio.current_time()
        self._retry_later(self._retry_after)

    def _retry_later(self, seconds: float) -> None:
        if not self._retrying:
            self._retrying = True
            self._timetable.after(seconds, self._retry)

    def _retry(self) -> None:
        self._retrying = False
        if self.dead or self._lost_since is None or self._acked == self._accepted:
            return
        given_up = self._lost_since + self._sender.patience
        now = trio.current_time()
        if now >= given_up:
            self._sender.time_out()
            return
        self._retry_after = min(2 * self._retry_after, _LONGEST_RETRY)
        if self._road.blocked or self._sender.machine.down or self._receiver.machine.down:
            self._retry_later(min(self._retry_after, given_up - now))
        elif self._receiver.forgotten:
            self._receiver.send_reset()
        else:
            self._acknowledge()
            self._send()
