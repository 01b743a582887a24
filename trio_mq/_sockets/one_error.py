"""What a call with a nursery inside raises: one error, as if there were no nursery."""

from __future__ import annotations

import trio

from trio_mq._errors import leaves


def the_one(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one to raise for all: Ctrl-C, else a cancellation, else the first."""
    errors = list(leaves(group))
    for kind in (KeyboardInterrupt, trio.Cancelled):
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[0]
