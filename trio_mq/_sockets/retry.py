"""Asking again: what a `Retry` says, and the loop that does it.

An attempt that is given up leaves nothing behind that could be taken for the reply to the next one.
That is true of every request that is abandoned, so there is no code for it here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from itertools import count as from_zero
from typing import Final, Literal, TypeAlias, get_args

import attrs
import trio

from trio_mq._chance import current_chance
from trio_mq._errors import PeerLost, RequestExpired, RequestFailed
from trio_mq._limits import count, seconds
from trio_mq._option_checks import one_of
from trio_mq._patterns.exchange import Exchange
from trio_mq._pipes.pipe import Pipe

Then: TypeAlias = Literal["other peer", "any peer"]
"""Whom a request that failed asks next."""

#: Doublings after which a pause has certainly reached its bound; a larger power would overflow.
_DOUBLINGS: Final = 64
#: How many of the last failures an error tells of.
_TOLD: Final = 100


@attrs.frozen(kw_only=True)
class Retry:
    """How `Req.request` asks again when there is no reply.

    The service may then do the work twice or more often, since nobody can tell whether it acted on
    a request that it did not answer. So requests are repeated only where you say so, and that is
    right only for those that may be done twice.

    An attempt fails when its ``patience`` has run out, or by `PeerLost` or `RequestExpired`. To
    bound all of them together, put a time limit around the call, as around any other
    (`trio.move_on_after`).

    Example:
        The lazy pirate asks one service again and again::

            await req.request(m, retry=Retry(attempts=3, patience=2.5))

        With several endpoints, the same line is the freelance pattern: each attempt asks another
        service.
    """

    attempts: int | None = attrs.field(default=3, validator=count(optional=True))
    """How often to ask; ``None``: until there is a reply, or the call is cancelled."""

    patience: float = attrs.field(default=2.5, validator=seconds())
    """Seconds from the beginning of an attempt until it has failed."""

    pause: float = attrs.field(default=0.0, validator=seconds(zero=True))
    """Seconds before the second attempt, at most: pauses are random, and twice as long each time,
    so that clients don't come back all at once. 0 asks again immediately."""

    pause_max: float = attrs.field(default=10.0, validator=seconds(zero=True))
    """Seconds: the upper bound of every pause."""

    then: Then = attrs.field(default="other peer", validator=one_of(get_args(Then)))
    """Whom to ask next: one that has not failed yet, if it is there and has room; or whose turn it
    is."""

    def pause_before(self, attempt: int) -> float:
        """Return how long to wait before an attempt; the first one has the number 0."""
        if not attempt or not self.pause:
            return 0.0
        longest: float = min(self.pause_max, self.pause * 2 ** min(attempt - 1, _DOUBLINGS))
        return longest * current_chance().random()


@attrs.define(eq=False)
class Attempt:
    """One attempt at a request."""

    #: Peers to ask only if there is nobody else.
    avoid: Collection[Pipe]
    exchange: Exchange | None = None
    #: Why there is no reply, when it was given up.
    trouble: str = ""


async def ask_again(
    ask: Callable[[Attempt], Awaitable[Exchange]],
    retry: Retry,
    sleep: Callable[[float], Awaitable[None]],
) -> Exchange:
    """Make a request until it is answered.

    Args:
        ask: Makes an attempt.
        retry: How often, and for how long.
        sleep: Pauses between two of them, and raises when the socket is closed meanwhile.

    Raises:
        RequestFailed: No attempt was answered.
    """
    failures: list[Exception] = []
    failed: set[Pipe] = set()
    for number in from_zero() if retry.attempts is None else range(retry.attempts):
        pause = retry.pause_before(number)
        if pause:
            await sleep(pause)
        attempt = Attempt(failed if retry.then == "other peer" else ())
        with trio.move_on_after(retry.patience) as scope:
            try:
                return await ask(attempt)
            except (PeerLost, RequestExpired) as error:
                failures.append(error)
        if scope.cancelled_caught:
            failures.append(trio.TooSlowError(f"{attempt.trouble} ({retry.patience} s)"))
        del failures[:-_TOLD]
        if attempt.exchange is not None and attempt.exchange.pipe is not None:
            failed.add(attempt.exchange.pipe)
    raise RequestFailed(tuple(failures)) from failures[-1]
