"""One connection in memory: two ends, each a stream as a kernel gives them to programs."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from trio_mq._options import Options
from trio_mq._transports.kernel_view import Vital
from trio_mq._transports.stream import PollableStream
from trio_mq._transports.tcp import patience_of
from trio_mq.testing.machine import Machine
from trio_mq.testing.road import Road
from trio_mq.testing.way import Way

_CLOSED: Final = "this stream was closed"
#: Seconds for which a kernel sends again what nobody acknowledges (tcp(7), ``tcp_retries2``).
_KERNELS_PATIENCE: Final = 924.6
#: Seconds of what a slow reader takes at once.
_MOUTHFUL: Final = 0.05


class _Waiter:
    """The task that waits for one direction of a stream: one at a time, as with the kernel's."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._event: trio.Event | None = None

    async def wait(self) -> None:
        """Wait until somebody calls `wake`."""
        if self._event is not None:
            raise trio.BusyResourceError(
                f"another task is already waiting to {self._purpose} this stream"
            )
        event = self._event = trio.Event()
        try:
            await event.wait()
        finally:
            if self._event is event:
                self._event = None

    def wake(self) -> None:
        """Let it look again; another may wait from now on."""
        event, self._event = self._event, None
        if event is not None:
            event.set()


class End(PollableStream):
    """One end of a connection in memory, with what its host's kernel knows of it.

    Args:
        machine: Where it is.
        options: Those of its endpoint.
        local_address: As a kernel shows it.
        peer_address: As a kernel shows it.
        label: How the history names it.
        local: It is no TCP connection: the other end is a program of the same host.
    """

    def __init__(
        self,
        machine: Machine,
        options: Options,
        *,
        local_address: str,
        peer_address: str,
        label: str,
        local: bool = False,
    ) -> None:
        self.machine = machine
        self.local_address = local_address
        self.peer_address = peer_address
        self.label = label
        self.options = options
        self._local = local
        keepalive = None if local else patience_of(options)
        self._keepalive = math.inf if keepalive is None else keepalive
        #: Seconds without an acknowledgement after which it gives up.
        self.patience: float = min(self._keepalive, _KERNELS_PATIENCE)
        self._inbox = bytearray()
        self._ended = False
        self._shut = False
        self._error: OSError | None = None
        self._closed = False
        #: The kernel knows nothing of the connection: it answers what arrives with a reset.
        self.forgotten: bool = False
        self._not_before = 0.0
        self._readers = _Waiter("read")
        self._writers = _Waiter("write")
        # Set by the wire.
        self.wire: Wire
        self.out: Way
        self.into: Way

    def __repr__(self) -> str:
        state = "closed " if self._closed else ""
        return f"<{state}End {self.label}>"

    # -- for the program: reading --

    async def wait_readable(self) -> None:
        """See `PollableStream.wait_readable`."""
        self._check_open()
        if self._readable():
            await trio.lowlevel.checkpoint()
            return
        await self._readers.wait()
        self._check_open()

    def read_now(self, max_bytes: int) -> bytes | None:
        """See `PollableStream.read_now`."""
        self._check_open()
        if not self._readable():
            return None
        if not self._inbox:
            if self._error is not None:
                raise self._failure(self._error)
            return b""
        data = bytes(self._inbox[: self._mouthful(max_bytes)])
        del self._inbox[: len(data)]
        self.into.window_opened()
        return data

    def _mouthful(self, most: int) -> int:
        """Return how much may be read now; whoever reads slowly waits after it."""
        rate = self.machine.reading_rate
        if rate is None:
            return most
        size = min(most, len(self._inbox), max(1, int(rate * _MOUTHFUL)))
        self._not_before = trio.current_time() + size / rate
        self.machine.world.timetable.at(self._not_before, self.wake_reader)
        return size

    def _readable(self) -> bool:
        if not (self._inbox or self._ended or self._error is not None):
            return False
        rate = self.machine.reading_rate
        return rate is None or (rate > 0 and trio.current_time() >= self._not_before)

    def interrupt(self) -> None:
        """See `PollableStream.interrupt`."""
        self._readers.wake()
        self._writers.wake()

    def wake_reader(self) -> None:
        """Let the task that waits to read do so, if it can now."""
        if self._readable():
            self._readers.wake()

    # -- for the program: writing --

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """See `PollableStream.try_write`."""
        self._check_open()
        if self._error is not None:
            raise self._failure(self._error)
        if self._shut:
            raise self._failure(os_error(errno.EPIPE))
        return self.out.write(buffers)

    async def wait_writable(self) -> None:
        """See `ByteStream.wait_writable`."""
        self._check_open()
        if self._error is not None or self._shut or self.out.roomy:
            await trio.lowlevel.checkpoint()
            return
        await self._writers.wait()
        self._check_open()

    async def shutdown_write(self) -> bool:
        """See `ByteStream.shutdown_write`."""
        if not (self._closed or self._shut or self._error is not None):
            self._shut = True
            self.out.shut()
        return True

    # -- for the program: what there is to see, and the end --

    def vital(self, seconds: float) -> Vital:
        """See `ByteStream.vital`."""
        if self._closed:
            return Vital.UNKNOWN
        if self._local or trio.current_time() - self.out.heard < seconds:
            return Vital.SPOKE
        return Vital.SILENT if self.out.lossy else Vital.OWES_NOTHING

    def ended(self) -> bool:
        """See `ByteStream.ended`."""
        return not self._closed and (self._ended or self._error is not None)

    def unacknowledged(self) -> int | None:
        """See `ByteStream.unacknowledged`."""
        return None if self._closed else self.out.unacknowledged

    async def farewell(self) -> None:
        """See `ByteStream.farewell`: what was written goes on its way."""
        self._inbox.clear()
        await self.aclose()

    async def aclose(self) -> None:
        """See `ByteStream.aclose`: with unread input, the peer gets a reset."""
        self.close()

    def close(self) -> None:
        """Close at once."""
        if self._closed:
            return
        self._closed = True
        unread, alive = bool(self._inbox), self._error is None
        self._inbox.clear()
        self.interrupt()
        if not alive:
            self.wire.look()
        elif unread:
            self.send_reset()
        else:
            self.machine.note(f"{self.label} closes")
            self.out.shut()
            self.wire.look()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError(_CLOSED)

    def _failure(self, error: OSError) -> trio.BrokenResourceError:
        failure = trio.BrokenResourceError(f"connection to {self.peer_address} failed: {error}")
        failure.__cause__ = error
        return failure

    # -- for the way into it --

    @property
    def closed(self) -> bool:
        """The program has closed it; its kernel may still have something to send."""
        return self._closed

    @property
    def unread(self) -> int:
        """Bytes that have arrived and were not read."""
        return len(self._inbox)

    def take(self, data: bytes) -> None:
        """Bytes have arrived."""
        self.machine.note(f"{self.label} gets {len(data)} bytes")
        self._inbox += data
        self.wake_reader()

    def take_end(self) -> None:
        """Nothing follows."""
        self.machine.note(f"{self.label} gets the end")
        self._ended = True
        self.wake_reader()

    def room_made(self) -> None:
        """Some of what was written has arrived."""
        if self.out.roomy:
            self._writers.wake()
        self.wire.look()

    # -- how it fails --

    def send_reset(self) -> None:
        """Give the connection up, and tell the other end once."""
        self.machine.note(f"{self.label} sends a reset")
        self.out.die()
        self.forgotten = True
        self.wire.send_reset(self)

    def time_out(self) -> None:
        """Nobody has answered for too long."""
        self.fail(errno.ETIMEDOUT)

    def fail(self, number: int) -> None:
        """The connection is over, for this end: what has arrived can still be read."""
        if self._error is not None:
            return
        self._error = os_error(number)
        if not self._closed:
            self.machine.note(f"{self.label} fails: {self._error.strerror}")
        self.forgotten = True
        self.out.die()
        self.interrupt()
        self.wire.look()

    @property
    def over(self) -> bool:
        """Neither the program nor the kernel has anything to do with it any more."""
        return self._closed and (self._error is not None or self.out.settled)

    @property
    def alive(self) -> bool:
        """It may still hear from the other end."""
        return self._error is None and not self.over

    def probe_later(self) -> None:
        """The road is blocked: keep-alive will find that out, unless the road opens before."""
        if self._keepalive < math.inf and self.alive:
            wire, count = self.wire, self.wire.openings

            def find_out() -> None:
                if wire.openings == count and wire.blocked and self.alive:
                    self.time_out()

            self.machine.world.timetable.after(self._keepalive, find_out)

    def probe_restarted(self) -> None:
        """The other host has restarted: keep-alive will ask it, and it will know of nothing."""
        if self.options.tcp_keepalive and not self._local and self.alive:
            other = self.wire.other(self)

            def ask() -> None:
                if self.alive and not (self.wire.blocked or other.machine.down):
                    other.send_reset()

            self.machine.world.timetable.after(self.options.tcp_keepalive_idle, ask)


@attrs.define(eq=False)
class Wire:
    """Two ends, and the roads between them."""

    ends: tuple[End, End]
    roads: tuple[Road, Road]
    #: All wires that there are; this one leaves them when it is over at both ends.
    others: dict[Wire, None] = attrs.field(repr=False)
    #: How often the roads were opened again.
    openings: int = 0

    @classmethod
    def between(
        cls, dialling: End, listening: End, roads: tuple[Road, Road], wires: dict[Wire, None]
    ) -> Wire:
        """Connect two ends, over the roads there and back, and keep the wire with the others."""
        there, back = roads
        wire = cls((dialling, listening), roads, wires)
        for one, other, road, reverse in (
            (dialling, listening, there, back),
            (listening, dialling, back, there),
        ):
            one.wire = wire
            one.out = other.into = Way(
                one,
                other,
                road=road,
                back=reverse,
                send_buffer=one.options.send_buffer or road.buffer,
                receive_buffer=other.options.receive_buffer or road.buffer,
            )
        wires[wire] = None
        return wire

    @property
    def blocked(self) -> bool:
        """What one of the ends says does not reach the other."""
        return any(road.blocked for road in self.roads) or any(e.machine.down for e in self.ends)

    def other(self, end: End) -> End:
        """Return the other end."""
        one, other = self.ends
        return other if end is one else one

    def send_reset(self, end: End) -> None:
        """Let the other end know, if that gets through, that there is no connection any more."""
        other, road = self.other(end), self.roads[self.ends.index(end)]
        world = end.machine.world
        when = road.arrival(trio.current_time(), 0, world.chance)

        def arrive() -> None:
            if not (road.blocked or other.machine.down or other.over):
                other.fail(errno.ECONNRESET)

        world.timetable.at(when, arrive)
        self.look()

    def reset(self) -> None:
        """Let both ends find the connection reset."""
        for end in self.ends:
            end.fail(errno.ECONNRESET)

    def look(self) -> None:
        """Forget the connection when it is over at both ends."""
        if all(end.over for end in self.ends):
            self.others.pop(self, None)


def os_error(number: int) -> OSError:
    """Return an error in the words of the system."""
    return OSError(number, os.strerror(number))
