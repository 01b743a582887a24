"""Knobs that few programs need."""

from __future__ import annotations

from trio_mq._debug import set_debug as set_debug
from trio_mq._waiting import (
    CheckpointMode as CheckpointMode,
    set_checkpoint_mode as set_checkpoint_mode,
)

__all__ = ["CheckpointMode", "set_checkpoint_mode", "set_debug"]

# Named as users import it.
set_checkpoint_mode.__module__ = __name__
set_debug.__module__ = __name__
