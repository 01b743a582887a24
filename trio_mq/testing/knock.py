"""Who listens, and how a connection is made: the three packets of TCP's handshake.

A greeting that is lost is sent again after 1, 2, 4 … seconds, as Linux does, until whoever dials
has no patience left. Where nobody listens, the answer is a refusal.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import trio

from trio_mq._options import Options
from trio_mq.testing.machine import Machine
from trio_mq.testing.road import Road
from trio_mq.testing.wire import End, Wire, os_error

#: Seconds until a greeting is sent again; after the last of them, the kernel gives up (tcp(7)).
_PAUSES: Final = (1, 2, 4, 8, 16, 32, 64)


class Ear:
    """What listens at one place of a host: an `Acceptor` in memory.

    Args:
        place: An address and a port, or a path.
        options: Those of the endpoint.
        on_close: Called once, with this object, when it stops listening.
    """

    def __init__(self, place: Place, options: Options, on_close: Callable[[Ear], None]) -> None:
        self.place = place
        self.options = options
        self._on_close = on_close
        self._queue: deque[End] = deque()
        self._came = trio.Event()
        self._closed = False

    @property
    def full(self) -> bool:
        """No more connections fit into its queue."""
        return len(self._queue) >= self.options.backlog

    async def accept(self) -> End:
        """Wait for a connection. Cancelled, it took none."""
        while True:
            await trio.lowlevel.checkpoint()
            if self._closed:
                raise trio.ClosedResourceError("this listener was closed")
            if self._queue:
                return self._queue.popleft()
            self._came = trio.Event()
            await self._came.wait()

    def let_in(self, end: End) -> None:
        """A connection is there to be accepted."""
        self._queue.append(end)
        self._came.set()

    def forget(self) -> None:
        """The host has crashed: what waits to be accepted is gone."""
        self._queue.clear()

    def close(self) -> None:
        """Stop listening at once."""
        if self._closed:
            return
        self._closed = True
        self._on_close(self)
        while self._queue:
            waiting = self._queue.popleft()
            waiting.send_reset()
            waiting.close()
        self._came.set()


@attrs.frozen
class Place:
    """Where on a host somebody listens, or a connection ends."""

    #: An address, or a path.
    address: str
    #: ``None`` for a path.
    port: int | None = None

    def __str__(self) -> str:
        """Show it as in an endpoint."""
        if self.port is None:
            return self.address
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


@attrs.define(eq=False)
class Knock:
    """One attempt to connect, until it is answered or given up."""

    caller: Machine
    called: Machine
    #: Where the caller is and where it wants to go, as each kernel shows them.
    here: Place
    there: Place
    options: Options
    #: Finds what listens there.
    find: Callable[[], Ear | None]
    #: Every connection that there is.
    wires: dict[Wire, None]
    #: How the kernel of the called shows the caller, if not by its place.
    shown_as: str | None = None
    answered: trio.Event = attrs.field(factory=trio.Event)
    _end: End | None = None
    _error: OSError | None = None
    _given_up: bool = False

    async def connect(self) -> End:
        """Knock until there is an answer.

        Raises:
            ConnectionRefusedError: Nobody listens there.
            TimeoutError: Nobody has answered.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            for pause in _PAUSES:
                self._send(self._road, self._arrive)
                with trio.move_on_after(pause):
                    await self.answered.wait()
                    break
        finally:
            self._given_up = True
            if not self.answered.is_set():
                self._note("gives up")
        if self._error is not None:
            raise self._error
        if self._end is None:
            raise os_error(errno.ETIMEDOUT)
        return self._end

    def fail(self, number: int) -> None:
        """There will be no connection."""
        if not self.answered.is_set():
            self._error = os_error(number)
            self.answered.set()

    # -- its three packets --

    @property
    def _road(self) -> Road:
        return self.caller.road_to(self.called)

    @property
    def _back(self) -> Road:
        return self.called.road_to(self.caller)

    def _note(self, what: str) -> None:
        self.caller.note(f"{self.caller.name} {what}: {self.called.name} at {self.there}")

    def _send(self, road: Road, arrive: Callable[[], None]) -> None:
        when = road.arrival(trio.current_time(), 0, self.caller.world.chance)
        self.caller.world.timetable.at(when, arrive)

    def _arrive(self) -> None:
        if self._road.cut or self.called.down or self.answered.is_set():
            return
        ear = self.find()
        if ear is None:
            self._send(self._back, self._be_refused)
        elif not ear.full:
            self._send(self._back, partial(self._be_answered, ear))

    def _be_refused(self) -> None:
        if not (self._back.cut or self.caller.down or self.answered.is_set() or self._given_up):
            self._note("is refused by")
            self.fail(errno.ECONNREFUSED)

    def _be_answered(self, ear: Ear) -> None:
        if self._back.cut or self.caller.down or self.answered.is_set() or self._given_up:
            return
        local = self.there.port is None
        end = End(
            self.caller,
            self.options,
            local_address="" if local else str(self.here),
            peer_address=str(self.there),
            label=f"{self.caller.name}({self.here})",
            local=local,
        )
        their_end = End(
            self.called,
            ear.options,
            local_address=str(self.there),
            peer_address=self.shown_as or str(self.here),
            label=f"{self.called.name}({self.there}, from {self.here})",
            local=local,
        )
        Wire.between(end, their_end, (self._road, self._back), self.wires)
        self._note("connects to")
        self._end = end
        self.answered.set()
        self._send(self._road, partial(self._complete, their_end, 0))

    def _complete(self, end: End, lost: int) -> None:
        """The called hears that the caller has heard it: there is a connection to accept."""
        if not end.alive or self.called.down:
            return
        if self._road.cut:
            if lost < len(_PAUSES):
                again = partial(self._complete, end, lost + 1)
                self.caller.world.timetable.after(_PAUSES[lost], again)
            return
        ear = self.find()
        if ear is None:
            end.send_reset()
            end.close()
        else:
            ear.let_in(end)
