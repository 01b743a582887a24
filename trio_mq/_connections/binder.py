"""One bound endpoint: it accepts connections, and each of them is a link in its nursery.

An error of one visitor affects nobody else. When the system has no more descriptors or memory, the
listener says so once and tries again after a pause, because the connections still wait in the
kernel. Any other error of a listener is permanent, so the listener is given up. The endpoint has
failed then: an event, its status and the log say so. The connections that it has accepted go on.

The number of visitors in the middle of their handshake is limited. When it is reached, the oldest
idler makes room for the newest visitor, so that idlers can't keep real peers out. The more visitors
come, the less time each has before it counts as idle. A visitor that waits for us is not idle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import trio

from trio_mq._connections.doorkeeper import Doorkeeper
from trio_mq._connections.link import Link
from trio_mq._connections.our_terms import OurTerms
from trio_mq._contract import SocketSide
from trio_mq._endpoint_status import EndpointState, EndpointStatus
from trio_mq._events import Accepted, AcceptFailed
from trio_mq._options import Options
from trio_mq._transports.listener import Acceptor, Acceptors, StreamListener, may_pass
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Role

#: Seconds before the next try when the system can't give us another connection.
_EXHAUSTED_PAUSE: Final = 0.1
#: Seconds that a visitor has before it may be sent away for another: in peace, and in a flood. Each
#: one that is sent away takes us a step from the first to the second.
_GRACE: Final = 1.0
_LEAST_GRACE: Final = 0.1
_STEP: Final = 0.9
#: Connections that are told to end between two turns of the scheduler.
_AT_ONCE: Final = 100


class Binder:
    """A bound endpoint.

    Args:
        owner: The socket.
        acceptors: The resolved endpoint, and what listens there: several for a wildcard or a name
            with several addresses.
        options: Those of the endpoint.
        terms: On which it speaks.
    """

    def __init__(
        self,
        owner: SocketSide,
        *,
        acceptors: Acceptors[Acceptor],
        options: Options,
        terms: OurTerms,
    ) -> None:
        self.endpoint: str = acceptors.endpoint
        self.options = options
        #: Links of this endpoint, oldest first.
        self.links: dict[Link, None] = {}
        #: Those that have not finished their handshake, with the time of their arrival.
        self._half_open: dict[Link, float] = {}
        #: Limits what strangers may cost.
        self.keeper: Doorkeeper = Doorkeeper(self.endpoint, options.limits)
        self._grace = _GRACE
        #: One of them has finished its handshake, or ended.
        self._closed_one = trio.Event()
        #: It has ended for good, and so has every link of it.
        self.done: trio.Event = trio.Event()
        self._owner = owner
        self._acceptors = acceptors
        self._terms = terms
        self._accepting = trio.CancelScope()
        #: Where its links run.
        self._nursery: trio.Nursery | None = None
        self._stopped = False
        self._finishing = False
        self._exhausted = False
        #: How many of the acceptors are broken, and what the last of them said.
        self._broken = 0
        self._last_error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Binder {self.endpoint} with {len(self.links)} connections>"

    def status(self) -> EndpointStatus:
        """Return how it is doing."""
        return EndpointStatus(
            endpoint=self.endpoint,
            bound=True,
            state=self._state(),
            last_error=self._last_error,
            queued=self._owner.queued(self.endpoint),
            peers=self._owner.present(self.endpoint),
        )

    def _state(self) -> EndpointState:
        if self._finishing:
            return EndpointState.CLOSING
        if self._broken == len(self._acceptors.listeners):
            return EndpointState.FAILED
        return EndpointState.LISTENING

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Accept connections until `stop`, or until `finish` and the end of the last link."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                with self._accepting:
                    await self._accept_all(nursery)
        finally:
            self._nursery = None
            self.close()
            with trio.CancelScope(shield=True):
                for acceptor in self._acceptors.listeners:
                    if isinstance(acceptor, StreamListener):
                        await acceptor.aclose()
            self.done.set()

    async def _accept_all(self, nursery: trio.Nursery) -> None:
        async with trio.open_nursery() as acceptors:
            for acceptor in self._acceptors.listeners:
                acceptors.start_soon(
                    self._accept, acceptor, nursery, name=f"trio_mq listener {self.endpoint}"
                )

    def close(self) -> None:
        """Stop listening; what was accepted goes on."""
        self._accepting.cancel()
        self._acceptors.close()

    def stop(self) -> None:
        """Stop listening and drop every connection, each in its own scope: see `scope`."""
        self._stopped = True
        self.close()
        self._tell_all(_cut)

    def finish(self) -> None:
        """Stop listening, and let every connection write what waits and end."""
        self._finishing = True
        self.close()
        self._tell_all(Link.finish)

    def _tell_all(self, tell: Callable[[Link], None]) -> None:
        """Tell each connection to end, a number of them between two turns of the scheduler.

        Thousands that end in one turn would keep every other task waiting, and would all be garbage
        at the same time.
        """
        links = tuple(self.links)
        for link in links[:_AT_ONCE]:
            tell(link)
        if self._nursery is not None and len(links) > _AT_ONCE:
            self._nursery.start_soon(self._tell_rest, links[_AT_ONCE:], tell)

    @trio.lowlevel.enable_ki_protection
    async def _tell_rest(self, links: Sequence[Link], tell: Callable[[Link], None]) -> None:
        for number, link in enumerate(links):
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
            tell(link)

    def established(self, link: Link) -> None:
        """A handshake succeeded."""
        self._half_open.pop(link, None)
        self._closed_one.set()
        self.keeper.established(link.address)
        if self._finishing:
            link.finish()

    def redial(self) -> None:
        """Nothing to do: it is the peer who dials."""

    @trio.lowlevel.enable_ki_protection
    async def _accept(self, acceptor: Acceptor, nursery: trio.Nursery) -> None:
        while True:
            await self.keeper.next_visitor()
            try:
                await self._owner.budget.wait_until_open()
                stream = await acceptor.accept()
            except Exception as error:  # noqa: BLE001  # a listener may be the user's
                if self._accepting.cancel_called:
                    return
                if not may_pass(error):
                    self._give_up(error)
                    return
                await self._rest(error)
                continue
            self._welcome(stream, nursery)
            del stream  # which must not stay here until the next one comes
            if len(self._half_open) < self.options.limits.max_half_open:
                self._grace = min(_GRACE, self._grace / _STEP)
            while len(self._half_open) >= self.options.limits.max_half_open:
                await self._make_room()

    def _welcome(self, stream: ByteStream, nursery: trio.Nursery) -> None:
        """Begin a connection."""
        self._go_on()
        self._owner.hub.emit(Accepted(endpoint=self.endpoint, address=stream.peer_address))
        link = self._link(stream)
        nursery.start_soon(self._serve, link, name=f"trio_mq peer {link.address}")

    def _give_up(self, error: Exception) -> None:
        """A listener is broken: nobody can be accepted there any more."""
        self._broken += 1
        self._last_error = error.with_traceback(None)
        self._owner.hub.emit(AcceptFailed(endpoint=self.endpoint, error=error, broken=True))

    def _go_on(self) -> None:
        """Somebody could be accepted."""
        if self._exhausted:
            self._exhausted = False
            if not self._broken:
                self._last_error = None

    async def _rest(self, error: Exception) -> None:
        if not self._exhausted:
            self._exhausted = True
            self._last_error = error.with_traceback(None)
            self._owner.hub.emit(AcceptFailed(endpoint=self.endpoint, error=error, broken=False))
        await trio.sleep(_EXHAUSTED_PAUSE)

    def _link(self, stream: ByteStream) -> Link:
        """Make a visitor's link, which counts from now on: its task begins a moment later."""
        connection = self._terms.connection(Role.ACCEPTING)
        link = Link(stream, connection, self._owner, origin=self)
        if self._stopped:
            # It was accepted while everything was being stopped.
            link.hang_up("closed")
        self.links[link] = None
        self._half_open[link] = trio.current_time()
        if (why := self.keeper.turns_away(link.address)) is not None:
            link.hang_up(why)
        self.keeper.came(link.address)
        return link

    @trio.lowlevel.enable_ki_protection
    async def _serve(self, link: Link) -> None:
        try:
            await link.run()
        finally:
            self.keeper.left(link.address, was_peer=link.peer is not None)
            del self.links[link]
            self._half_open.pop(link, None)
            self._closed_one.set()

    async def _make_room(self) -> None:
        """Send the oldest idler away, once it has had its time."""
        now = trio.current_time()
        idlers = ((link, since) for link, since in self._half_open.items() if not link.in_line)
        oldest, since = next(idlers, (None, now))
        self._closed_one = trio.Event()
        with trio.move_on_at(since + self._grace):
            await self._closed_one.wait()
            return
        if oldest is not None and not oldest.in_line and oldest in self._half_open:
            del self._half_open[oldest]
            self._grace = max(_LEAST_GRACE, self._grace * _STEP)
            oldest.hang_up("too-many-half-open")


def _cut(link: Link) -> None:
    """End it at once, with one more attempt to write."""
    link.write_once()
    link.hang_up("closed")
