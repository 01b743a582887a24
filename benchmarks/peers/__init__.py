"""The libraries that are compared: which there are, and one module for each.

Every module has ``ROLES``, the parts that its library can play in a measurement, by name.
"""

from __future__ import annotations

import importlib.metadata
from typing import Final

import attrs


@attrs.frozen
class Peer:
    """A library in one way of using it."""

    #: The name of its module here, and of its figures in the JSON.
    name: str
    #: What tables and charts call it.
    label: str
    #: The distributions that it needs; without one of them it is missing.
    distributions: tuple[str, ...]

    def missing(self) -> tuple[str, ...]:
        """Return the distributions that are not installed."""
        return tuple(name for name in self.distributions if installed_version(name) is None)


def installed_version(distribution: str) -> str | None:
    """Return its version, or ``None`` if it is not there."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


_EVERY: Final = (
    Peer("trio_mq_each", "trio_mq", ("trio",)),
    Peer("trio_mq_many", "trio_mq, send_many", ("trio",)),
    Peer("pyzmq_blocking", "pyzmq, blocking", ("pyzmq",)),
    Peer("pyomq_blocking", "pyomq, blocking", ("pyomq",)),
    Peer("pyomq_asyncio", "pyomq, asyncio", ("pyomq",)),
    Peer("pyzmq_asyncio", "pyzmq, asyncio", ("pyzmq",)),
    Peer("pyzmq_uvloop", "pyzmq, uvloop", ("pyzmq", "uvloop")),
    Peer("zmq_anyio_trio", "zmq-anyio, trio", ("zmq-anyio",)),
    Peer("pynng_trio", "pynng, trio", ("pynng",)),
    Peer("bare_trio", "bare trio, no protocol", ("trio",)),
    Peer("bare_sockets", "bare sockets, no protocol", ()),
    Peer("bare_boxes", "PyNaCl over bare sockets", ("pynacl",)),
)

PEERS: Final = {peer.name: peer for peer in _EVERY}
