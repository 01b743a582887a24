"""Every exception of the library that is not trio's own.

::

    Exception
    └── MQError
        ├── StateError              a call out of turn on a Req or Rep
        ├── Unroutable              a mandatory Router has no such peer, or no room for it
        ├── PeerLost                the peer that was asked went away before it answered
        ├── RequestExpired          a request waited too long, and nobody was asked
        ├── RequestFailed           a request was made several times, and never answered
        ├── MessageTooLarge         a message to send is larger than our own limits
        ├── TooManySockets          the context holds ``max_sockets`` sockets already
        ├── TooManyThreads          more threads than ``max_threads`` use the context
        ├── InternalError           a bug of this library; the crash is its ``__cause__``
        ├── HandshakeError          the two ends of a connection don't want each other
        │   ├── IncompatiblePeer        the two socket types do not go together
        │   ├── MechanismMismatch       the two ends want different security mechanisms
        │   ├── AuthenticationFailed    the peer refused us, or we refused the peer
        │   └── Refusal                 our own socket has no place for the peer
        └── ProtocolError           somebody broke ZMTP
            ├── RemoteProtocolError     the peer did
            └── LocalProtocolError      the user of `trio_mq.zmtp` did

`UnencryptedWarning` is not an error. It warns of an endpoint whose traffic strangers on the way can
read.

Where trio has a word for something, we use it: `trio.ClosedResourceError` (this socket was closed,
by you), `trio.WouldBlock` (a ``_nowait`` call that would have to wait), `trio.BusyResourceError`
(two tasks in turn-taking calls of one socket). What the system and the network do is `OSError`,
with the endpoint in the text: a name that has no address, a connection that is refused, reset,
ended or silent before its handshake was done. Bad arguments are `ValueError` and `TypeError`,
raised where they are given.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator


class MQError(Exception):
    """The root of every exception that this library defines."""


class StateError(MQError):
    """A Req or Rep was called out of turn.

    A request must be sent before a reply can be received, and a request received before a reply
    can be sent (RFC 28; ``EFSM`` in libzmq). `Req.request` can't raise it.
    """


class Unroutable(MQError):
    """A Router with ``mandatory=True`` cannot hand the message to the peer that it names."""

    def __init__(self, routing_id: bytes, why: str) -> None:
        super().__init__(f"cannot route to {routing_id!r}: {why}")
        self.routing_id = routing_id
        """The routing id that the message named."""


class PeerLost(MQError):
    """The peer that was asked ended its connection before it answered.

    The request was wholly written, so the peer may or may not have acted on it; the socket may
    send again. Raised by `Req.receive` and `Req.request` instead of waiting for ever. The
    ``__cause__`` is what ended the connection, if that was an error.
    """

    def __init__(self, message: str, *, endpoint: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.endpoint = endpoint
        """The endpoint of ours through which it was asked."""
        self.reason = reason
        """Why the connection ended, in one word or two, as in `Disconnected.reason`."""


class RequestExpired(MQError):
    """A request waited for longer than ``message_lifetime``, and nobody was asked.

    So it is safe to ask again, unlike after `PeerLost`. Raised by `Req.receive` and `Req.request`.
    """


class RequestFailed(MQError):
    """A request was made as often as its `Retry` allows, and there was no reply.

    The service may or may not have acted on each attempt.
    """

    def __init__(self, attempts: tuple[Exception, ...]) -> None:
        times = "time" if len(attempts) == 1 else "times"
        each = "; ".join(map(str, attempts))
        super().__init__(f"no reply, after a request was made {len(attempts)} {times}: {each}")
        self.attempts = attempts
        """Why each attempt failed: a `PeerLost`, a `RequestExpired`, or a `trio.TooSlowError` that
        says what is known of the endpoint, such as its last error."""


class MessageTooLarge(MQError):
    """A message to send exceeds ``max_message_size``, ``max_frame_size`` or ``max_frames``."""


class TooManySockets(MQError):
    """The context already holds ``max_sockets`` open sockets (``EMFILE`` in libzmq)."""


class TooManyThreads(MQError):
    """More threads than ``max_threads`` use sockets of one context (``EMTHREAD`` in 0MQ)."""


class InternalError(MQError):
    """A bug in this library ended a socket; the crash is the ``__cause__``. Please report it."""


class HandshakeError(MQError):
    """A connection was refused, by us or by the peer, before any message could flow."""


class IncompatiblePeer(HandshakeError):
    """The peer's socket type cannot talk to ours (RFC 23, "Socket-Type")."""


class MechanismMismatch(HandshakeError):
    """The peer uses another security mechanism than we do."""


class AuthenticationFailed(HandshakeError):
    """Credentials were refused; ``status`` is the three-digit code (RFC 27)."""

    def __init__(self, message: str, status: str = "") -> None:
        super().__init__(message)
        self.status = status
        """"300", "400" or "500" as in ZAP, or the empty string where the peer gave none."""


class Refusal(HandshakeError):
    """Our own socket has no place for the peer: its only one, or a routing id, is taken.

    The connection is closed without a word. After that libzmq dials again; after an ERROR it never
    would. When the *other* end refuses us in this way, it looks as if the network had ended the
    connection: that is a `ConnectionAbortedError`, whose text names this as the likely cause.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """One word or two for programs, as in `HandshakeFailed.reason`."""


class UnencryptedWarning(UserWarning):
    """A bound endpoint can be reached from other machines, and sends everything in the clear.

    It comes once per process and endpoint. Where the network is yours alone, filter it:
    ``warnings.filterwarnings("ignore", category=trio_mq.UnencryptedWarning)``.
    """


class ProtocolFault(enum.Enum):
    """What a peer did that ZMTP, or one of our limits, forbids."""

    NOT_ZMTP = "not-zmtp"
    """Its first bytes are no ZMTP greeting."""

    VERSION = "version"
    """It speaks a version of ZMTP before 3.0."""

    FRAME_TOO_LARGE = "frame-too-large"
    """A frame is larger than ``max_frame_size``, or than its kind may be."""

    MESSAGE_TOO_LARGE = "message-too-large"
    """A message is larger than ``max_message_size``."""

    TOO_MANY_FRAMES = "too-many-frames"
    """A message has more than ``max_frames`` frames."""

    RESERVED_FLAGS = "reserved-flags"
    """A frame has flags set that ZMTP keeps for later."""

    MALFORMED_COMMAND = "malformed-command"
    """A command cannot be read."""

    UNEXPECTED_COMMAND = "unexpected-command"
    """A command came where it has no place."""

    UNEXPECTED_MESSAGE = "unexpected-message"
    """Messages came during the handshake, or to a socket type that reads none."""

    INVALID_METADATA = "invalid-metadata"
    """The properties in its handshake cannot be read, or are too many or too large."""

    UNKNOWN_COMMANDS = "unknown-commands"
    """More unknown commands came than ``Limits.max_unknown_commands``."""

    PING_FLOOD = "ping-flood"
    """PINGs came faster than ``Limits.max_pings_per_second`` allows."""

    SUBSCRIPTION_LIMIT = "subscription-limit"
    """It subscribed to more than the limits on subscriptions allow."""

    ENVELOPE = "envelope"
    """A reply has no empty frame between its envelope and its body."""

    CRYPTOGRAPHIC = "cryptographic"
    """Something was not sealed by our peer, or not for us."""

    SEQUENCE = "sequence"
    """Sealed frames are missing, doubled, or out of order."""

    PEER_ERROR = "peer-error"
    """It sent an ERROR command: it wants nothing to do with us."""


class ProtocolError(MQError):
    """Somebody broke ZMTP: see the two subclasses for who."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that ZMTP or one of our limits forbids; its connection is closed."""

    def __init__(self, fault: ProtocolFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        """Which rule was broken, for programs; the text is for people."""


class LocalProtocolError(ProtocolError):
    """A caller of `trio_mq.zmtp` asked for what the protocol does not allow now."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside groups, at any depth, or the one that is not a group."""
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from leaves(member)
    else:
        yield error
