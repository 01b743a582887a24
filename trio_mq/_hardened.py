"""The options of a socket that faces strangers: what may be held and done for a peer, how long."""

from __future__ import annotations

from typing import TypedDict

from trio_mq._limits import MIB, Limits


class HardenedOptions(TypedDict):
    """What `Options.hardened` returns; each is a field of `trio_mq.Options`."""

    limits: Limits
    """Further bounds on what a peer may make us hold or do."""

    max_frame_size: int
    """Bytes of one frame, otherwise as ``max_message_size``."""

    max_message_size: int
    """Bytes of all frames together."""

    max_frames: int
    """Frames of one message, otherwise as ``max_message_size``."""

    receive_hwm: int
    """Messages that may wait to be received before we stop reading; ``None`` is unlimited."""

    receive_hwm_bytes: int
    """As ``receive_hwm``, in bytes: the last message may exceed it."""

    send_hwm: int
    """Messages that may wait to be written before a send waits or drops; ``None`` is unlimited."""

    send_hwm_bytes: int
    """As ``send_hwm``, in bytes: the last message may exceed it."""

    max_peers: int
    """Handshaken connections at once; ``None``: 4096, or what the limit on descriptors leaves."""

    backlog: int
    """Connections that the kernel keeps for us until we accept them."""

    handshake_timeout: float
    """Seconds from a new connection to the end of its handshake."""

    connect_timeout: float
    """Seconds for one attempt to connect, over all addresses of a name; ``None``: the system's."""

    reconnect_interval_max: float
    """Seconds: the upper bound of every such pause."""

    heartbeat_interval: float
    """Seconds between PINGs; ``None`` sends none."""

    heartbeat_timeout: float
    """Seconds without a sign of life after a PING until the connection is dropped; ``None``: as
    ``heartbeat_interval``."""

    heartbeat_ttl: float
    """Seconds of our silence after which the peer should drop us, sent with each PING; at most
    65.5."""

    linger: float
    """Seconds to write what waits when the socket or an endpoint closes; `math.inf` has no end."""

    ipc_mode: int
    """Who may connect to the file of a bound ``ipc://`` endpoint, as a mode for `os.chmod`."""


def hardened() -> HardenedOptions:
    """Return the options; `Options.hardened` says more."""
    return {
        "limits": Limits.hardened(),
        "max_frame_size": 1 * MIB,
        "max_message_size": 4 * MIB,
        "max_frames": 64,
        "receive_hwm": 1000,
        "receive_hwm_bytes": 4 * MIB,
        "send_hwm": 1000,
        "send_hwm_bytes": 8 * MIB,
        "max_peers": 1024,
        "backlog": 1024,
        "handshake_timeout": 5.0,
        "connect_timeout": 5.0,
        "reconnect_interval_max": 60.0,
        "heartbeat_interval": 10.0,
        "heartbeat_timeout": 30.0,
        "heartbeat_ttl": 30.0,
        "linger": 1.0,
        "ipc_mode": 0o600,
    }
