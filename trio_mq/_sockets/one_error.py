"""What a call raises that has a nursery inside: one error, as if it had none."""

from __future__ import annotations

import trio

from trio_mq._errors import leaves


def the_one(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what to raise for all: Ctrl-C, or else cancellation, or else what came first."""
    errors = list(leaves(group))
    for kind in (KeyboardInterrupt, trio.Cancelled):
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[0]
