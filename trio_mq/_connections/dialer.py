"""One connected endpoint: it dials, lends its pipe to the link, and dials again.

The pipe belongs to the endpoint from ``connect`` to ``disconnect``, so messages can be sent before
there is a connection and survive the loss of one. After a protocol error libzmq stops dialling for
good, in silence. We go on, with longer pauses, and the endpoint's status says why.
"""

from __future__ import annotations

from typing import Final

import trio

from trio_mq._chance import current_chance
from trio_mq._connections.backoff import Backoff, is_fault
from trio_mq._connections.doorkeeper import Doorkeeper
from trio_mq._connections.link import Link
from trio_mq._connections.our_terms import OurTerms
from trio_mq._contract import Ending, SocketSide
from trio_mq._endpoint_status import EndpointState, EndpointStatus
from trio_mq._events import Retrying
from trio_mq._options import Options
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._transports.schemes import OpenByteStream
from trio_mq.zmtp import Role

#: The longest pause, in seconds, while somebody waits for what is left to be written.
_PAUSE_IN_LEAVING: Final = 0.5


class Dialer:
    """A connected endpoint.

    Args:
        owner: The socket.
        endpoint: The endpoint as its user knows it.
        options: Those of the endpoint.
        pipe: Where its messages wait.
        open_stream: Makes one connection.
        terms: On which it speaks.
        once: Give up after the first attempt unless it succeeds.
        nearby: A dial does not leave this machine.
    """

    def __init__(
        self,
        owner: SocketSide,
        *,
        endpoint: str,
        options: Options,
        pipe: Pipe,
        open_stream: OpenByteStream,
        terms: OurTerms,
        once: bool = False,
        nearby: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.pipe = pipe
        self.state: EndpointState = EndpointState.CONNECTING
        self.last_error: BaseException | None = None
        self.link: Link | None = None
        #: The attempt that was asked for last, at first by ``connect``, has succeeded or failed.
        self.tried: trio.Event = trio.Event()
        #: It has succeeded, whatever has become of its connection.
        self.made: bool = False
        #: Why it has failed, if it has. If it has neither succeeded nor failed, it was given up.
        self.failure: BaseException | None = None
        #: Which attempt that is, and how many have begun.
        self._asked_for = 1
        self._attempts = 0
        #: It has ended for good, and its link has given the pipe back. Only now may the pipe be
        #: given up too.
        self.done: trio.Event = trio.Event()
        #: What the other end may cost.
        self.keeper: Doorkeeper = Doorkeeper(endpoint, options.limits)
        self._owner = owner
        self._open_stream = open_stream
        self._terms = terms
        self._once = once
        self._backoff = Backoff(options, current_chance().random, nearby=nearby)
        self._scope = trio.CancelScope()
        self._next_retry: float | None = None
        self._hurry = trio.Event()
        self._finishing = False
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Dialer {self.endpoint} {self.state.value}>"

    def status(self) -> EndpointStatus:
        """Return how it is doing."""
        return EndpointStatus(
            endpoint=self.endpoint,
            bound=False,
            state=EndpointState.CLOSING if self._finishing else self.state,
            last_error=self.last_error,
            next_retry=self._next_retry,
            queued=len(self.pipe.outbound.queue),
            peers=int(self.pipe.hold is Hold.LENT),
        )

    @property
    def links(self) -> tuple[Link, ...]:
        """The connection, if there is one."""
        return () if self.link is None else (self.link,)

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Dial, over and over, until `stop` or, with `finish`, until nothing waits any more."""
        try:
            with self._scope:
                while not self._over():
                    delay = await self._once_through()
                    if self._attempts >= self._asked_for and not self.tried.is_set():
                        self.failure = self.last_error
                        self.tried.set()
                    if not self._over():
                        await self._pause(delay)
        finally:
            self.tried.set()
            self.done.set()

    def _over(self) -> bool:
        if self._stopped:
            return True
        if self._once and self.last_error is not None and self.state is not EndpointState.CONNECTED:
            return True
        return self._finishing and not self.pipe.outbound.queue

    def stop(self) -> None:
        """Drop the connection, if any, and dial no more.

        The task is cancelled only if nothing else would end it. To cancel costs several times as
        much, which matters when thousands of endpoints end at once; see `leaving.stop_at_rest`.
        """
        self._stopped = True
        if self.link is not None:
            self.link.write_once()
            self.link.hang_up("closed")
        elif self._next_retry is not None:
            self._hurry.set()
        else:
            self._scope.cancel()

    def finish(self) -> None:
        """Write what waits, then stop; to end that sooner, call `stop`."""
        self._finishing = True
        if self.link is not None and self.link.peer is not None:
            self.link.finish()
        elif not self.pipe.outbound.queue:
            self.stop()
        else:
            self._hurry.set()

    def try_again(self) -> None:
        """Unless connected, let `tried` mean an attempt that begins now or later.

        How an earlier attempt ended says nothing about now: the service may have come up since.
        """
        if self.pipe.hold is Hold.LENT:
            return
        if self.tried.is_set():
            self.tried = trio.Event()
            self.made, self.failure = False, None
        self._asked_for = self._attempts + 1
        self._hurry.set()

    def go_on(self) -> None:
        """Dial until `stop`, also if the first attempt fails."""
        self._once = False

    def redial(self) -> None:
        """Dial again at once after the present connection."""
        self._hurry.set()

    def established(self, link: Link) -> None:
        """A handshake succeeded."""
        self.state = EndpointState.CONNECTED
        self.last_error = None
        self._once = False
        self._hurry = trio.Event()
        self.made, self.failure = True, None
        self.tried.set()
        if self._finishing:
            link.finish()

    async def _once_through(self) -> float:
        """Make one connection and see it to its end; return the pause after it, in seconds."""
        self.state = EndpointState.CONNECTING
        self._attempts += 1
        try:
            stream = await self._open_stream()
        except (OSError, trio.BrokenResourceError) as error:
            self.state, self.last_error = EndpointState.RETRYING, error.with_traceback(None)
            return self._backoff.connection_failed(trio.current_time())
        connection = self._terms.connection(Role.CONNECTING)
        self.link = Link(stream, connection, self._owner, origin=self, pipe=self.pipe)
        end = await self.link.run()
        self.link = None
        return self._after(end)

    def _after(self, end: Ending) -> float:
        self.state = EndpointState.FAILED if is_fault(end) else EndpointState.RETRYING
        self.last_error = end.error or ConnectionError(
            f"connection to {self.endpoint} ended: {end.reason}"
        )
        return self._backoff.link_ended(end, trio.current_time())

    async def _pause(self, delay: float) -> None:
        if self._hurry.is_set():
            delay = 0.0
        elif self._finishing and self.state is not EndpointState.FAILED:
            delay = min(delay, _PAUSE_IN_LEAVING)
        self._hurry = trio.Event()
        self._next_retry = trio.current_time() + delay
        if self.state is EndpointState.FAILED:
            self._owner.pipes.unreachable(self.pipe)
        self._owner.hub.emit(Retrying(endpoint=self.endpoint, delay=delay, error=self.last_error))
        with trio.move_on_after(delay):
            await self._hurry.wait()
        self._next_retry = None
