"""Routing table: the first frame of a message names the peer that gets the rest."""

from __future__ import annotations

from collections.abc import Iterator

from trio_mq._pipes.pipe import Pipe

_COUNTER_LIMIT = 1 << 32


class RoutingTable:
    """Knows the pipe of each routing id, and invents ids for peers that have none (RFC 28).

    An invented id is a zero byte and a 32-bit counter, five bytes as in libzmq; peers may not
    claim ids that begin with a zero byte, so nobody can pose as another's invented id.

    Args:
        first: Where the counter starts; random in use, so that an id kept from an earlier run does
            not name somebody else.
    """

    __slots__ = ("_counter", "_pipes")

    def __init__(self, first: int) -> None:
        self._counter = first % _COUNTER_LIMIT
        self._pipes: dict[bytes, Pipe] = {}

    def __len__(self) -> int:
        return len(self._pipes)

    def find(self, routing_id: bytes) -> Pipe | None:
        """Return the pipe of that id, or ``None``."""
        return self._pipes.get(routing_id)

    def add(self, pipe: Pipe, routing_id: bytes) -> None:
        """Make the pipe reachable under an id, or under an invented one if it is empty."""
        name = routing_id or self._invent()
        pipe.take_name(name)
        self._pipes[name] = pipe

    def remove(self, pipe: Pipe) -> None:
        """Forget the pipe, unless its id was handed over to another one."""
        if self._pipes.get(pipe.routing_id) is pipe:
            del self._pipes[pipe.routing_id]

    def faults(self) -> Iterator[str]:
        """Say which ids name a pipe that does not know it."""
        for routing_id, pipe in self._pipes.items():
            if pipe.routing_id != routing_id:
                yield f"{routing_id!r} names {pipe!r}, which is called {pipe.routing_id!r}"

    @staticmethod
    def invented(routing_id: bytes) -> bool:
        """Tell whether this is an id of ours, which no peer can claim."""
        return routing_id.startswith(b"\x00")

    def _invent(self) -> bytes:
        while True:
            routing_id = b"\x00" + self._counter.to_bytes(4, "big")
            self._counter = (self._counter + 1) % _COUNTER_LIMIT
            if routing_id not in self._pipes:
                return routing_id
