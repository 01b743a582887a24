"""A connected endpoint and the calls that asked for it: who keeps it, and who only waits for it.

Several tasks may connect to the same endpoint. A call that has returned keeps it until
``disconnect``. A call that waits for the handshake, and gives up or fails, takes the endpoint away
only if nobody keeps it and nobody else waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import attrs
import trio

from trio_mq._connections.dialer import Dialer
from trio_mq._connections.inproc_endpoints import InprocDialer
from trio_mq._connections.waiting_calls import WaitingCalls
from trio_mq._endpoint_status import EndpointState
from trio_mq._transports.failure import attempting

AnyConnected: TypeAlias = Dialer | InprocDialer


@attrs.define(eq=False, repr=False)
class Connected:
    """One endpoint as the registry knows it."""

    given: str
    dial: AnyConnected
    overrides: Mapping[str, object]
    #: A call has returned it.
    kept: bool
    _waiting: int = attrs.field(init=False, default=0)

    @property
    def is_over(self) -> bool:
        """Its only attempt has failed, though a call may not know it yet; or it was stopped."""
        return self.dial.done.is_set()

    @property
    def unwanted(self) -> bool:
        """No call keeps it, and none waits for it."""
        return not self.kept and (not self._waiting or self.is_over)

    def agree(self, overrides: Mapping[str, object]) -> None:
        """Raise `ValueError` if another call wants it with other options."""
        if dict(self.overrides) != dict(overrides):
            options = dict(self.overrides) or "none of its own"
            raise ValueError(
                f"{self.dial.endpoint} is connected already with other options ({options}): "
                "give the same, or disconnect it first"
            )

    def keep(self) -> bool:
        """Let it stay, also if the handshake that others wait for fails; tell whether that is new.

        It goes on dialling then, as if nobody had waited.
        """
        was_kept, self.kept = self.kept, True
        self.dial.go_on()
        return not was_kept

    async def handshake(self, calls: WaitingCalls) -> None:
        """Wait for the attempt that is being made, and keep the endpoint if it succeeds."""
        self._waiting += 1
        try:
            await self._handshake(calls)
            self.kept = True
        finally:
            self._waiting -= 1

    async def _handshake(self, calls: WaitingCalls) -> None:
        dial = self.dial
        # A dialer keeps the time limit itself. For a name of inproc nothing happens but the
        # waiting, so the limit is kept here.
        seconds = dial.options.connect_timeout if isinstance(dial, InprocDialer) else None
        nobody = f"cannot connect to {dial.endpoint}: nobody binds that name in this context"
        with calls.until_closed(), attempting(nobody, seconds=seconds):
            await dial.tried.wait()
        # Not the endpoint's last error: that may be of a connection that was made, and lost again,
        # before this attempt or after it.
        if dial.failure is not None:
            raise dial.failure
        if dial.state is not EndpointState.CONNECTED and dial.done.is_set():
            raise trio.ClosedResourceError(f"{dial.endpoint} was disconnected meanwhile")
