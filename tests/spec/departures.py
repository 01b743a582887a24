"""Where we do something else than an RFC or libzmq, as data: the demand, our way, and the reason.

A test that shows our way carries the row: ``@departs(Departure.…)``. What is not listed here
is done as demanded.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeVar

import attrs

Test = TypeVar("Test", bound=Callable[..., object])


@attrs.frozen
class Row:
    """One departure."""

    #: Who demands it: an RFC with its sections, or a test of libzmq.
    source: str
    #: What is demanded, in our words.
    demand: str
    #: What we do.
    instead: str
    why: str


class Departure(enum.Enum):
    """Every departure of the sockets; those of the wire are listed with the tests of RFC 23."""

    # -- the RFCs --

    UNREAD_STAYS_READABLE = Row(
        "RFC 28 DEALER, ROUTER; 29 XPUB, SUB, XSUB; 30 PULL; 31 PAIR",
        "when an accepted peer disconnects, its incoming messages are discarded",
        "messages that arrived whole stay readable",
        "they were delivered to this program; a peer that says its piece and leaves is ordinary, "
        "and libzmq keeps them too",
    )
    UNWRITTEN_GOES_TO_OTHERS = Row(
        "RFC 28 DEALER; 30 PUSH",
        "when an accepted peer disconnects, its outgoing messages are discarded",
        "what was not wholly written goes to other peers, or waits for one (requeue=True)",
        "the same RFCs promise that nothing accepted is discarded; a worker that leaves must not "
        "take work with it that it has never seen",
    )
    DROPS_ARE_VISIBLE = Row(
        "RFC 28 REQ, REP, ROUTER; 29 all types",
        "messages are discarded silently",
        "the call succeeds in silence, and the drop is counted by reason and told as an event",
        "a message that vanishes without trace can't be looked for",
    )
    FULL_SUBSCRIBER_STOPS_READING = Row(
        "RFC 29 SUB, XSUB",
        "a message for a full incoming queue is discarded",
        "the connection is not read until there is room; the publisher decides what to drop",
        "the publisher has a policy for it (on_full) and counts; libzmq does the same",
    )
    ROUTER_MAY_BLOCK = Row(
        "RFC 28 ROUTER",
        "sending never blocks",
        "with on_full='block' a send waits for room, and holds up only sends to that peer",
        "asked for explicitly; other peers are served meanwhile",
    )
    PUBLISHER_MAY_BLOCK = Row(
        "RFC 29 PUB, XPUB",
        "sending never blocks",
        "with on_full='block' a send waits until every matching subscriber has room",
        "asked for explicitly, for publishers that must lose nothing (libzmq: XPUB_NODROP)",
    )
    CLOSING_IS_UNSUBSCRIBING = Row(
        "RFC 29 XSUB",
        "before a connection is closed, all subscriptions should be cancelled on it",
        "the connection is closed; the publisher forgets its subscriptions with it",
        "the end of the connection says the same, and always arrives",
    )

    # -- libzmq's tests --

    NO_RELAXED_REQ = Row(
        "test_req_relaxed",
        "with REQ_RELAXED a second send abandons the outstanding request",
        "send() out of turn raises; request() can be cancelled or repeated at any time",
        "an abandoned request must also be forgotten by its connection, or its late reply is "
        "taken for the next one's",
    )
    PEER_LOST_IS_RAISED = Row(
        "req.cpp",
        "a REQ whose peer died waits for ever",
        "receive() raises PeerLost, and the next request can be sent",
        "nobody can answer any more; waiting is never right",
    )
    BAD_REPLY_ENDS_ITS_CONNECTION = Row(
        "test_invalid_rep",
        "a reply without the delimiter is skipped over inproc, and fatal over tcp",
        "the connection that brought it ends, over every transport",
        "one rule; the peer does not speak the protocol",
    )
    DUPLICATE_ID_IS_REFUSED = Row(
        "test_router_handover",
        "a second peer with the same id is connected and ignored for ever",
        "its connection is closed before its handshake ends, with an event; it may try again",
        "a client that is ignored can't find out why",
    )
    ONE_CONNECTION_PER_ENDPOINT = Row(
        "test_reqrep_tcp",
        "some types open a second connection when they connect to the same endpoint again",
        "for every type it is the same endpoint",
        "libzmq itself has two rules; this is the one that a reader expects",
    )
    UNKNOWN_UNSUBSCRIBE_IS_AN_ERROR = Row(
        "test_xpub_verbose",
        "cancelling a topic that was never subscribed to is ignored",
        "unsubscribe() raises ValueError; the message 00+topic of an XSub is ignored",
        "it is a mistake of the program where it is a call, and news to forward where it is not",
    )
    SUBSCRIPTION_SENT_ONCE = Row(
        "test_xpub_verbose",
        "a SUB sends every subscribe, so that a verbose XPUB sees duplicates of one peer",
        "topics are counted, and sent on the first subscribe and the last unsubscribe",
        "the publisher keeps a set, so a duplicate says nothing",
    )
    NEWS_COALESCES = Row(
        "test_disconnect_inproc",
        "a subscribe and an unsubscribe that nobody has read are both reported",
        "unread opposites cancel each other out; verbose='all' reports everything",
        "a subscriber that comes and goes can't fill the memory of an XPub that is not read",
    )
    NO_LAST_VALUE_CURSOR = Row(
        "test_xpub_manual_last_value, test_missing_subscriptions",
        "a manual subscription applies to the peer of the message received last",
        "accept() and withdraw() name the peer, which receive_from() returns",
        "the cursor loses subscriptions when two are received before one is applied",
    )
    HWM_NEVER_CHANGES_LIVE = Row(
        "test_sockopt_hwm, test_hwm_pubsub",
        "high-water marks can be set on a connected socket",
        "they are fixed for a socket or an endpoint when it is made",
        "nothing changes under a live connection, so a reader of the code knows what holds",
    )
    NONE_IS_UNLIMITED = Row(
        "test_hwm",
        "a high-water mark of 0 means no limit",
        "None means no limit, and 0 is refused",
        "a queue without a bound should not be the easy typo",
    )
    CAPACITY_IS_A_SUM = Row(
        "test_hwm",
        "over inproc an unlimited mark on one side makes the connection unlimited",
        "the sender's mark and the receiver's mark hold each for its side",
        "a receiver that asked for a bound has it",
    )
    CLOSE_WAITS_FOR_THE_BINDER = Row(
        "test_hwm (connect before bind, close first)",
        "a socket closes at once, and a thread keeps its messages for a later binder",
        "closing waits for the binder for up to linger seconds, then drops, with a warning",
        "nothing goes on behind the back of the program",
    )
    UNBIND_ENDS_INPROC_TOO = Row(
        "test_inproc_connect (unbind)",
        "unbinding an inproc name leaves its connections",
        "unbind ends what was accepted through the name, as for tcp",
        "one rule for all transports",
    )
    WILDCARD_CAN_BE_UNBOUND = Row(
        "test_term_endpoint",
        "a wildcard endpoint can't be unbound by the string that was given to bind",
        "unbind takes the given string as well as the resolved one",
        "it is the string that the program has at hand",
    )
    LIVE_PATH_IS_IN_USE = Row(
        "test_rebind_ipc",
        "a second bind to an ipc path takes it over from the living first one",
        "it fails with EADDRINUSE; a stale file is replaced",
        "a typing error must not cut off a running server",
    )
    REDIALS_FOR_EVER = Row(
        "test_reconnect_ivl",
        "RECONNECT_IVL -1 never reconnects",
        "an endpoint is dialled until it is disconnected; connect(wait=True) makes one attempt",
        "an endpoint that is listed and dead misleads; who wants one connection says so",
    )
    SMALL_TTL_IS_RAISED = Row(
        "test_heartbeats",
        "a peer's time to live of 100 ms is honoured",
        "the shortest is a limit of ours, limits.min_remote_ttl, 1 s by default",
        "else a peer's typing error makes us cut every slow connection",
    )
    SLOW_CAPTURE_MISSES = Row(
        "test_proxy",
        "a full capture socket stops the proxy",
        "the capture misses what it has no room for, counted",
        "an observer must not change what it observes",
    )
    PROXY_IS_STEERED_BY_ITS_SCOPE = Row(
        "test_proxy_steerable",
        "a control socket pauses, resumes and ends a proxy, and asks for its figures",
        "cancel its scope and start it again; the sockets have the figures",
        "trio has cancel scopes, and statistics() is there already",
    )


def departs(row: Departure) -> Callable[[Test], Test]:
    """Mark a test as the one that shows a departure; its docstring says the reason too."""

    def mark(test: Test) -> Test:
        departure = row.value
        test.__doc__ = f"{test.__doc__}\n\nDeparts: {departure.instead}, because {departure.why}."
        return test

    return mark
