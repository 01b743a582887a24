"""What the sockets of a program are doing, for someone outside of it.

`snapshot` describes them all as plain data, and `serve` answers with that whoever asks: the
command ``trio-mq watch``, a script with any binding of 0MQ, or a health check.
"""

from __future__ import annotations

from trio_mq._admin import (
    Json as Json,
    default_endpoint as default_endpoint,
    serve as serve,
    snapshot as snapshot,
    sockets as sockets,
)

__all__ = ["Json", "default_endpoint", "serve", "snapshot", "sockets"]

# Named as users import them.
for _thing in (default_endpoint, serve, snapshot, sockets):
    _thing.__module__ = __name__
