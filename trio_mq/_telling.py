"""What the log says of a socket's events: the reader of events that every socket has.

A program that starts before its service, a peer that leaves, a service that restarts: that is
ordinary life, and no warning by itself. A connected endpoint that reaches nobody is worth a
warning, once, and again when it fails for another reason. So is a stranger who can't come in, at
most once a second. Which lines there are is in `_log`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import trio

from trio_mq import _log as log
from trio_mq._errors import AuthenticationFailed, ProtocolError, Refusal, RemoteProtocolError
from trio_mq._events import (
    Accepted,
    AcceptFailed,
    Connected,
    Disconnected,
    Event,
    HandshakeFailed,
    Listening,
    ListeningStopped,
    Retrying,
    SubscriptionAdded,
    SubscriptionRemoved,
)
from trio_mq._peer import Peer

#: How a connection ends if the other end only looked whether the port is open.
_ORDINARY: Final = frozenset({"eof", "reset", "closed", "connection-lost"})
#: Seconds for which a missing service is taken to be starting, or restarting.
_STARTING: Final = 0.5
#: Seconds between two lines about a receive budget that is used up.
_BUDGET_QUIET: Final = 60.0
#: A peer that is sent away for one of these has taken more than it may.
_LIMITS: Final = frozenset({"receive-budget", "subscription-limit"})


class Teller:
    """Writes the log of one socket.

    Args:
        name: The socket's class.
    """

    __slots__ = (
        "_budget_quiet_until",
        "_failing_since",
        "_given_up",
        "_listening",
        "_lost",
        "_misbehaved",
        "_misbehaved_late",
        "_name",
        "_reached",
        "_refused",
        "_trouble",
    )

    def __init__(self, name: str) -> None:
        self._name = name
        #: Bound endpoints.
        self._listening: set[str] = set()
        #: Connected endpoints that were reached, and those whose connection has just ended, which
        #: was told.
        self._reached: set[str] = set()
        self._lost: set[str] = set()
        #: Connected endpoints that can't be reached, each with the time since when, and the reason
        #: that was told.
        self._failing_since: dict[str, float] = {}
        self._trouble: dict[str, object] = {}
        #: What peers and strangers can cause, by endpoint.
        self._refused: dict[str, log.Sparingly] = {}
        self._misbehaved: dict[str, log.Sparingly] = {}
        #: The same of endpoints that are ending.
        self._misbehaved_late = log.Sparingly(log.MISBEHAVED, name)
        self._given_up = log.Sparingly(log.REQUEST_GIVEN_UP, name)
        self._budget_quiet_until = -math.inf

    def __call__(self, event: Event) -> None:
        """Write the line that an event is worth; drops have a log of their own, in `drop_log`."""
        tell = _TELLING.get(type(event))
        if tell is not None:
            tell(self, event)

    def forget(self, endpoint: str) -> None:
        """A connected endpoint is gone."""
        self._reached.discard(endpoint)
        self._lost.discard(endpoint)
        self._trouble.pop(endpoint, None)
        self._failing_since.pop(endpoint, None)
        self._misbehaved.pop(endpoint, None)

    # -- endpoints --

    def on_listening(self, event: Listening) -> None:
        """An endpoint was bound."""
        self._listening.add(event.endpoint)
        log.LISTENING.tell(self._name, event.endpoint)

    def on_listening_stopped(self, event: ListeningStopped) -> None:
        """Forget what was told of it."""
        endpoint = event.endpoint
        self._listening.discard(endpoint)
        self._refused.pop(endpoint, None)
        self._misbehaved.pop(endpoint, None)
        log.LISTENING_STOPPED.tell(self._name, endpoint)

    def on_accept_failed(self, event: AcceptFailed) -> None:
        """For a moment, or for good."""
        if event.broken:
            log.LISTENER_BROKEN.tell(self._name, event.endpoint, repr(event.error))
        else:
            log.ACCEPT_FAILED.tell(self._name, event.endpoint, _text(event.error))

    def on_retrying(self, event: Retrying) -> None:
        """Warn of a dial that failed for a reason that was not told yet."""
        endpoint, error = event.endpoint, event.error
        log.RETRYING.tell(self._name, endpoint, event.delay, _why(endpoint, error))
        if endpoint in self._lost:
            # The log has the end of the connection, but not yet that nobody can be reached since.
            self._lost.discard(endpoint)
            return
        kind = _kind(error)
        since = self._failing_since.setdefault(endpoint, event.time)
        if _may_just_be_starting(error) and event.time < since + _STARTING:
            return
        if self._trouble.get(endpoint) != kind:
            self._trouble[endpoint] = kind
            log.DIAL_FAILED.tell(self._name, _why(endpoint, error))

    # -- connections --

    def on_accepted(self, event: Accepted) -> None:
        """Somebody knocks."""
        log.ACCEPTED.tell(self._name, event.endpoint, event.address)

    def on_connected(self, event: Connected) -> None:
        """A peer is there, and no trouble of its endpoint is left."""
        endpoint = event.peer.endpoint
        self._trouble.pop(endpoint, None)
        self._failing_since.pop(endpoint, None)
        self._lost.discard(endpoint)
        if event.dialled:
            self._reached.add(endpoint)
        log.CONNECTED.tell(self._name, _who(event.peer), endpoint)

    def on_handshake_failed(self, event: HandshakeFailed) -> None:
        """Warn of a peer that is refused; a peer that merely left again is not worth a line."""
        endpoint = event.endpoint
        error = event.error
        is_told = isinstance(error, AuthenticationFailed) and error.status == "500"
        if endpoint not in self._listening or event.reason in _ORDINARY or is_told:
            # For a connected endpoint, what follows is told instead: an error of `connect`, or a
            # retry.
            log.HANDSHAKE_ENDED.tell(
                self._name, endpoint, event.address, _told(event.reason, error)
            )
            return
        sparing = self._refused.get(endpoint)
        if sparing is None:
            sparing = self._refused[endpoint] = log.Sparingly(log.REFUSED, endpoint)
        text = "" if error is None else _text(error)
        if endpoint not in text:
            text = f"cannot accept {event.address} on {endpoint}: {text or event.reason}"
        sparing.tell(self._name, text)

    def on_disconnected(self, event: Disconnected) -> None:
        """Say what the end was: a peer that left, misbehaviour, or a bug."""
        peer, reason = event.peer, event.reason
        endpoint = peer.endpoint
        if endpoint in self._reached:
            self._lost.add(endpoint)
        if event.unacknowledged and reason == "heartbeat":
            log.VANISHED.tell(self._name, peer.address or endpoint, event.unacknowledged)
        why = _told(reason, event.error)
        if reason.startswith("internal-error"):
            log.CRASHED.tell(self._name, _who(peer), endpoint, why, error=event.error)
        elif isinstance(event.error, ProtocolError) or reason in _LIMITS:
            self._misbehaving(endpoint).tell(self._name, _who(peer), endpoint, why)
        else:
            log.DISCONNECTED.tell(self._name, _who(peer), endpoint, why)

    def _misbehaving(self, endpoint: str) -> log.Sparingly:
        """Return what tells of its peers; nothing is remembered of an endpoint that has ended."""
        if not (endpoint in self._listening or endpoint in self._reached):
            return self._misbehaved_late
        return self._misbehaved.setdefault(endpoint, log.Sparingly(log.MISBEHAVED, endpoint))

    # -- requests --

    def request_given_up(self, endpoint: str, error: BaseException) -> None:
        """A call was cancelled whose request waited for an endpoint that can't be reached."""
        self._given_up.tell(self._name, _why(endpoint, error))

    def budget_is_used_up(self, used: int) -> None:
        """Nothing more is read: at most a line a minute, since the statistics say it too."""
        now = trio.current_time()
        if now >= self._budget_quiet_until:
            self._budget_quiet_until = now + _BUDGET_QUIET
            log.BUDGET_USED_UP.tell(self._name, used)

    # -- subscriptions --

    def on_subscribed(self, event: SubscriptionAdded) -> None:
        """A topic is wanted."""
        log.SUBSCRIBED.tell(self._name, _who(event.peer), repr(event.topic))

    def on_unsubscribed(self, event: SubscriptionRemoved) -> None:
        """A topic is wanted no more."""
        log.UNSUBSCRIBED.tell(self._name, _who(event.peer), repr(event.topic))


_TELLING: Final[dict[type, Callable[[Teller, Any], None]]] = {
    Listening: Teller.on_listening,
    ListeningStopped: Teller.on_listening_stopped,
    Accepted: Teller.on_accepted,
    AcceptFailed: Teller.on_accept_failed,
    Connected: Teller.on_connected,
    HandshakeFailed: Teller.on_handshake_failed,
    Disconnected: Teller.on_disconnected,
    Retrying: Teller.on_retrying,
    SubscriptionAdded: Teller.on_subscribed,
    SubscriptionRemoved: Teller.on_unsubscribed,
}


def _who(peer: Peer) -> str:
    """Name a peer: its type, its name if it has one, and where it is."""
    name = f" {peer.routing_id!r}" if peer.routing_id else ""
    return f"{peer.socket_type.value}{name} at {peer.address or peer.endpoint}"


def _told(reason: str, error: BaseException | None) -> str:
    """Say why: the word for programs, and what people are told."""
    return reason if error is None else f"{reason} ({_text(error)})"


def _text(error: BaseException) -> str:
    """Return what an error says, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or repr(error)


def _why(endpoint: str, error: BaseException | None) -> str:
    """Say why nobody was reached, with the endpoint in it."""
    if error is None:
        return f"the connection to {endpoint} ended"
    text = _text(error)
    return text if endpoint in text else f"cannot connect to {endpoint}: {text}"


def _may_just_be_starting(error: BaseException | None) -> bool:
    """Tell whether nobody listens there yet; the next attempt may find somebody."""
    return isinstance(error, (ConnectionRefusedError, FileNotFoundError))


def _kind(error: BaseException | None) -> object:
    """Return a key that two failures share if a reader would take them for the same."""
    match error:
        case RemoteProtocolError():
            return type(error), error.fault
        case Refusal():
            return type(error), error.reason
        case AuthenticationFailed():
            return type(error), error.status
        case ConnectionResetError() | ConnectionAbortedError():
            # Which of the two it is depends on the moment in which the peer leaves.
            return ConnectionAbortedError
        case OSError():
            return type(error), error.errno
        case _:
            return type(error)
