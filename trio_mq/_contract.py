"""What a connection and its socket ask and tell each other, in the order of a peer's life.

Connections move bytes and know nothing of patterns; patterns choose pipes and know nothing of
bytes. They meet in the pipe, and here: `AnyLink` is a connection as its socket sees it, and
`SocketSide` is a socket as its connections see it. Endpoints cross this line as strings.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

import attrs
import trio

from trio_mq._errors import (
    AuthenticationFailed,
    IncompatiblePeer,
    MechanismMismatch,
    ProtocolFault,
    Refusal as Refusal,
    RemoteProtocolError,
)
from trio_mq._events import Disconnected, EventHub
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipes.budget import ReceiveBudget
from trio_mq._pipes.pipe import Pipe
from trio_mq.zmtp import Event, PeerProperties, SocketType


class AnyLink(Protocol):
    """A connection with one peer as its socket sees it: a link, or one side of an inproc link."""

    #: The endpoint of ours that made it, and its options.
    endpoint: str
    options: Options
    #: Where the peer is.
    address: str
    #: The name under which it introduced us.
    routing_id: bytes
    #: The pipe of a connected endpoint; ``None`` for an accepted peer.
    own_pipe: Pipe | None
    #: The pipe that it borrows, from its admission on, and the peer, from its handshake on.
    pipe: Pipe | None
    peer: Peer | None

    def send_subscribe(self, topic: bytes) -> None:
        """Ask the peer for a topic, beyond every limit and before the messages that wait."""

    def send_cancel(self, topic: bytes) -> None:
        """Tell the peer that we no longer want a topic."""

    def redial(self, reason: str) -> None:
        """End the connection now; if it was dialled, dial again at once."""

    async def shows_life(self, seconds: float) -> bool:
        """Ask the peer for a sign of life; False if none came within that time, or its end did."""

    def faults(self) -> Iterator[str]:
        """Say what is wrong with what is being written; the debug mode asks."""


Deliver: TypeAlias = Callable[[AnyLink, Pipe, list[Message], int], None]
"""Takes messages that have arrived: from which link, for which pipe, and their payload bytes."""


class PipesSide(Protocol):
    """What endpoints ask of the pipes of their socket, in the order of an endpoint's life."""

    def new(self, endpoint: str, options: Options, given_id: bytes) -> Pipe:
        """Return a pipe for a connected endpoint, which no pattern may choose yet.

        Args:
            endpoint: Which.
            options: Its options.
            given_id: The routing id that the program gave to its peers, or none.
        """

    def attach(self, pipe: Pipe) -> None:
        """Let the pattern choose a connected endpoint."""

    def unreachable(self, pipe: Pipe) -> None:
        """A connected endpoint has failed and gets no messages until it is connected again."""

    def leave(self, pipe: Pipe) -> None:
        """A connected endpoint will go when what waits is written: never choose it again."""

    def remove(self, pipe: Pipe) -> None:
        """A connected endpoint is gone, and so is its link."""


class SocketSide(Protocol):
    """What endpoints and links ask of the socket that owns them, and tell it."""

    #: What may wait to be received from all peers together; while it is closed, nobody is accepted.
    budget: ReceiveBudget
    #: Where endpoints tell users what happens to them.
    hub: EventHub

    @property
    def pipes(self) -> PipesSide:
        """The pipes, and what becomes of them."""

    # -- an endpoint asks --

    @property
    def socket_type(self) -> SocketType:
        """Ours, for the handshake."""

    @property
    def routing_id(self) -> bytes:
        """The name under which the next connection introduces us."""

    @property
    def correlates(self) -> bool:
        """Our replies repeat the ids of their requests."""

    def queued(self, endpoint: str) -> int:
        """Return how many messages wait to be written to all peers of a bound endpoint."""

    def present(self, endpoint: str) -> int:
        """Return how many peers of a bound endpoint are there."""

    # -- a peer introduces itself --

    async def admit(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer before our own READY goes out, and return the pipe for it.

        Raises:
            Refusal: It is not wanted.
        """

    def admit_now(self, properties: PeerProperties, link: AnyLink) -> Pipe:
        """Judge a peer at once and return the pipe for it: the holder of a place keeps it.

        Raises:
            Refusal: It is not wanted.
        """

    def connected(self, link: AnyLink, peer: Peer) -> None:
        """The handshake is done: `AnyLink.pipe` is set, and messages may flow."""

    # -- it talks --

    @property
    def deliver(self) -> Deliver:
        """What takes the messages that arrive, at most as many as their pipe has room for.

        Links ask for it once, which saves a call for every batch, of which most hold one message.
        """

    def peer_said(self, link: AnyLink, event: Event) -> None:
        """A command arrived that is not about the connection itself, such as a subscription."""

    # -- it goes --

    def disconnected(self, link: AnyLink, ending: Ending) -> None:
        """The link is over; its pipe has everything that was not wholly written."""


class SilentPeer(trio.BrokenResourceError):
    """No byte came in time."""


_TOO_LARGE: Final = frozenset(
    {
        ProtocolFault.FRAME_TOO_LARGE,
        ProtocolFault.MESSAGE_TOO_LARGE,
        ProtocolFault.TOO_MANY_FRAMES,
    }
)


@attrs.frozen(eq=False, repr=False)
class Ending:
    """How a link ended."""

    #: One word or two for programs, as in `Disconnected.reason`.
    reason: str
    error: BaseException | None
    #: When the handshake was done, on trio's clock; ``None``: it never was.
    established: float | None
    #: Bytes that were written and that the other kernel had not acknowledged; ``None``: unknown.
    unacknowledged: int | None = None

    @property
    def too_large(self) -> bool:
        """A message of the peer exceeded a limit."""
        return isinstance(self.error, RemoteProtocolError) and self.error.fault in _TOO_LARGE

    def leaving(self, unacknowledged: int | None) -> Ending:
        """Return the same end, with so many bytes on their way."""
        return Ending(self.reason, self.error, self.established, unacknowledged)

    def event(self, peer: Peer) -> Disconnected:
        """Return what users get to see of it."""
        return Disconnected(
            peer=peer,
            reason=self.reason,
            error=self.error,
            unacknowledged=self.unacknowledged,
        )

    @classmethod
    def by(cls, error: BaseException | None, established: float | None) -> Ending:
        """Return the end that an error makes; ``None`` is the plain end of the stream."""
        if error is not None:
            # The traceback would keep the link and all its buffers alive.
            error = error.with_traceback(None)
        return cls(_reason(error), error, established)


_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ssl.SSLEOFError, "eof"),
    (ssl.SSLError, "tls"),
    (ConnectionAbortedError, "eof"),
    (IncompatiblePeer, "incompatible-peer"),
    (MechanismMismatch, "mechanism"),
    (AuthenticationFailed, "authentication"),
    (ConnectionResetError, "reset"),
    (TimeoutError, "timeout"),
    (trio.TooSlowError, "timeout"),
    (SilentPeer, "heartbeat"),
    (MemoryError, "out-of-memory"),
    (trio.BrokenResourceError, "connection-lost"),
    # Whoever gave us the stream has closed it.
    (trio.ClosedResourceError, "connection-lost"),
    (OSError, "connection-lost"),
)


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "eof"
    if isinstance(error, RemoteProtocolError):
        return error.fault.value
    if isinstance(error, Refusal):
        return error.reason
    if isinstance(error, trio.BrokenResourceError) and _was_reset(error):
        return "reset"
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    return f"internal-error: {type(error).__name__}"


def _was_reset(error: trio.BrokenResourceError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE)
