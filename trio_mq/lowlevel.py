"""Knobs that few programs need, and readiness for those who bridge to another loop."""

from __future__ import annotations

from trio_mq._debug import set_debug as set_debug
from trio_mq._readiness import wait_readable as wait_readable, wait_writable as wait_writable
from trio_mq._waiting import (
    CheckpointMode as CheckpointMode,
    set_checkpoint_mode as set_checkpoint_mode,
)

__all__ = ["CheckpointMode", "set_checkpoint_mode", "set_debug", "wait_readable", "wait_writable"]

# Named as users import them.
for _thing in (set_checkpoint_mode, set_debug, wait_readable, wait_writable):
    _thing.__module__ = __name__
