"""An hour of a bad network in a second: hosts in memory, on trio's clock, for tests of programs.

Nothing here is imported by the library itself. The fixture ``mq_network`` of pytest is a `Network`.
"""

from __future__ import annotations

from trio_mq.testing.books import assert_nothing_lost as assert_nothing_lost
from trio_mq.testing.explore import Found as Found, explore as explore
from trio_mq.testing.host import Host as Host
from trio_mq.testing.network import Network as Network
from trio_mq.testing.raw_peer import RawPeer as RawPeer

__all__ = ["Found", "Host", "Network", "RawPeer", "assert_nothing_lost", "explore"]

# Named as users import them.
for _thing in (Found, Host, Network, RawPeer, assert_nothing_lost, explore):
    _thing.__module__ = __name__
