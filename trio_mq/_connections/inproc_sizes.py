"""The limits of a receiver, for messages that no decoder sees."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Message, size_of
from trio_mq._options import Options


def fit(messages: Sequence[Message], payload: int, options: Options) -> bool:
    """Tell quickly whether messages, of ``payload`` bytes together, are within the limits.

    It may say False of messages that are: `too_large` has the last word on each.
    """
    return (
        payload <= _unless_none(options.max_frame_size)
        and payload <= _unless_none(options.max_message_size)
        and max(map(len, messages)) <= _unless_none(options.max_frames)
    ) or all(too_large(message, options) is None for message in messages)


def too_large(message: Message, options: Options) -> RemoteProtocolError | None:
    """Return what a decoder with these limits would raise."""
    if len(message) > _unless_none(options.max_frames):
        text = f"a message has more than max_frames={options.max_frames} frames"
        return RemoteProtocolError(ProtocolFault.TOO_MANY_FRAMES, text)
    largest, total = max(map(len, message)), size_of(message)
    if largest > _unless_none(options.max_frame_size):
        text = f"a frame of {largest} bytes exceeds max_frame_size={options.max_frame_size}"
        return RemoteProtocolError(ProtocolFault.FRAME_TOO_LARGE, text)
    if total > _unless_none(options.max_message_size):
        text = f"a message of {total} bytes exceeds max_message_size={options.max_message_size}"
        return RemoteProtocolError(ProtocolFault.MESSAGE_TOO_LARGE, text)
    return None


def _unless_none(limit: int | None) -> float:
    return math.inf if limit is None else limit
