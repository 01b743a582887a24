"""ZMTP, the wire protocol of 0MQ, without I/O: for any event loop, or none.

`Connection` is the way in. Nothing here does I/O, reads a clock or draws random numbers.

::

    connection -> handshake, mechanism -> commands, metadata, greeting -> frames, socket_types
"""

from trio_mq._attribute_texts import describe as _describe
from trio_mq._errors import LocalProtocolError, ProtocolError, ProtocolFault, RemoteProtocolError

from .connection import Connection
from .events import (
    Cancel,
    CredentialsReceived,
    Event,
    Messages,
    PeerProperties,
    PeerReady,
    Ping,
    Pong,
    Skipped,
    Subscribe,
)
from .frames import encode_message
from .handshake import Role
from .large_boxes import LargeBox
from .mechanism import Mechanism, MechanismFactory, Null
from .sealing import Sealing
from .socket_types import SocketType

__all__ = [
    "Cancel",
    "Connection",
    "CredentialsReceived",
    "Event",
    "LargeBox",
    "LocalProtocolError",
    "Mechanism",
    "MechanismFactory",
    "Messages",
    "Null",
    "PeerProperties",
    "PeerReady",
    "Ping",
    "Pong",
    "ProtocolError",
    "ProtocolFault",
    "RemoteProtocolError",
    "Role",
    "Sealing",
    "Skipped",
    "SocketType",
    "Subscribe",
    "encode_message",
]

# `help` explains each attribute.
for _name in __all__:
    if isinstance(globals()[_name], type):
        _describe(globals()[_name])

# Tracebacks name them as users import them.
RemoteProtocolError.__module__ = LocalProtocolError.__module__ = __name__
