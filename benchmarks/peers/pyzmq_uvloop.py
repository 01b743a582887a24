"""pyzmq on asyncio with uvloop as its event loop."""

from __future__ import annotations

from typing import Final

import attrs
import uvloop

from benchmarks.loops.cooperative import ASYNCIO, AsyncJob

from .pyzmq_asyncio import roles_on


def _run(main: AsyncJob) -> None:
    uvloop.run(main())


ROLES: Final = roles_on(attrs.evolve(ASYNCIO, run=_run))
