"""The two kinds of ``inproc`` endpoint: a bound name, and a connected one.

A connector meets whoever binds its name, at once, and again each time that the name is bound. One
that was sent away by a binder that is still there comes back after a pause, as over a wire, and in
a task of its own. Otherwise two sockets that don't suit each other would meet and part for ever, on
one stack.
"""

from __future__ import annotations

import trio

from trio_mq._connections.backoff import Backoff, is_fault
from trio_mq._connections.inproc_link import InprocLink, join
from trio_mq._contract import Ending, SocketSide
from trio_mq._endpoint_status import EndpointState, EndpointStatus
from trio_mq._errors import HandshakeError
from trio_mq._events import Retrying
from trio_mq._log import BOUND_ELSEWHERE
from trio_mq._options import Options
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._scope import Scope
from trio_mq._transports.inproc import NameHolder, Namespace


class InprocBinder:
    """A bound ``inproc`` endpoint."""

    def __init__(
        self,
        owner: SocketSide,
        *,
        endpoint: str,
        name: str,
        options: Options,
        names: Namespace,
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.owner = owner
        self.done = trio.Event()
        self.links: dict[InprocLink, None] = {}
        self._name = name
        self._names = names
        self._closed = False
        names.bind(name, self)

    def __repr__(self) -> str:
        return f"<InprocBinder {self.endpoint} with {len(self.links)} connections>"

    def status(self) -> EndpointStatus:
        """Return how it is doing."""
        return EndpointStatus(
            endpoint=self.endpoint,
            bound=True,
            state=EndpointState.LISTENING,
            queued=self.owner.queued(self.endpoint),
            peers=self.owner.present(self.endpoint),
        )

    def close(self) -> None:
        """Free the name."""
        if not self._closed:
            self._closed = True
            self._names.unbind(self._name)
            for link in self.links:
                link.let_go()

    def stop(self) -> None:
        """Free the name and end every connection."""
        self.close()
        for link in tuple(self.links):
            link.end("closed", None)
        self.done.set()

    def finish(self) -> None:
        """Free the name and let every connection end in order."""
        self.close()
        for link in tuple(self.links):
            link.finish()
        if not self.links:
            self.done.set()

    def lost(self, link: InprocLink) -> None:
        """A connection has ended."""
        self.links.pop(link, None)
        if self._closed and not self.links:
            self.done.set()


class InprocDialer:
    """A connected ``inproc`` endpoint: it waits for its name to be bound, again and again.

    Args:
        scope: Runs the task that waits for a while.
    """

    def __init__(
        self,
        owner: SocketSide,
        *,
        endpoint: str,
        name: str,
        options: Options,
        pipe: Pipe,
        names: Namespace,
        scope: Scope,
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.pipe = pipe
        self.state = EndpointState.CONNECTING
        self.last_error: BaseException | None = None
        self.link: InprocLink | None = None
        self.tried = trio.Event()
        self.made = False
        self.failure: BaseException | None = None
        self.done = trio.Event()
        self._owner = owner
        self._name = name
        self._names = names
        self._scope = scope
        self._backoff = Backoff(options, _longest, nearby=True)
        #: What ends the pause before it looks again at a binder that is still there.
        self._pause = trio.CancelScope()
        self._next_retry: float | None = None
        self._finishing = False
        self._stopped = False

    def __repr__(self) -> str:
        return f"<InprocDialer {self.endpoint} {self.state.value}>"

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

    def look(self) -> None:
        """Meet whoever is bound to the name, or wait for somebody.

        Raises:
            RuntimeError: The name is bound in another trio run.
        """
        if not self._stopped:
            self._names.connect(self._name, self)

    def _look_again(self) -> None:
        try:
            self.look()
        except RuntimeError as error:
            self._names.wait(self._name, self)
            self.bound_elsewhere(error)

    def bound_elsewhere(self, error: RuntimeError) -> None:
        """Another trio run has bound the name, which can't be met: ours may bind it some day."""
        if not self._stopped and self.link is None:
            BOUND_ELSEWHERE.tell(self.endpoint, error)
            self._fail(error)
            self.tried.set()

    def try_again(self) -> None:
        """Unless connected, look again, even at a binder that did not suit us before."""
        if self.link is None and not self._stopped:
            if self.tried.is_set():
                self.tried = trio.Event()
                self.made, self.failure = False, None
            self._names.forget(self._name, self)
            self._pause.cancel()
            self.look()

    def go_on(self) -> None:
        """Wait for the name until `stop`, which it does anyway."""

    def found(self, binder: NameHolder) -> None:
        """The name is bound: join, if the two sides want each other."""
        if self._stopped or self.link is not None:
            return
        self._pause.cancel()
        assert isinstance(binder, InprocBinder)  # noqa: S101  # nothing else is ever bound
        ours = InprocLink(self._owner, origin=self, own_pipe=self.pipe)
        theirs = InprocLink(binder.owner, origin=binder, own_pipe=None)
        self.link = ours
        binder.links[theirs] = None
        try:
            join(ours, theirs)
        except HandshakeError as error:
            error.args = (f"cannot connect to {self.endpoint}: {error}", *error.args[1:])
            self.link = None
            self._fail(error)
            theirs.refuse(theirs.misfit(ours) or error)
            ours.refuse(error)
            self._owner.pipes.unreachable(self.pipe)
            # This binder does not suit us, but another one may bind the name some day.
            self._names.wait(self._name, self)
        else:
            if self.link is not None:
                self.state, self.last_error = EndpointState.CONNECTED, None
                self.made, self.failure = True, None
            if self._finishing and self.link is not None:
                self.finish()
        self.tried.set()

    def _fail(self, error: Exception) -> None:
        self.state = EndpointState.FAILED
        self.last_error = self.failure = error.with_traceback(None)

    def lost(self, link: InprocLink) -> None:
        """The connection has ended: wait for the name to be bound again, or for the binder."""
        if link is not self.link:
            return
        self.link = None
        self.state = EndpointState.RETRYING
        if self._stopped:
            self.done.set()
        elif link.ending is None or link.at_once:
            self._look_again()
        else:
            self._rest(link.ending)

    def _rest(self, end: Ending) -> None:
        """Its binder is still there, and one of us has left the other: try again after a pause."""
        self.last_error = end.error or ConnectionError(
            f"connection to {self.endpoint} ended: {end.reason}"
        )
        now = trio.current_time()
        delay = self._backoff.link_ended(end, now)
        if is_fault(end):
            self.state = EndpointState.FAILED
            self._owner.pipes.unreachable(self.pipe)
        self._next_retry = now + delay
        self._pause = trio.CancelScope(deadline=self._next_retry)
        self._owner.hub.emit(Retrying(endpoint=self.endpoint, delay=delay, error=self.last_error))
        # Somebody else may bind the name during the pause.
        self._names.wait(self._name, self)
        self._scope.spawn(self._look_after_pause, f"trio_mq connecting to {self.endpoint}")

    @trio.lowlevel.enable_ki_protection
    async def _look_after_pause(self) -> None:
        pause = self._pause
        with pause:
            await trio.sleep_forever()
        if pause is self._pause:
            self._next_retry = None
            if self.link is None and not self._stopped:
                self._names.forget(self._name, self)
                self._look_again()

    def stop(self) -> None:
        """Drop the connection, if any, and stop waiting for the name."""
        self._stopped = True
        self._pause.cancel()
        self._names.forget(self._name, self)
        if self.link is not None:
            self.link.end("closed", None)
        self.tried.set()
        self.done.set()

    def finish(self) -> None:
        """Let what waits move over, then stop."""
        self._finishing = True
        if self.link is not None:
            self._stopped = True
            self.link.finish()
        elif not self.pipe.outbound.queue:
            self.stop()


def _longest() -> float:
    """Take the place of a random number: within a process, there is no crowd to spread out."""
    return 1.0
