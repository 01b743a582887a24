"""Every public name of the package, and where it lives; `trio_mq` itself hands them out.

What a type checker reads here, and what Python looks up when a name is asked for, is the same; a
test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trio_mq._context import ask_handlers_by
from trio_mq._lazy import Exports

if TYPE_CHECKING:
    from trio_mq import admin as admin, auth as auth, lowlevel as lowlevel, zmtp as zmtp
    from trio_mq._context import Context as Context
    from trio_mq._endpoint_status import (
        Endpoint as Endpoint,
        EndpointState as EndpointState,
        EndpointStatus as EndpointStatus,
    )
    from trio_mq._errors import (
        AuthenticationFailed as AuthenticationFailed,
        HandshakeError as HandshakeError,
        IncompatiblePeer as IncompatiblePeer,
        InternalError as InternalError,
        MechanismMismatch as MechanismMismatch,
        MessageTooLarge as MessageTooLarge,
        MQError as MQError,
        PeerLost as PeerLost,
        ProtocolError as ProtocolError,
        ProtocolFault as ProtocolFault,
        Refusal as Refusal,
        RequestExpired as RequestExpired,
        RequestFailed as RequestFailed,
        StateError as StateError,
        TooManySockets as TooManySockets,
        TooManyThreads as TooManyThreads,
        UnencryptedWarning as UnencryptedWarning,
        Unroutable as Unroutable,
    )
    from trio_mq._events import (
        Accepted as Accepted,
        AcceptFailed as AcceptFailed,
        Connected as Connected,
        Disconnected as Disconnected,
        Dropped as Dropped,
        Event as Event,
        EventStream as EventStream,
        HandshakeFailed as HandshakeFailed,
        Listening as Listening,
        ListeningStopped as ListeningStopped,
        Retrying as Retrying,
        SubscriptionAdded as SubscriptionAdded,
        SubscriptionRemoved as SubscriptionRemoved,
        Undelivered as Undelivered,
    )
    from trio_mq._hardened import HardenedOptions as HardenedOptions
    from trio_mq._limits import Limits as Limits
    from trio_mq._message import BytesLike as BytesLike, Message as Message, Sendable as Sendable
    from trio_mq._options import (
        Balance as Balance,
        ConnectionOptions as ConnectionOptions,
        OnFull as OnFull,
        Options as Options,
        Verbosity as Verbosity,
    )
    from trio_mq._peer import Peer as Peer, PeerStatistics as PeerStatistics
    from trio_mq._proxy import proxy as proxy
    from trio_mq._sockets.by_type import open_socket as open_socket
    from trio_mq._sockets.keywords import (
        BindOptions as BindOptions,
        DealerOptions as DealerOptions,
        PubOptions as PubOptions,
        PullOptions as PullOptions,
        PushOptions as PushOptions,
        ReqOptions as ReqOptions,
        RouterOptions as RouterOptions,
        SocketOptions as SocketOptions,
        SubOptions as SubOptions,
        XPubOptions as XPubOptions,
    )
    from trio_mq._sockets.pair import Pair as Pair
    from trio_mq._sockets.pipeline import (
        Downstream as Downstream,
        Pull as Pull,
        Push as Push,
        Upstream as Upstream,
    )
    from trio_mq._sockets.publishing import Pub as Pub, XPub as XPub
    from trio_mq._sockets.receiver import Receiver as Receiver
    from trio_mq._sockets.replying import Rep as Rep
    from trio_mq._sockets.requesting import Req as Req
    from trio_mq._sockets.requests import Request as Request
    from trio_mq._sockets.retry import Retry as Retry
    from trio_mq._sockets.routing import Dealer as Dealer, Router as Router
    from trio_mq._sockets.sender import Sender as Sender
    from trio_mq._sockets.socket import Socket as Socket
    from trio_mq._sockets.subscribing import Sub as Sub, XSub as XSub
    from trio_mq._statistics import SocketStatistics as SocketStatistics
    from trio_mq._tally import DropReason as DropReason, TrafficStatistics as TrafficStatistics
    from trio_mq.zmtp import SocketType as SocketType


def _instead(name: str) -> str | None:
    """Return what to write instead of a name of pyzmq's."""
    from trio_mq._pyzmq_names import MODULE, OPTIONS  # noqa: PLC0415  # a mistake needs it

    return MODULE.get(name) or OPTIONS.get(name.lower())


EXPORTS: Final = Exports(
    "trio_mq",
    {
        "trio_mq._context": ["Context"],
        "trio_mq._endpoint_status": ["Endpoint", "EndpointState", "EndpointStatus"],
        "trio_mq._errors": [
            "AuthenticationFailed",
            "HandshakeError",
            "IncompatiblePeer",
            "InternalError",
            "MQError",
            "MechanismMismatch",
            "MessageTooLarge",
            "PeerLost",
            "ProtocolError",
            "ProtocolFault",
            "Refusal",
            "RequestExpired",
            "RequestFailed",
            "StateError",
            "TooManySockets",
            "TooManyThreads",
            "UnencryptedWarning",
            "Unroutable",
        ],
        "trio_mq._events": [
            "AcceptFailed",
            "Accepted",
            "Connected",
            "Disconnected",
            "Dropped",
            "Event",
            "EventStream",
            "HandshakeFailed",
            "Listening",
            "ListeningStopped",
            "Retrying",
            "SubscriptionAdded",
            "SubscriptionRemoved",
            "Undelivered",
        ],
        "trio_mq._hardened": ["HardenedOptions"],
        "trio_mq._limits": ["Limits"],
        "trio_mq._message": ["BytesLike", "Message", "Sendable"],
        "trio_mq._options": [
            "Balance",
            "ConnectionOptions",
            "OnFull",
            "Options",
            "Verbosity",
        ],
        "trio_mq._peer": ["Peer", "PeerStatistics"],
        "trio_mq._proxy": ["proxy"],
        "trio_mq._sockets.by_type": ["open_socket"],
        "trio_mq._sockets.keywords": [
            "BindOptions",
            "DealerOptions",
            "PubOptions",
            "PullOptions",
            "PushOptions",
            "ReqOptions",
            "RouterOptions",
            "SocketOptions",
            "SubOptions",
            "XPubOptions",
        ],
        "trio_mq._sockets.pair": ["Pair"],
        "trio_mq._sockets.pipeline": ["Downstream", "Pull", "Push", "Upstream"],
        "trio_mq._sockets.publishing": ["Pub", "XPub"],
        "trio_mq._sockets.receiver": ["Receiver"],
        "trio_mq._sockets.replying": ["Rep"],
        "trio_mq._sockets.requesting": ["Req"],
        "trio_mq._sockets.retry": ["Retry"],
        "trio_mq._sockets.routing": ["Dealer", "Router"],
        "trio_mq._sockets.sender": ["Sender"],
        "trio_mq._sockets.requests": ["Request"],
        "trio_mq._sockets.socket": ["Socket"],
        "trio_mq._sockets.subscribing": ["Sub", "XSub"],
        "trio_mq._statistics": ["SocketStatistics"],
        "trio_mq._tally": ["DropReason", "TrafficStatistics"],
        "trio_mq.admin": ["admin"],
        "trio_mq.auth": ["auth"],
        "trio_mq.lowlevel": ["lowlevel"],
        "trio_mq.zmtp": ["SocketType", "zmtp"],
    },
    instead=_instead,
)


def _ask_handler(context: Context) -> auth.Authenticator:
    """Return what asks the ZAP handler of a context; few programs have one."""
    from trio_mq._sockets.zap import AskHandler  # noqa: PLC0415

    return AskHandler(context)


# Every socket can ask a handler, whichever names the program has asked for.
ask_handlers_by(_ask_handler)
