"""The endpoints of one socket: binding, connecting, and the ends of both."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import attrs
import trio

from trio_mq._connections.binder import Binder
from trio_mq._connections.connected import AnyConnected, Connected
from trio_mq._connections.dialer import Dialer
from trio_mq._connections.inproc_endpoints import InprocBinder, InprocDialer
from trio_mq._connections.our_terms import OurTerms
from trio_mq._connections.protection import Protection, warn_if_open_to_others
from trio_mq._connections.vigil import Vigil
from trio_mq._connections.waiting_calls import WaitingCalls
from trio_mq._context import Context, shared_by
from trio_mq._contract import SocketSide
from trio_mq._endpoint_status import EndpointStatus
from trio_mq._events import Listening, ListeningStopped
from trio_mq._options import Options, override
from trio_mq._pipes.pipe import Pipe
from trio_mq._scope import Scope
from trio_mq._transports.endpoint import Endpoint, InprocEndpoint
from trio_mq._transports.listener import Acceptors, AnyListener, StreamListener, listeners_of
from trio_mq._transports.schemes import (
    OpenStream,
    checked,
    opener,
    parse_bind,
    parse_connect,
    wrap,
)
from trio_mq._waiting import Closed

AnyBound: TypeAlias = Binder | InprocBinder


@attrs.frozen(eq=False, repr=False)
class _Bound:
    given: str
    bound: AnyBound


class EndpointRegistry:
    """What a socket is bound and connected to.

    Args:
        owner: The socket.
        options: Its options, which each endpoint may override.
        context: Holds the names of inproc.
        scope: Runs the tasks.
    """

    def __init__(self, owner: SocketSide, options: Options, context: Context, scope: Scope) -> None:
        self._owner = owner
        self._options = options
        self._context = context
        self._scope = scope
        self._protection = Protection(context, scope)
        self._bound: dict[str, _Bound] = {}
        self._connected: dict[str, Connected] = {}
        #: Endpoints that were taken away and still write what waits.
        self._ending: dict[AnyBound | AnyConnected, None] = {}
        self._calls = WaitingCalls()
        self._vigil = Vigil(scope)

    def statuses(self) -> tuple[EndpointStatus, ...]:
        """Return how each endpoint is doing, bound ones first."""
        return (
            *(entry.bound.status() for entry in self._bound.values()),
            *(entry.dial.status() for entry in self._connected.values()),
        )

    # -- bind --

    async def bind(
        self,
        given: str,
        overrides: Mapping[str, object],
        listener: AnyListener | Sequence[AnyListener] | None,
    ) -> str:
        """Listen; return the resolved endpoint. Errors are `OSError`, and change nothing."""
        options = override(self._options, given, overrides)
        bound: AnyBound
        parsed = None if listener is not None else parse_bind(given)
        options = self._protection.of(options, given, parsed, bound=True)
        with self._calls.until_closed():
            if parsed is not None:
                bound = await self._bind(parsed, options)
            else:
                assert listener is not None  # noqa: S101  # see above
                listeners = listeners_of(listener)
                await trio.lowlevel.checkpoint()
                self._check_label(given)
                bound = self._bind_listeners(given, options, listeners)
        try:
            self._check_label(bound.endpoint)  # once more: ``reuse_port`` lets one be bound twice
            if listener is None and self._context.network.reaches_others:
                warn_if_open_to_others(given, bound.endpoint, options)
        except BaseException:
            bound.stop()
            raise
        self._bound[bound.endpoint] = _Bound(given, bound)
        if isinstance(bound, Binder):
            self._vigil.run(bound, f"trio_mq bound to {bound.endpoint}")
        self._owner.hub.emit(Listening(endpoint=bound.endpoint))
        return bound.endpoint

    def _check_label(self, endpoint: str) -> None:
        """Raise if the socket was closed, or has bound that endpoint: a name stands for one."""
        self._calls.check()
        if endpoint in self._bound:
            raise OSError(
                errno.EADDRINUSE,
                f"{endpoint} is bound already by this socket: unbind it first, or give another",
            )

    async def _bind(self, endpoint: Endpoint, options: Options) -> AnyBound:
        if isinstance(endpoint, InprocEndpoint):
            await trio.lowlevel.checkpoint()
            return InprocBinder(
                self._owner,
                endpoint=str(endpoint),
                name=endpoint.name,
                options=options,
                names=shared_by(self._context).names,
            )
        return Binder(
            self._owner,
            acceptors=await self._context.network.listen(endpoint, options),
            options=options,
            terms=OurTerms(self._owner, options),
        )

    def _bind_listeners(
        self, label: str, options: Options, listeners: Iterable[AnyListener]
    ) -> Binder:
        streams = [StreamListener(listener, partial(wrap, label)) for listener in listeners]
        return Binder(
            self._owner,
            acceptors=Acceptors(label, tuple(streams)),
            options=options,
            terms=OurTerms(self._owner, options),
        )

    # -- connect --

    async def connect(
        self,
        given: str,
        overrides: Mapping[str, object],
        *,
        wait: bool,
        routing_id: bytes,
        open_stream: OpenStream | None,
    ) -> str:
        """Register an endpoint and dial; with ``wait``, return after its first handshake."""
        options = override(self._options, given, overrides)
        parsed = None if checked(open_stream) is not None else parse_connect(given)
        endpoint = given if parsed is None else str(parsed)
        options = self._protection.of(options, given, parsed, bound=False)
        known = self._living(endpoint)
        if known is not None:
            await self._again(known, overrides, wait=wait)
            return endpoint
        pipe = self._owner.pipes.new(endpoint, options, routing_id)
        dial = self._make_dial(parsed, endpoint, options, pipe, open_stream, once=wait)
        entry = self._connected[endpoint] = Connected(given, dial, overrides, kept=not wait)
        # Before its handshake, an endpoint may be chosen only if no call waits for that handshake.
        if not (wait or options.immediate):
            self._owner.pipes.attach(pipe)
        try:
            self._start(dial)
        except BaseException:
            await self._take_away(entry)
            raise
        if wait:
            await self._wait_for(entry)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return endpoint

    def _living(self, endpoint: str) -> Connected | None:
        """Return what is connected there.

        One whose only attempt has failed is gone, even if a call has yet to hear of it.
        """
        entry = self._connected.get(endpoint)
        if entry is not None and entry.is_over:
            del self._connected[endpoint]
            self._owner.pipes.remove(entry.dial.pipe)
            return None
        return entry

    async def _again(
        self, entry: Connected, overrides: Mapping[str, object], *, wait: bool
    ) -> None:
        entry.agree(overrides)
        if wait:
            entry.dial.try_again()
            await self._wait_for(entry)
            return
        if entry.keep() and not entry.dial.options.immediate:
            self._owner.pipes.attach(entry.dial.pipe)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def _wait_for(self, entry: Connected) -> None:
        try:
            await entry.handshake(self._calls)
        except BaseException:
            if entry.unwanted:
                await self._take_away(entry)
            raise

    async def _take_away(self, entry: Connected) -> None:
        dial = entry.dial
        if self._connected.get(dial.endpoint) is entry:
            del self._connected[dial.endpoint]
        try:
            await self._stop(dial)
        finally:
            self._owner.pipes.remove(dial.pipe)

    def _start(self, dial: AnyConnected) -> None:
        if isinstance(dial, InprocDialer):
            dial.look()
        else:
            self._vigil.run(dial, f"trio_mq connecting to {dial.endpoint}")

    def _make_dial(
        self,
        parsed: Endpoint | None,
        endpoint: str,
        options: Options,
        pipe: Pipe,
        open_stream: OpenStream | None,
        *,
        once: bool,
    ) -> AnyConnected:
        if isinstance(parsed, InprocEndpoint):
            return InprocDialer(
                self._owner,
                endpoint=endpoint,
                name=parsed.name,
                options=options,
                pipe=pipe,
                names=shared_by(self._context).names,
                scope=self._scope,
            )
        return Dialer(
            self._owner,
            endpoint=endpoint,
            options=options,
            pipe=pipe,
            open_stream=opener(parsed, endpoint, options, open_stream, self._context.network),
            terms=OurTerms(self._owner, options),
            once=once,
            nearby=parsed is not None and parsed.nearby,
        )

    def refuse_calls(self, closed: Closed) -> None:
        """Let every waiting call raise."""
        self._calls.refuse(closed)

    # -- the end of an endpoint --

    def is_bound(self, given: str) -> bool:
        """Tell whether `unbind` would find it."""
        return bool(_find(self._bound, given))

    def is_connected(self, given: str) -> bool:
        """Tell whether `disconnect` would find it."""
        return _find(self._connected, given) is not None

    async def unbind(self, given: str) -> None:
        """Stop listening and end what was accepted.

        Raises:
            ValueError: It is not bound.
        """
        entry = self._bound.pop(_known(self._bound, given, "bound"))
        self._owner.hub.emit(ListeningStopped(endpoint=entry.bound.endpoint))
        await self._end(entry.bound)

    async def disconnect(self, given: str) -> None:
        """Stop dialling and end the connection.

        Raises:
            ValueError: It is not connected.
        """
        entry = self._connected.pop(_known(self._connected, given, "connected"))
        pipe = entry.dial.pipe
        self._owner.pipes.leave(pipe)
        try:
            await self._end(entry.dial)
        finally:
            self._owner.pipes.remove(pipe)

    async def _end(self, ending: AnyBound | AnyConnected) -> None:
        """Let it write what waits for up to ``linger``; cancelled, drop that at once.

        Either way it has ended, and has given back every pipe, when this returns or raises.
        """
        self._ending[ending] = None
        try:
            ending.finish()
            if ending.options.linger:
                with trio.move_on_after(ending.options.linger):
                    await ending.done.wait()
        finally:
            try:
                await self._stop(ending)
            finally:
                self._ending.pop(ending, None)

    async def _stop(self, ending: AnyBound | AnyConnected) -> None:
        """End it at once, and wait until its links have given back their pipes.

        The wait is a few turns of the scheduler, and can't be cancelled: nobody may decide about
        the messages of a link that is still writing them.
        """
        ending.stop()
        with trio.CancelScope(shield=True):
            await ending.done.wait()

    # -- the end of the socket --

    def everything(self) -> Iterable[AnyBound | AnyConnected]:
        """Return every endpoint, also those on their way out."""
        return [
            *(entry.bound for entry in self._bound.values()),
            *(entry.dial for entry in self._connected.values()),
            *self._ending,
        ]

    async def finish(self) -> None:
        """Let every endpoint write what waits and end in order."""
        endpoints = self.everything()
        for endpoint in endpoints:
            endpoint.finish()
        for endpoint in endpoints:
            await endpoint.done.wait()

    def stop(self) -> None:
        """End everything at once."""
        for endpoint in self.everything():
            endpoint.stop()
        for bound in self._bound:
            self._owner.hub.emit(ListeningStopped(endpoint=bound))
        self._bound.clear()
        self._connected.clear()


def _find(entries: Mapping[str, _Bound] | Mapping[str, Connected], given: str) -> str | None:
    """Return the endpoint that a user means, as it was given or as it was resolved."""
    return next((e for e, entry in entries.items() if given in (e, entry.given)), None)


def _known(entries: Mapping[str, _Bound] | Mapping[str, Connected], given: str, how: str) -> str:
    """Do as `_find`, or raise `ValueError` with what is bound or connected instead."""
    endpoint = _find(entries, given)
    if endpoint is None:
        raise ValueError(f"{given} is not {how}; {how} are: {', '.join(entries) or 'none'}")
    return endpoint
