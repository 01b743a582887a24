"""An hour of a bad network in a second: hosts in memory, on trio's clock, for tests of programs."""

from __future__ import annotations

from trio_mq.testing.host import Host as Host
from trio_mq.testing.network import Network as Network

__all__ = ["Host", "Network"]

# Named as users import them.
for _thing in (Host, Network):
    _thing.__module__ = __name__
