"""How long to wait before dialling again.

Programs start in any order, and a service that restarts is back soon. So an endpoint in trouble is
first dialled often, with pauses of up to a tenth of a second, and a service that comes up is found
at once. Only trouble that lasts leads to longer pauses, up to ``reconnect_interval_max``. Where a
dial costs nothing, since it does not leave the machine, trouble must last longer before the pauses
grow.

Every pause is random: short ones between half of their bound and all of it, long ones from zero on.
Without that, a thousand clients of a server that restarts all come back in the same moment, and
again after each failure. Trouble is over only after a handshake that *stood* for a while, because a
half-dead server accepts connections and drops them.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

from trio_mq._contract import Ending
from trio_mq._errors import AuthenticationFailed, HandshakeError, ProtocolError, Refusal
from trio_mq._options import Options

#: The longest pause while trouble is young, unless ``reconnect_interval`` is longer.
_NEAR: Final = 0.1
#: Seconds for which trouble is young: another program may just be starting, here or elsewhere.
_YOUNG: Final = 10.0
_YOUNG_NEARBY: Final = 60.0
#: Seconds that a connection must stand before the peer counts as healthy again.
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
        nearby: A dial does not leave this machine.
    """

    def __init__(
        self, options: Options, random: Callable[[], float], *, nearby: bool = False
    ) -> None:
        self._first = options.reconnect_interval
        self._max = max(options.reconnect_interval_max, options.reconnect_interval)
        self._random = random
        self._young = _YOUNG_NEARBY if nearby else _YOUNG
        #: When the trouble began, on trio's clock, and the bound of the last pause since.
        self._since: float | None = None
        self._bound = 0.0
        self._faults = 0

    def connection_failed(self, now: float) -> float:
        """Return the seconds to wait after an attempt that reached nobody."""
        if self._since is None:
            self._since = now
        young = now - self._since < self._young
        longest = max(self._first, min(_NEAR, self._max)) if young else self._max
        self._bound = min(longest, 2 * self._bound or self._first)
        part = self._random()
        return self._bound * ((1 + part) / 2 if young else part)

    def link_ended(self, end: Ending, now: float) -> float:
        """Return the seconds to wait after a connection that ended in this way."""
        if end.established is not None and now - end.established >= _STOOD:
            self._since, self._bound, self._faults = None, 0.0, 0
        if is_fault(end):
            return self._after_fault(end)
        return self.connection_failed(now)

    def _after_fault(self, end: Ending) -> float:
        if isinstance(end.error, AuthenticationFailed):
            return _AUTHENTICATION
        bound = min(_FAULT_MAX, _FAULT_FIRST * 2.0 ** min(self._faults, 60))
        self._faults += 1
        return max(_FAULT_FIRST, bound * self._random())


def is_fault(end: Ending) -> bool:
    """Tell whether the two ends don't understand each other, rather than having lost touch."""
    if isinstance(end.error, ssl.SSLEOFError):
        return False
    if isinstance(end.error, AuthenticationFailed) and end.error.status == "300":
        return False  # not now, but perhaps in a moment
    # A place that is taken becomes free again, as a server that is down comes up.
    return isinstance(end.error, (HandshakeError, ProtocolError, ssl.SSLError)) and not isinstance(
        end.error, Refusal
    )
