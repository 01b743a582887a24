"""Every public name of the package, from where it lives; `trio_mq` itself hands them out."""

from trio_mq import auth as auth, lowlevel as lowlevel, zmtp as zmtp
from trio_mq._attribute_texts import describe
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
from trio_mq._limits import Limits as Limits
from trio_mq._message import BytesLike as BytesLike, Message as Message, Sendable as Sendable
from trio_mq._options import (
    ConnectionOptions as ConnectionOptions,
    OnFull as OnFull,
    Options as Options,
    Verbosity as Verbosity,
)
from trio_mq._peer import Peer as Peer, PeerStatistics as PeerStatistics
from trio_mq._proxy import proxy as proxy
from trio_mq._sockets import zap as _zap  # noqa: F401  # lets every socket ask a handler
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
from trio_mq._sockets.reqrep import Rep as Rep, Req as Req
from trio_mq._sockets.routing import Dealer as Dealer, Router as Router
from trio_mq._sockets.sender import Sender as Sender
from trio_mq._sockets.socket import Socket as Socket
from trio_mq._sockets.subscribing import Sub as Sub, XSub as XSub
from trio_mq._statistics import SocketStatistics as SocketStatistics
from trio_mq._tally import DropReason as DropReason, TrafficStatistics as TrafficStatistics
from trio_mq.zmtp import SocketType as SocketType

__all__ = [
    "AcceptFailed",
    "Accepted",
    "AuthenticationFailed",
    "BindOptions",
    "BytesLike",
    "Connected",
    "ConnectionOptions",
    "Context",
    "Dealer",
    "DealerOptions",
    "Disconnected",
    "Downstream",
    "DropReason",
    "Dropped",
    "Endpoint",
    "EndpointState",
    "EndpointStatus",
    "Event",
    "EventStream",
    "HandshakeError",
    "HandshakeFailed",
    "IncompatiblePeer",
    "InternalError",
    "Limits",
    "Listening",
    "ListeningStopped",
    "MQError",
    "MechanismMismatch",
    "Message",
    "MessageTooLarge",
    "OnFull",
    "Options",
    "Pair",
    "Peer",
    "PeerLost",
    "PeerStatistics",
    "ProtocolError",
    "ProtocolFault",
    "Pub",
    "PubOptions",
    "Pull",
    "PullOptions",
    "Push",
    "PushOptions",
    "Receiver",
    "Refusal",
    "Rep",
    "Req",
    "ReqOptions",
    "Retrying",
    "Router",
    "RouterOptions",
    "Sendable",
    "Sender",
    "Socket",
    "SocketOptions",
    "SocketStatistics",
    "SocketType",
    "StateError",
    "Sub",
    "SubOptions",
    "SubscriptionAdded",
    "SubscriptionRemoved",
    "TooManySockets",
    "TooManyThreads",
    "TrafficStatistics",
    "Undelivered",
    "UnencryptedWarning",
    "Unroutable",
    "Upstream",
    "Verbosity",
    "XPub",
    "XPubOptions",
    "XSub",
    "auth",
    "lowlevel",
    "open_socket",
    "proxy",
    "zmtp",
]

# Tracebacks, reprs and documentation name things as users import them, and `help` explains each
# attribute.
for _name in __all__:
    _thing = globals()[_name]
    if getattr(_thing, "__module__", "").startswith("trio_mq._"):
        if isinstance(_thing, type):
            describe(_thing)
        _thing.__module__ = "trio_mq"
