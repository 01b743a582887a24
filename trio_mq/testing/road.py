"""The way from one host to another, in one direction: how long it takes, and what gets through."""

from __future__ import annotations

import random

import attrs


@attrs.define(eq=False)
class Road:
    """One direction between two hosts, which all their connections share."""

    source: str
    target: str
    #: Seconds that everything takes, and seconds that chance adds at most.
    delay: float
    jitter: float = 0.0
    #: Bytes per second; ``None``: as many as there are.
    rate: float | None = None
    #: Bytes that each kernel keeps of one connection: to send, and to be read.
    buffer: int = 128 * 1024
    #: Nothing gets through.
    cut: bool = False
    #: Nothing but the greetings of TCP itself gets through.
    silent: bool = False
    #: When the last byte that was sent here is on its way.
    _busy_until: float = 0.0

    @property
    def blocked(self) -> bool:
        """What a connection sends is lost."""
        return self.cut or self.silent

    def arrival(self, now: float, size: int, chance: random.Random) -> float:
        """Send ``size`` bytes, and return when the last of them arrives."""
        if self.rate is not None:
            now = self._busy_until = max(now, self._busy_until) + size / self.rate
        return now + self.delay + (self.jitter * chance.random() if self.jitter else 0.0)
