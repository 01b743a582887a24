"""What everything in one network shares, and a host as connections know it."""

from __future__ import annotations

import random
from typing import Final

import attrs

from trio_mq.testing.history import History
from trio_mq.testing.road import Road
from trio_mq.testing.timetable import Timetable

#: Seconds from one host to another, unless a link says otherwise; and within a host.
DELAY: Final = 0.001
_LOCAL_DELAY: Final = 0.00001


@attrs.define(eq=False)
class World:
    """Time, chance and roads."""

    chance: random.Random
    timetable: Timetable = attrs.field(factory=Timetable)
    history: History = attrs.field(factory=History)
    roads: dict[tuple[str, str], Road] = attrs.field(factory=dict)

    def road(self, source: str, target: str) -> Road:
        """Return the road from one host to another."""
        key = (source, target)
        if key not in self.roads:
            self.roads[key] = Road(source, target, _LOCAL_DELAY if source == target else DELAY)
        return self.roads[key]


@attrs.define(eq=False)
class Machine:
    """A host, as far as connections see it."""

    name: str
    address: str
    world: World
    #: It has crashed.
    down: bool = False
    #: Bytes per second that its programs read from each connection; ``None``: all there are.
    reading_rate: float | None = None

    def note(self, what: str) -> None:
        """Note what happens there."""
        self.world.history.note(what)

    def road_to(self, other: Machine) -> Road:
        """Return the road to a host."""
        return self.world.road(self.name, other.name)
