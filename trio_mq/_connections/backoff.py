"""How long to wait before dialling again.

Full jitter: a random time up to a bound that doubles with each failure. Without it, a thousand
clients of a server that restarts all come back in the same moment, and again after each failure.
The bound falls back only after a handshake that *stood* for a while, because a half-dead server
accepts connections and drops them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trio_mq._contract import Ending
from trio_mq._errors import AuthenticationFailed, HandshakeError, ProtocolError, Refusal
from trio_mq._options import Options

#: Seconds that a connection must have stood for the peer to count as well again.
_STOOD: Final = 5.0
#: After a protocol error: somebody else's service is on that port, perhaps for a moment.
_FAULT_FIRST: Final = 1.0
_FAULT_MAX: Final = 60.0
#: After refused authentication, which trying again does not mend.
_AUTHENTICATION: Final = 60.0


class Backoff:
    """The pauses of one endpoint.

    Args:
        options: ``reconnect_interval`` and ``reconnect_interval_max``.
        random: Returns a number from 0 up to 1.
    """

    def __init__(self, options: Options, random: Callable[[], float]) -> None:
        self._first = options.reconnect_interval
        self._max = max(options.reconnect_interval_max, options.reconnect_interval)
        self._random = random
        self._failures = 0
        self._faults = 0

    def connection_failed(self) -> float:
        """Return the seconds to wait after an attempt that reached nobody."""
        bound = min(self._max, self._first * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return bound * self._random()

    def link_ended(self, end: Ending, now: float) -> float:
        """Return the seconds to wait after a connection that ended in this way."""
        if end.established is not None and now - end.established >= _STOOD:
            self._failures = self._faults = 0
        if is_fault(end):
            return self._after_fault(end)
        return self.connection_failed()

    def _after_fault(self, end: Ending) -> float:
        if isinstance(end.error, AuthenticationFailed):
            return _AUTHENTICATION
        bound = min(_FAULT_MAX, _FAULT_FIRST * 2.0 ** min(self._faults, 60))
        self._faults += 1
        return max(_FAULT_FIRST, bound * self._random())


def is_fault(end: Ending) -> bool:
    """Tell whether the two ends don't understand each other, rather than having lost touch."""
    # A place that is taken becomes free again, as a server that is down comes up.
    return isinstance(end.error, (HandshakeError, ProtocolError)) and not isinstance(
        end.error, Refusal
    )
