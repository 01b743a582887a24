"""CURVE in random programs: who connects is the client, and boxes are worked on in their own time.

In memory there are no threads, since they know no virtual time. Something takes their place that
chance decides: it takes no time or some, works on a box once or twice, and may be left to itself.
Frames count as large from a few bytes on.

The network in memory loses connections and changes no byte. So a box that does not come in the
order of the counts, or does not open, is a broken promise, although it only ends a connection.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from unittest.mock import patch

import trio

from trio_mq import ConnectionOptions, auth
from trio_mq._connections import elsewhere, reader, writer
from trio_mq.testing.wire import End
from trio_mq.zmtp import RemoteProtocolError, sealed
from trio_mq.zmtp.sealed import Counter

_KEYS: Final = auth.CurveKeys(secret=bytes(range(32)))
_CLIENT: Final = auth.CurveKeys(secret=bytes(range(32, 64)))
#: What keys of connections are drawn from: the same in each run of a program.
_draws: Final = random.Random()  # repeatable
#: What a program that binds adds to its options, and one that connects.
BINDING: Final[ConnectionOptions] = {
    "mechanism": auth.CurveServer(_KEYS, random_bytes=_draws.randbytes),
    "authenticator": auth.ALLOW_ANY,
}
CONNECTING: Final[ConnectionOptions] = {
    "mechanism": auth.CurveClient(_CLIENT, server=_KEYS.public, random_bytes=_draws.randbytes)
}
#: Bytes: about half of the frames of random programs are large.
_LARGE: Final = 100
#: Seconds that a box may take.
_TIMES: Final = (0, 1e-6, 0.001, 0.02)


@contextmanager
def slow_boxes(seed: int, fault: Callable[[str], None]) -> Iterator[None]:
    """Let boxes take their time, as the seed decides, and tell what is wrong with them."""
    chance = random.Random(seed)  # repeatable
    _draws.seed(seed)

    async def work_slowly(work: Callable[[], None]) -> None:
        if chance.randrange(2):
            await trio.sleep(chance.choice(_TIMES))
        else:
            for _ in range(chance.randrange(1, 6)):
                await trio.lowlevel.checkpoint()
        for _ in range(chance.choice((1, 1, 2))):
            work()

    def judge(counter: Counter, number: int) -> None:
        try:
            judge_count(counter, number)
        except RemoteProtocolError as error:
            fault(str(error))
            raise

    def wrong(found: tuple[int, bytes] | None) -> RemoteProtocolError:
        fault(f"a box did not open, or has {found!r} in it")
        return wrong_box(found)

    judge_count, wrong_box = Counter._judge, sealed._wrong  # noqa: SLF001  # where it is found
    with ExitStack() as stack:
        stack.enter_context(patch.object(Counter, "_judge", judge))
        stack.enter_context(patch.object(sealed, "_wrong", wrong))
        stack.enter_context(patch.object(elsewhere, "LARGE", _LARGE))
        stack.enter_context(patch.object(End, "takes_real_time", new=True))
        for module in (reader, writer):
            stack.enter_context(patch.object(module, "work_elsewhere", work_slowly))
        yield
