"""What every socket has: its scope, its endpoints and peers, and the way it closes.

This file is longer than most: from opening to closing, the life of a socket is one idea.
"""

from __future__ import annotations

import math
import threading
import warnings
from types import TracebackType
from typing import ClassVar, Final, Generic, Self, Unpack

import attrs
import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq import _debug as debug
from trio_mq._connections.registry import EndpointRegistry
from trio_mq._context import Context, checked, default_context, shared_by
from trio_mq._endpoint_status import EndpointStatus
from trio_mq._events import EventStream
from trio_mq._options import ConnectionOptions
from trio_mq._patterns.pattern import P_co, Pattern
from trio_mq._peer import Peer
from trio_mq._scope import Scope
from trio_mq._sockets.attributes import OnlyKnownAttributes
from trio_mq._sockets.description import described
from trio_mq._sockets.keywords import BindOptions, Endpoints, endpoints_of, make_options, number_of
from trio_mq._sockets.life import Life, Opened
from trio_mq._sockets.membership import Membership
from trio_mq._statistics import SocketStatistics
from trio_mq._transports.schemes import OpenStream, parse_bind, parse_connect
from trio_mq._waiting import Closed, TimeSlice, begin_in_trio, current_slice
from trio_mq.zmtp import SocketType


class Socket(OnlyKnownAttributes, trio.abc.AsyncResource, Generic[P_co]):
    """What every socket type has in common; use one of the classes that are named for a type.

    ``async with`` opens it: endpoints given to the constructor are bound and connected, and its
    tasks run until the end of the block. Leaving normally writes what waits for up to ``linger``
    seconds; leaving by an exception or cancellation drops it at once. A socket is good for one
    block, left by the task that entered it; any task of the run may use it meanwhile.
    """

    socket_type: ClassVar[SocketType]

    #: Decides what its calls do.
    _pattern_type: type[P_co]
    #: A TypedDict of the options that it has.
    _known_options: ClassVar[type]
    #: Sub and XSub have nothing to write that could matter after their end.
    _lingers: ClassVar[bool] = True

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: object,
    ) -> None:
        self._options: Final = make_options(type(self), options)
        self._to_bind = endpoints_of("bind", bind, parse_bind)
        self._to_connect = endpoints_of("connect", connect, parse_connect)
        if self._to_bind:
            self._check_may_bind()
        self._context = None if context is None else checked(context)
        self._pattern: Final = self._pattern_type(self._options)
        self._members: Final = Membership(self._pattern, self._options)
        self._life = Life.NEW
        self._closed: Final = Closed(type(self).__name__)
        self._opened: Opened | None = None
        #: The thread whose calls are accepted; 0 while no calls are. Quick calls look at nothing
        #: else.
        self._open_in = 0
        self._slice = TimeSlice()

    def __repr__(self) -> str:
        name, state = type(self).__name__, self._life.value
        return described(name, state, self.endpoints, self._pattern)

    def __del__(self) -> None:
        # If a constructor raised, the attribute is missing.
        if getattr(self, "_life", Life.NEW) in (Life.OPEN, Life.CLOSING):
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)

    # -- life --

    @enable_ki_protection
    async def __aenter__(self) -> Self:
        """Bind and connect what the constructor was given.

        Raises:
            RuntimeError: The socket was entered before: each is good for one block.
            OSError: An endpoint can't be bound, with the endpoint in the text.
            TooManySockets: The context is full.
            TooManyThreads: The context is used by too many threads.
        """
        await begin_in_trio()
        if self._life is not Life.NEW:
            raise RuntimeError(f"{self!r} was used before: make a new socket for each block")
        context = self._context or default_context()
        shared_by(context).register(self)
        scope = Scope(type(self).__name__, at_end=self._ended)
        endpoints = EndpointRegistry(self._members, self._options, context, scope)
        self._opened = Opened(scope, endpoints, context, threading.get_ident())
        self._open_in = self._opened.thread
        self._slice = current_slice()
        self._life = Life.OPEN
        self._members.ledger.begin(scope)
        debug.observe(self._pattern)
        try:
            for endpoint in self._to_bind:
                await endpoints.bind(endpoint, {}, None)
        except BaseException:
            scope.end()  # no nursery is open yet, so the error leaves as it is
            raise
        await scope.open()
        try:
            for endpoint in self._to_connect:
                await self.connect(endpoint)
        except BaseException as error:
            self._abandon()
            await scope.close(type(error), error, error.__traceback__)
            raise
        return self

    @enable_ki_protection
    async def __aexit__(  # type: ignore[override]  # trio's own says None and means never True
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Close: in order after a normal end, at once after an exception."""
        assert self._opened is not None  # noqa: S101  # it was entered
        scope = self._opened.scope
        try:
            if error is None:
                await self.aclose()
            else:
                self._abandon()
        except BaseException as late:
            # The nursery must be closed whatever happens: trio crashes otherwise.
            if not await scope.close(type(late), late, late.__traceback__):
                raise
            return False
        return await scope.close(kind, error, traceback)

    @enable_ki_protection
    async def aclose(self, *, linger: float | None = None) -> None:
        """Close the socket: write what waits for up to ``linger`` seconds, then end everything.

        The one closing path: leaving the block calls it too. Every blocked call, and every later
        one, raises `trio.ClosedResourceError`. Idempotent, and callable from any task of the run.
        Cancelled, it drops what waits at once and still closes; `trio.aclose_forcefully` is that.

        Args:
            linger: Seconds, instead of those of the option; `math.inf` has no end.

        Raises:
            ValueError: Such a time is not allowed; nothing was closed.
        """
        self._check_thread()
        options = self._options
        # In a cancelled scope it has no time to wait, whatever was given.
        if linger is not None and trio.current_effective_deadline() != -math.inf:
            options = attrs.evolve(options, linger=linger)
        opened = self._opened
        if opened is None:
            self._life = Life.CLOSED
            await trio.lowlevel.checkpoint()
            return
        self._refuse_calls(opened)
        orderly = False
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._lingers and self._life is Life.CLOSING:
                with trio.move_on_after(options.linger):
                    await self._members.drain()
                    await opened.endpoints.finish()
            orderly = True
        finally:
            self._abandon(warn=orderly)
            with trio.CancelScope(shield=True):
                await opened.scope.ended.wait()

    def _refuse_calls(self, opened: Opened) -> None:
        """Let every blocked and every later call raise."""
        if self._life is Life.OPEN:
            self._life = Life.CLOSING
            self._open_in = 0
            self._members.refuse_calls(self._closed)
            opened.endpoints.refuse_calls(self._closed)

    def _abandon(self, *, warn: bool = False) -> None:
        """End everything at once; what waits gets one non-blocking write, or is dropped.

        Args:
            warn: The program has not asked for that: tell in the log how much is lost.
        """
        opened = self._opened
        if opened is None or self._life is Life.CLOSED:
            return
        self._refuse_calls(opened)
        self._life = Life.CLOSED
        # And when every task has ended, `Membership.close` closes the books.
        self._members.pipes.begin_to_close(warn=warn)
        try:
            opened.endpoints.stop()
        finally:
            opened.scope.stop()
            shared_by(opened.context).unregister(self)

    def _ended(self) -> None:
        """Every task has ended, perhaps by a crash: no call can work from now on."""
        self._abandon()
        self._members.close()

    def _guard(self) -> None:
        """Refuse a call on a socket that is not open, or from another thread.

        Raises:
            trio.ClosedResourceError: The socket was closed.
            RuntimeError: It is not open yet, or belongs to another thread.
        """
        self._check_thread()
        if self._life is Life.NEW:
            raise RuntimeError(f"{self!r} is not open: use it inside 'async with'")
        if self._life is not Life.OPEN:
            raise self._closed.error()

    def _check_thread(self) -> None:
        if self._opened is not None and threading.get_ident() != self._opened.thread:
            raise RuntimeError(
                f"{type(self).__name__} belongs to another thread: "
                "reach it from here with trio.from_thread.run"
            )

    def _open_endpoints(self) -> EndpointRegistry:
        self._guard()
        assert self._opened is not None  # noqa: S101  # the guard saw that we are open
        return self._opened.endpoints

    def _check_may_bind(self) -> None:
        """Raise `ValueError` if peers must not connect to a socket like this; to most they may."""

    # -- endpoints --

    @enable_ki_protection
    async def bind(self, endpoint: str, **overrides: Unpack[BindOptions]) -> str:
        """Listen on an endpoint, and return it resolved (``tcp://127.0.0.1:*`` gets its port).

        Args:
            endpoint: ``tcp://interface:port``, ``tls://interface:port``, ``ipc://path`` or
                ``inproc://name``.
            **overrides: Options of connections that differ from the socket's here. ``listener`` is
                any trio listener of streams to use instead; the endpoint is then only a label.

        Raises:
            OSError: It can't be bound; the socket stays as it was, and usable.
            ValueError: The endpoint or the value of an option is not allowed; or it is a `Req` with
                ``correlate=False``, for a service that connects brings a late reply along when it
                connects again, and only an id tells that from the reply to the next request.
            TypeError: An option does not concern a connection.

        Cancelled, nothing is bound. (zmq_bind(3))
        """
        await checkpoint_if_cancelled()
        self._check_may_bind()
        endpoints = self._open_endpoints()
        listener = overrides.pop("listener", None)
        return await endpoints.bind(endpoint, dict(overrides), listener)

    @enable_ki_protection
    async def connect(
        self,
        endpoint: str,
        *,
        wait: bool = False,
        open_stream: OpenStream | None = None,
        **overrides: Unpack[ConnectionOptions],
    ) -> str:
        """Connect to an endpoint, now and again whenever the connection is lost.

        Without ``wait`` it returns at once: the endpoint need not exist yet, and messages sent to
        it wait. A second connect to the same endpoint is the same endpoint.

        Args:
            endpoint: ``tcp://host:port``, ``tcp://source:port;host:port``, ``tls://host:port``,
                ``ipc://path`` or ``inproc://name``.
            wait: Make one attempt over all addresses and return after its handshake. If it fails,
                raise why and keep no endpoint. Messages are sent there only afterwards.
            open_stream: An async function that makes the stream of each connection, any
                `trio.abc.Stream`, for SSH and the like; the endpoint is then only a label.
            **overrides: Options of connections that differ from the socket's here.

        Returns:
            The endpoint as `disconnect` and `endpoints` know it.

        Raises:
            ValueError: It is malformed, or is connected already with other options.
            TypeError: An option does not concern a connection.
            OSError: (``wait``) It can't be reached: name resolution, refused, timed out, or gone
                before its handshake was done.
            HandshakeError: (``wait``) The two ends don't go together.
            RemoteProtocolError: (``wait``) What answers there does not speak ZMTP.

        Cancelled while it waits, it leaves no endpoint that no other call wanted. (zmq_connect(3))
        """
        return await self._connect(endpoint, dict(overrides), wait=wait, open_stream=open_stream)

    async def _connect(
        self,
        endpoint: str,
        overrides: dict[str, object],
        *,
        wait: bool,
        open_stream: OpenStream | None,
        routing_id: bytes = b"",
    ) -> str:
        await checkpoint_if_cancelled()
        endpoints = self._open_endpoints()
        return await endpoints.connect(
            endpoint, overrides, wait=wait, open_stream=open_stream, routing_id=routing_id
        )

    @enable_ki_protection
    async def unbind(self, endpoint: str) -> None:
        """Stop listening on an endpoint, and end the connections that it accepted.

        What waits for their peers is written for up to ``linger`` seconds, and then given to
        others where the pattern can, or dropped. Unread messages stay readable.

        Args:
            endpoint: As it was given to `bind`, or as `bind` returned it.

        Raises:
            ValueError: It is not bound.

        Cancelled, it drops what waits at once and still unbinds. (zmq_unbind(3))
        """
        if self._life is not Life.OPEN or not self._open_endpoints().is_bound(endpoint):
            # It will raise, so nothing is begun that would have to be finished.
            await checkpoint_if_cancelled()
        await self._open_endpoints().unbind(endpoint)

    @enable_ki_protection
    async def disconnect(self, endpoint: str) -> None:
        """Stop connecting to an endpoint, and end its connection; otherwise as `unbind`.

        Args:
            endpoint: As it was given to `connect`, or as `connect` returned it.

        Raises:
            ValueError: It is not connected.

        Cancelled, it drops what waits at once and still disconnects. (zmq_disconnect(3))
        """
        if self._life is not Life.OPEN or not self._open_endpoints().is_connected(endpoint):
            # It will raise, so nothing is begun that would have to be finished.
            await checkpoint_if_cancelled()
        await self._open_endpoints().disconnect(endpoint)

    # -- what there is to see --

    @property
    def endpoints(self) -> tuple[EndpointStatus, ...]:
        """How each bound and connected endpoint is doing."""
        return self._opened.endpoints.statuses() if self._opened is not None else ()

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The peers that are there now, past their handshake."""
        return self._members.peers()

    @enable_ki_protection
    def statistics(self) -> SocketStatistics:
        """Return what has been counted so far; it costs the same for any number of peers."""
        return self._members.statistics()

    @enable_ki_protection
    def events(self) -> EventStream:
        """Return a new `EventStream` of what happens now: ``with socket.events() as events: …``."""
        return self._members.hub.open()

    @enable_ki_protection
    async def wait_for_peers(self, n: int = 1) -> None:
        """Wait until at least ``n`` peers have finished their handshake.

        Raises:
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it only stops waiting.
        """
        await checkpoint_if_cancelled()
        self._guard()
        number_of("n", n)
        await self._members.conditions.wait_until(lambda: len(self._members.links) >= n)


def guarded_pattern(socket: Socket) -> Pattern:
    """Return what decides for an open socket (for `proxy`); errors as of every call."""
    socket._guard()  # noqa: SLF001  # the library's own door
    return socket._pattern  # noqa: SLF001  # as above
