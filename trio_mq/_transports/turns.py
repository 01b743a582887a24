"""What the beginning of a connection may make us compute."""

from __future__ import annotations

from typing import Protocol


class Turns(Protocol):
    """Says when the beginning of a connection may make us compute, and counts how long it does."""

    async def take_turn(self) -> None:
        """Wait in line."""
        ...

    def computed(self, seconds: float) -> None:
        """Say how many seconds of the processor it took."""
        ...
