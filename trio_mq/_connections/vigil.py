"""Hosts that vanish, and windows that are shut: how long the kernel waits for an answer.

Keep-alive probes idle connections only. With data on the way, the kernel sends it again for a
quarter of an hour before it gives up. ``TCP_USER_TIMEOUT`` (tcp(7)) is a limit on that, and we set
it to the time after which an idle connection would be given up.

But Linux applies that limit to a shut window too: a peer that is merely busy, and whose kernel
answers every probe, would be cut off. So a task looks at the connections of a socket a few times
within the limit, and lifts it while a window is shut. If the probes of a shut window stay
unanswered, the task itself gives the connection up.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from trio_mq._connections.binder import Binder
from trio_mq._connections.dialer import Dialer
from trio_mq._scope import Scope
from trio_mq._transports.tcp import patience_of

#: Looks in the time after which the kernel would give up, and the bounds of the pause between two.
_LOOKS: Final = 4
_SHORTEST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
#: Connections that are looked at between two schedule points.
_AT_ONCE: Final = 100


class Vigil:
    """The vigil of one socket, which begins with the first endpoint that wants one.

    Args:
        scope: Runs the tasks, that of the vigil and those of the endpoints.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        #: The endpoints that have not ended.
        self._endpoints: dict[Binder | Dialer, None] = {}
        self._begun = False

    def run(self, endpoint: Binder | Dialer, name: str) -> None:
        """Run an endpoint, and look after its connections."""
        if endpoint.options.tcp_keepalive and not self._begun:
            self._begun = True
            self._scope.spawn_in_background(self._keep_vigil, "trio_mq vigil")
        self._endpoints[endpoint] = None
        self._scope.spawn(partial(self._see_out, endpoint), name)

    @trio.lowlevel.enable_ki_protection
    async def _see_out(self, endpoint: Binder | Dialer) -> None:
        try:
            await endpoint.run()
        finally:
            del self._endpoints[endpoint]

    @trio.lowlevel.enable_ki_protection
    async def _keep_vigil(self) -> None:
        """Look after the tcp connections of this socket until cancelled."""
        while True:
            await trio.sleep(self._pause())
            links = [link for endpoint in self._endpoints for link in endpoint.links]
            for number, link in enumerate(links, 1):
                link.look_at_window()
                if number % _AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()

    def _pause(self) -> float:
        """Return the seconds until the next look: often enough for the least patient endpoint."""
        limits = [patience_of(endpoint.options) for endpoint in self._endpoints]
        least = min((limit for limit in limits if limit is not None), default=_LONGEST_PAUSE)
        return min(max(least / _LOOKS, _SHORTEST_PAUSE), _LONGEST_PAUSE)
